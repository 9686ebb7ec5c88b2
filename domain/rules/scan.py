"""When a source is to be discovered by itself."""

from datetime import datetime, timedelta

from domain.models.data_source import DataSourceStatus, ScanFrequency
from domain.models.operation import OperationState

INTERVAL = {
    ScanFrequency.HOURLY: timedelta(hours=1),
    ScanFrequency.DAILY: timedelta(days=1),
    ScanFrequency.WEEKLY: timedelta(days=7),
    ScanFrequency.MONTHLY: timedelta(days=30),
}


def is_due(frequency: ScanFrequency, last_tried_at: datetime | None, now: datetime) -> bool:
    """Whether an interval has passed since the last try (a failed one counts, so that it is not hammered)."""
    interval = INTERVAL.get(frequency)
    return interval is not None and (last_tried_at is None or now - last_tried_at >= interval)


def interval_s(frequency: ScanFrequency) -> float | None:
    """Seconds between two discoveries; None when nobody scheduled any."""
    interval = INTERVAL.get(frequency)
    return None if interval is None else interval.total_seconds()


def may_start(status: DataSourceStatus, last: OperationState | None) -> bool:
    """Whether the schedule may discover a source in this status, after a discovery in this state.

    A new run would end the one that waits for a person, and take their token away.
    """
    return last is not OperationState.AWAITING_CONFIRMATION and status not in (
        DataSourceStatus.DISABLED,
        DataSourceStatus.UNREACHABLE,
    )
