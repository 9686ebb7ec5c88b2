"""Recorded sequences of checks and the transitions that they must lead to, exactly.

A recording is written as `.` for a good check, `x` for a failed one; a transition as (number of the check, status).
"""

import math
from collections.abc import Callable, Iterator
from copy import copy
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.models.data_source import DataSourceStatus
from domain.models.health import Health, HealthCheck, HealthHistory, HealthPart, HealthStatus
from domain.rules.judge_health import (
    DEGRADED_BELOW,
    HEALTHY_FROM,
    MAX_CHECKS,
    add_check,
    health_status_to_source_status,
    hours_since,
    judge,
    reached,
)

UNKNOWN, HEALTHY, DEGRADED, DOWN = HealthStatus
BEGIN = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
DAY_S = 86_400.0


def steady(_: int) -> float:
    return 20.0


class Watch:
    """A source under watch: its history, its health, and when its status changed."""

    def __init__(self, *, every_s: float = 30.0) -> None:
        self.history = HealthHistory()
        self.health: Health | None = None
        self.transitions: list[tuple[int, HealthStatus]] = []
        self._every = timedelta(seconds=every_s)
        self._at = BEGIN
        self.made = 0

    def see(
        self,
        recording: str,
        latency_ms: Callable[[int], float] = steady,
        *,
        certificate_expires_at: datetime | None = None,
        catalog_age_s: float | None = None,
        expected_interval_s: float | None = None,
    ) -> "Watch":
        for mark in recording:
            self.made += 1
            self._at += self._every
            check = HealthCheck(self._at, ok=False)
            if mark == ".":
                latency = latency_ms(self.made)
                check = HealthCheck(self._at, True, latency, certificate_expires_at=certificate_expires_at)
            before = self.health
            self.history = add_check(self.history, check)
            self.health = judge(
                self.history, before, catalog_age_s=catalog_age_s, expected_interval_s=expected_interval_s
            )
            if before is None or before.status is not self.health.status:
                self.transitions.append((self.made, self.health.status))
                assert self.health.since == self._at
        return self

    def part(self, name: str) -> HealthPart | None:
        assert self.health is not None
        return next((part for part in self.health.parts if part.name == name), None)


def transitions(recording: str, latency_ms: Callable[[int], float] = steady) -> list[tuple[int, HealthStatus]]:
    """After a day that was well."""
    return after_a_good_day().see(recording, latency_ms).transitions


def after_a_good_day() -> "Watch":
    watch = copy(_good_day())
    watch.transitions, watch.made = [], 0
    return watch


@lru_cache
def _good_day() -> "Watch":
    return Watch().see("." * 2_880)


def test_unknown_until_three_good_checks() -> None:
    assert Watch().see("...").transitions == [(1, UNKNOWN), (3, HEALTHY)]


def test_down_from_the_first_two() -> None:
    assert Watch().see("xx").transitions == [(1, UNKNOWN), (2, DOWN)]


def test_unknown_while_neither_rule_speaks() -> None:
    assert Watch().see("x..x..x").transitions == [(1, UNKNOWN)]


def test_steady() -> None:
    """Noise within the usual changes nothing."""
    assert transitions("." * 400, lambda n: 20 + 15 * math.sin(n)) == []


@pytest.mark.parametrize("recording", ["." * 50 + "x" + "." * 50, "x..x..x" + "." * 100])
def test_single_failures(recording: str) -> None:
    assert transitions(recording) == []


def test_spike_of_one_answer() -> None:
    assert transitions("." * 200, lambda n: 5_000 if n == 100 else 20) == []


def test_spike_that_lasts() -> None:
    """Slow from the 101st to the 150th: the median of 12 rises with 6 slow ones and falls with 7 quick ones."""
    assert transitions("." * 300, lambda n: 200 if 100 < n <= 150 else 20) == [(106, DEGRADED), (157, HEALTHY)]


def test_slowness_is_judged_by_the_own_past() -> None:
    """What is usual for one source is not slow, however long it takes."""
    watch = Watch().see("." * 300, lambda n: 900.0)
    assert watch.transitions == [(1, UNKNOWN), (3, HEALTHY)]


def test_outage() -> None:
    """Down with the second failure, once."""
    assert transitions("." * 10 + "x" * 500) == [(12, DOWN)]


def test_outage_with_lucky_answers() -> None:
    """Neither one nor two good answers in a row end an outage."""
    assert transitions("xx" + "x.x.x..x..x.x" * 10) == [(2, DOWN)]


def test_short_outage_and_recovery() -> None:
    """Five minutes: up with the third good check, and well enough at once."""
    assert transitions("x" * 10 + "." * 100) == [(2, DOWN), (13, HEALTHY)]


