"""Values that are one word on the wire."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.graphql.scalars import read_time, write_time


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_written_time_reads_back(value: datetime):
    text = write_time(value)
    assert text.endswith("Z")
    assert read_time(text) == value


def test_times_go_out_in_utc():
    east = datetime(2026, 11, 23, 9, 30, tzinfo=timezone(timedelta(hours=1, minutes=30)))
    assert write_time(east) == "2026-11-23T08:00:00Z"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-11-23T08:00:00Z", datetime(2026, 11, 23, 8, tzinfo=UTC)),
        ("2026-11-23t08:00:00z", datetime(2026, 11, 23, 8, tzinfo=UTC)),
        ("2026-11-23T08:00:00.5+01:00", datetime(2026, 11, 23, 7, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-11-23T08:00:00.123456789Z", datetime(2026, 11, 23, 8, 0, 0, 123_456, tzinfo=UTC)),
    ],
)
def test_what_is_a_time(text: str, value: datetime):
    assert read_time(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23",
        "2026-11-23T08:00:00",
        "2026-11-23 08:00:00Z",
        "2026-11-23T08:00Z",
        "2026-02-30T08:00:00Z",
        "2026-11-23T25:00:00Z",
        "2026-11-23T08:00:00+99:00",
        "0001-01-01T00:00:00+23:00",
        "9999-12-31T23:59:59-23:00",
        "２026-11-23T08:00:00Z",
        "2026-11-23T08:00:00Z\n",
        "",
        7,
        None,
        True,
    ],
)
def test_what_is_no_time(text: object):
    with pytest.raises(ValueError, match="DateTime"):
        read_time(text)
