from datetime import UTC, datetime, timedelta

import pytest

from domain.models.data_source import DataSourceStatus, ScanFrequency
from domain.models.operation import OperationState
from domain.rules.scan import interval_s, is_due, may_start

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("frequency", "last_tried", "due"),
    [
        (ScanFrequency.MANUAL, None, False),
        (ScanFrequency.MANUAL, timedelta(days=400), False),
        (ScanFrequency.HOURLY, None, True),
        (ScanFrequency.HOURLY, timedelta(minutes=59), False),
        (ScanFrequency.HOURLY, timedelta(minutes=60), True),
        (ScanFrequency.DAILY, timedelta(hours=23), False),
        (ScanFrequency.WEEKLY, timedelta(days=7), True),
        (ScanFrequency.MONTHLY, timedelta(days=29), False),
    ],
)
def test_due_after_an_interval_since_the_last_try(
    frequency: ScanFrequency, last_tried: timedelta | None, due: bool
) -> None:
    assert is_due(frequency, None if last_tried is None else NOW - last_tried, NOW) is due


def test_the_interval_in_seconds() -> None:
    assert interval_s(ScanFrequency.DAILY) == 86_400
    assert interval_s(ScanFrequency.MANUAL) is None


@pytest.mark.parametrize(
    ("status", "last", "may"),
    [
        (DataSourceStatus.ACTIVE, None, True),
        (DataSourceStatus.ACTIVE, OperationState.FAILED, True),
        (DataSourceStatus.ACTIVE, OperationState.AWAITING_CONFIRMATION, False),
        (DataSourceStatus.DISABLED, None, False),
        (DataSourceStatus.UNREACHABLE, OperationState.SUCCEEDED, False),
    ],
)
def test_nobody_loses_what_they_are_asked_to_confirm(
    status: DataSourceStatus, last: OperationState | None, may: bool
) -> None:
    assert may_start(status, last) is may
