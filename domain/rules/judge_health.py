"""What the checks of a source add up to: a status that does not flutter, and a score whose parts say why.

**Status.** DOWN after two failed checks of the last three; up again after three good ones in a row. Nothing else moves
it between up and down. While up, it is DEGRADED when the score falls below 80; having been DEGRADED or DOWN it is
HEALTHY again when the score has reached 88 and three checks in a row were good. UNKNOWN until a rule first speaks.

**Score.** The sum of weight × score of the parts that could be measured; their weights are scaled to add up to 1.

| part              | weight | measured with                       | is 100 when           | falls in a line to 0 at |
|-------------------|--------|-------------------------------------|-----------------------|-------------------------|
| availability      | 0.35   | 3 checks in 24 h                    | no check failed       | all failed              |
| latency           | 0.25   | 60 good checks in 7 days, 5 newest  | typical ≤ 7-day p95   | 3 × the 7-day p95       |
| error_rate        | 0.20   | 20 checks in the last hour          | no check failed       | a quarter failed        |
| catalog_freshness | 0.10   | a discovery, and a schedule         | within 1.5 intervals  | 4 intervals             |
| certificate       | 0.10   | one in the last good check          | ends in ≥ 30 days     | it has ended            |

Latency compares the median of the 12 newest good checks with the source's own 7-day p95 (from hourly sums, less
than 10 % too high; taken as 10 ms where it is less, since nobody notices that). The median lets one slow answer pass.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from domain.models.data_source import DataSourceStatus
from domain.models.health import Health, HealthCheck, HealthHistory, HealthHour, HealthPart, HealthStatus
from domain.rules.percentiles import bucket, bucket_percentile, p50, p95

MAX_CHECKS = 120
HOURS_KEPT = timedelta(days=7)

DEGRADED_BELOW = 80.0
HEALTHY_FROM = 88.0

_WEIGHTS = {"availability": 0.35, "latency": 0.25, "error_rate": 0.20, "catalog_freshness": 0.10, "certificate": 0.10}
_MIN_CHECKS = 3  # as many as it takes to say that a source is well
_MIN_CHECKS_OF_RATE = 20  # with fewer, one failure alone would be a high rate
_MIN_BASELINE_CHECKS = 60
_MIN_NEWEST, _MAX_NEWEST = 5, 12
_BASELINE_FLOOR_MS = 10.0
_WORST_LATENCY_RATIO = 3.0
_WORST_ERROR_RATE = 0.25
_FRESH_INTERVALS, _STALE_INTERVALS = 1.5, 4.0
_CERTIFICATE_DAYS = 30.0


def add_check(history: HealthHistory, check: HealthCheck) -> HealthHistory:
    """The history with one more check: its hour is the last of `hours`, and what no judgement reads is left out."""
    starts = check.at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    hour = next((hour for hour in history.hours if hour.at == starts), HealthHour(starts, 0, 0))
    kept = (hour for hour in history.hours if hours_since(check.at) <= hour.at < starts)
    return HealthHistory((*history.checks, check)[-MAX_CHECKS:], (*kept, _with_check(hour, check)))


def hours_since(at: datetime) -> datetime:
    """The beginning of the oldest hour that a judgement at this time reads."""
    return at - HOURS_KEPT


def judge(
    history: HealthHistory,
    previous: Health | None,
    *,
    catalog_age_s: float | None = None,
    expected_interval_s: float | None = None,
) -> Health:
    """The health after the newest check of the history (`add_check`), which is the present.

    `catalog_age_s`: since the last discovery ended (None: there was none); `expected_interval_s`: between two
    discoveries of this source (None: nobody scheduled any). At most 120 checks and 169 hours are looked at.
    """
    now = history.checks[-1].at
    last_hour = [check for check in history.checks if check.at > now - timedelta(hours=1)]
    last_day = [hour for hour in history.hours if hour.at > now - timedelta(hours=24)]
    checks, failed = sum(hour.checks for hour in last_day), sum(hour.failed for hour in last_day)
    parts = _weighted(
        _availability(checks, failed),
        _latency(history),
        _error_rate(last_hour),
        _catalog_freshness(catalog_age_s, expected_interval_s),
        _certificate(history.checks, now),
    )
    score = sum(part.weight * part.score for part in parts) if parts else None
    before = previous.status if previous else HealthStatus.UNKNOWN
    status = _status(before, history.checks[-3:], score)
    latencies = _latencies(last_hour)
    return Health(
        status=status,
        since=previous.since if previous and previous.status is status else now,
        score=score,
        parts=parts,
        latency_p50_ms=p50(latencies),
        latency_p95_ms=p95(latencies),
        availability_24h=1 - failed / checks,
    )


def health_status_to_source_status(status: HealthStatus, current: DataSourceStatus) -> DataSourceStatus:
    """Where the source stands in its life: DISABLED stays, and nothing follows from a health that is UNKNOWN."""
    if current is DataSourceStatus.DISABLED:
        return current
    return {
        HealthStatus.UNKNOWN: current,
        HealthStatus.HEALTHY: DataSourceStatus.ACTIVE,
        HealthStatus.DEGRADED: DataSourceStatus.DEGRADED,
        HealthStatus.DOWN: DataSourceStatus.UNREACHABLE,
    }[status]


def reached(current: DataSourceStatus) -> DataSourceStatus:
    """A source that nobody had reached is ACTIVE once a test or a discovery did; else its health decides."""
    return DataSourceStatus.ACTIVE if current is DataSourceStatus.REGISTERED else current


def _with_check(hour: HealthHour, check: HealthCheck) -> HealthHour:
    if not check.ok:
        return replace(hour, checks=hour.checks + 1, failed=hour.failed + 1)
    latencies = dict(hour.latencies)
    if check.latency_ms is not None:
        number = bucket(check.latency_ms)
        latencies[number] = latencies.get(number, 0) + 1
    return replace(hour, checks=hour.checks + 1, latencies=tuple(sorted(latencies.items())))


def _status(before: HealthStatus, last_three: Sequence[HealthCheck], score: float | None) -> HealthStatus:
    if sum(not check.ok for check in last_three) >= 2:
        return HealthStatus.DOWN
    three_good = len(last_three) == 3 and all(check.ok for check in last_three)
    if before in (HealthStatus.UNKNOWN, HealthStatus.DOWN) and not three_good:
        return before
    if score is None:
        return HealthStatus.HEALTHY
    is_well = score >= HEALTHY_FROM and three_good
    was_ill = before in (HealthStatus.DEGRADED, HealthStatus.DOWN)
    return HealthStatus.DEGRADED if score < DEGRADED_BELOW or (was_ill and not is_well) else HealthStatus.HEALTHY


def _weighted(*measured: HealthPart | None) -> tuple[HealthPart, ...]:
    parts = [part for part in measured if part is not None]
    total = sum(part.weight for part in parts)
    return tuple(replace(part, weight=part.weight / total) for part in parts)


def _part(name: str, share: float, why: str) -> HealthPart:
    return HealthPart(name, _WEIGHTS[name], 100 * min(1.0, max(0.0, share)), why)


def _availability(checks: int, failed: int) -> HealthPart | None:
    if checks < _MIN_CHECKS:
        return None
    share = 1 - failed / checks
    return _part(
        "availability", share, f"{checks - failed} of {checks} checks in the last 24 h were good ({share:.2%})."
    )


def _error_rate(last_hour: Sequence[HealthCheck]) -> HealthPart | None:
    checks = len(last_hour)
    if checks < _MIN_CHECKS_OF_RATE:
        return None
    failed = sum(not check.ok for check in last_hour)
    minutes = (last_hour[-1].at - last_hour[0].at) / timedelta(minutes=1)
    why = f"{failed} of the last {checks} checks ({minutes:.0f} min) failed ({failed / checks:.1%})."
    return _part("error_rate", 1 - failed / checks / _WORST_ERROR_RATE, why)


def _latency(history: HealthHistory) -> HealthPart | None:
    newest = _latencies(history.checks)[-_MAX_NEWEST:]
    counts = [pair for hour in history.hours for pair in hour.latencies]
    baseline, typical = bucket_percentile(counts, 0.95), p50(newest)
    measured = sum(count for _, count in counts)
    if baseline is None or typical is None or measured < _MIN_BASELINE_CHECKS or len(newest) < _MIN_NEWEST:
        return None
    ratio = typical / max(baseline, _BASELINE_FLOOR_MS)
    why = (
        f"The median of the last {len(newest)} good checks is {typical:.1f} ms; "
        f"95 % of {measured} in the last 7 days took at most {baseline:.1f} ms."
    )
    return _part("latency", (_WORST_LATENCY_RATIO - ratio) / (_WORST_LATENCY_RATIO - 1), why)


def _catalog_freshness(age_s: float | None, interval_s: float | None) -> HealthPart | None:
    if age_s is None or interval_s is None:
        return None
    share = (_STALE_INTERVALS - age_s / interval_s) / (_STALE_INTERVALS - _FRESH_INTERVALS)
    why = f"The catalog was read {age_s / 3600:.1f} h ago; it is to be read every {interval_s / 3600:g} h."
    return _part("catalog_freshness", share, why)


def _certificate(checks: Sequence[HealthCheck], now: datetime) -> HealthPart | None:
    ends = next((check.certificate_expires_at for check in reversed(checks) if check.ok), None)
    if ends is None:
        return None
    days = (ends - now) / timedelta(days=1)
    why = f"The certificate ends in {days:.1f} days." if days >= 0 else f"The certificate ended {-days:.1f} days ago."
    return _part("certificate", days / _CERTIFICATE_DAYS, why)


def _latencies(checks: Sequence[HealthCheck]) -> list[float]:
    return [check.latency_ms for check in checks if check.ok and check.latency_ms is not None]