def test_long_outage_and_recovery() -> None:
    """Two hours: up with the third good check, but DEGRADED until the failures of the last hour are few enough."""
    assert transitions("x" * 240 + "." * 300) == [(2, DOWN), (243, DEGRADED), (351, HEALTHY)]


def test_flapping() -> None:
    """One failure in three never is two of three: up, but DEGRADED (20 % failed in the hour), without fluttering."""
    assert transitions("..x" * 200) == [(72, DEGRADED)]


def test_flapping_in_pairs() -> None:
    """Two down, two up, and so on: DOWN once, since three in a row never come."""
    assert transitions("xx.." * 50) == [(2, DOWN)]


def test_flapping_that_ends() -> None:
    assert transitions("..x" * 100 + "." * 200) == [(72, DEGRADED), (384, HEALTHY)]


def test_a_score_between_the_thresholds_keeps_the_status() -> None:
    """One failure in nine scores between 80 and 88: HEALTHY stays, and DEGRADED stays."""
    was_well = after_a_good_day().see("........x" * 100)
    assert was_well.health is not None
    assert was_well.health.score is not None
    assert DEGRADED_BELOW < was_well.health.score < HEALTHY_FROM
    assert was_well.health.status is HEALTHY
    was_ill = after_a_good_day().see("..x" * 100).see("........x" * 100)
    assert was_ill.health is not None
    assert was_ill.health.score is not None
    assert DEGRADED_BELOW < was_ill.health.score < HEALTHY_FROM
    assert was_ill.health.status is DEGRADED


@given(st.text(".x", max_size=60))
def test_only_the_rules_move_a_status(recording: str) -> None:
    watch = Watch().see(recording)
    status = UNKNOWN
    for number, after in watch.transitions[1:]:
        last_three = recording[max(0, number - 3) : number]
        if after is DOWN:
            assert last_three.count("x") >= 2
        elif status in (UNKNOWN, DOWN) or after is HEALTHY:
            assert last_three == "..."
        status = after


@given(
    st.text(".x", max_size=60),
    st.none() | st.integers(-400, 400).map(lambda days: BEGIN + timedelta(days=days)),
    st.none() | st.floats(0, 100 * DAY_S),
    st.none() | st.sampled_from([3_600.0, DAY_S]),
)
def test_the_parts_add_up(
    recording: str, certificate: datetime | None, age_s: float | None, interval_s: float | None
) -> None:
    watch = Watch().see(
        recording, certificate_expires_at=certificate, catalog_age_s=age_s, expected_interval_s=interval_s
    )
    if watch.health is None:
        return
    if not watch.health.parts:
        assert watch.health.score is None
        return
    assert watch.health.score is not None
    assert sum(part.weight for part in watch.health.parts) == pytest.approx(1)
    assert watch.health.score == pytest.approx(sum(part.weight * part.score for part in watch.health.parts))
    assert all(0 <= part.score <= 100 and part.why.endswith(".") for part in watch.health.parts)


def test_all_parts_have_the_weights_of_the_table() -> None:
    watch = Watch().see(
        "." * 100,
        certificate_expires_at=BEGIN + timedelta(days=90),
        catalog_age_s=60.0,
        expected_interval_s=DAY_S,
    )
    assert watch.health is not None
    assert {part.name: round(part.weight, 6) for part in watch.health.parts} == {
        "availability": 0.35,
        "latency": 0.25,
        "error_rate": 0.20,
        "catalog_freshness": 0.10,
        "certificate": 0.10,
    }
    assert watch.health.score == pytest.approx(100)


def test_what_was_not_measured_has_no_part() -> None:
    watch = Watch().see("..")
    assert watch.health is not None
    assert watch.health.parts == ()
    assert watch.health.score is None
    assert watch.health.availability_24h == 1.0
    health = watch.see("." * 17).health
    assert health is not None
    assert [(part.name, part.weight) for part in health.parts] == [("availability", 1.0)]
    assert health.score == 100.0
    health = watch.see("." * 41).health
    assert health is not None
    assert [part.name for part in health.parts] == ["availability", "latency", "error_rate"]


def test_each_part_says_why_in_numbers() -> None:
    watch = (
        Watch()
        .see("." * 80)
        .see(
            "x" + "." * 19,
            lambda n: 33.0,
            certificate_expires_at=BEGIN + timedelta(days=15),
            catalog_age_s=2.75 * DAY_S,
            expected_interval_s=DAY_S,
        )
    )
    assert watch.health is not None
    said = {part.name: (round(part.score, 1), part.why) for part in watch.health.parts}
    assert said == {
        "availability": (99.0, "99 of 100 checks in the last 24 h were good (99.00%)."),
        "latency": (
            100.0,
            "The median of the last 12 good checks is 33.0 ms; 95 % of 99 in the last 7 days took at most 34.0 ms.",
        ),
        "error_rate": (96.0, "1 of the last 100 checks (50 min) failed (1.0%)."),
        "catalog_freshness": (50.0, "The catalog was read 66.0 h ago; it is to be read every 24 h."),
        "certificate": (49.9, "The certificate ends in 15.0 days."),
    }


@pytest.mark.parametrize(
    ("days", "score", "why"),
    [(30.1, 100.0, "ends in 30.1 days"), (3, 10.0, "ends in 3.0 days"), (-2, 0.0, "ended 2.0 days ago")],
)
def test_certificate(days: float, score: float, why: str) -> None:
    ends = BEGIN + timedelta(seconds=30) + timedelta(days=days)
    part = Watch().see(".", certificate_expires_at=ends).part("certificate")
    assert part is not None
    assert part.score == pytest.approx(score)
    assert why in part.why


@pytest.mark.parametrize(("intervals", "score"), [(0.5, 100), (1.5, 100), (2.75, 50), (4, 0), (50, 0)])
def test_catalog_freshness(intervals: float, score: float) -> None:
    part = Watch().see(".", catalog_age_s=intervals * 3_600, expected_interval_s=3_600).part("catalog_freshness")
    assert part is not None
    assert part.score == pytest.approx(score)


def test_differences_of_a_few_milliseconds_are_nothing() -> None:
    assert Watch().see("." * 300, lambda n: 0.2 if n < 250 else 8.0).transitions == [(1, UNKNOWN), (3, HEALTHY)]


def test_latencies_and_availability_are_shown() -> None:
    watch = Watch(every_s=60).see("x" * 30 + "." * 60, lambda n: float(n % 10))
    assert watch.health is not None
    assert watch.health.latency_p50_ms == 4.5
    assert watch.health.latency_p95_ms == 9.0
    assert watch.health.availability_24h == pytest.approx(60 / 90)


def test_the_history_stays_bounded() -> None:
    """Eight days of a check every half hour: 169 hours at most, and each check of the last 7 days counted once."""
    watch = Watch(every_s=1_800).see("." * 8 * 48)
    assert len(watch.history.checks) == MAX_CHECKS
    assert len(watch.history.hours) <= 169
    newest = watch.history.checks[-1].at
    assert watch.history.hours[0].at >= hours_since(newest)
    assert watch.history.hours[-1].at <= newest
    assert sum(hour.checks for hour in watch.history.hours) in range(7 * 48 - 2, 7 * 48 + 1)


def test_a_check_falls_into_its_hour_in_utc() -> None:
    at = BEGIN.astimezone(timezone(timedelta(hours=5, minutes=45)))
    history = add_check(HealthHistory(), HealthCheck(at, True, 1.0))
    assert [hour.at for hour in history.hours] == [BEGIN.replace(minute=0)]


def test_a_clock_that_was_put_back_counts_on_in_the_hour_that_it_shows() -> None:
    later = add_check(HealthHistory(), HealthCheck(BEGIN + timedelta(hours=2), True, 1.0))
    back = add_check(later, HealthCheck(BEGIN, True, 1.0))
    assert [hour.at for hour in back.hours] == [BEGIN.replace(minute=0)]
    assert judge(back, None).status is UNKNOWN


def _statuses() -> Iterator[tuple[HealthStatus, DataSourceStatus, DataSourceStatus]]:
    current = DataSourceStatus
    yield UNKNOWN, current.REGISTERED, current.REGISTERED
    yield UNKNOWN, current.UNREACHABLE, current.UNREACHABLE
    yield HEALTHY, current.REGISTERED, current.ACTIVE
    yield DEGRADED, current.ACTIVE, current.DEGRADED
    yield DOWN, current.DEGRADED, current.UNREACHABLE
    yield HEALTHY, current.UNREACHABLE, current.ACTIVE
    for health in HealthStatus:
        yield health, current.DISABLED, current.DISABLED


@pytest.mark.parametrize(("health", "current", "after"), list(_statuses()))
def test_a_source_follows_its_health(health: HealthStatus, current: DataSourceStatus, after: DataSourceStatus) -> None:
    assert health_status_to_source_status(health, current) is after


@pytest.mark.parametrize("status", list(DataSourceStatus))
def test_only_a_source_that_was_never_reached_becomes_active_by_being_reached(status: DataSourceStatus) -> None:
    expected = DataSourceStatus.ACTIVE if status is DataSourceStatus.REGISTERED else status
    assert reached(status) is expected
