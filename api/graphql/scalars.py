"""Values that are one word on the wire."""

import re
from datetime import UTC, datetime
from typing import Any, NewType

import strawberry
from strawberry.scalars import JSON
from strawberry.types.scalar import ScalarDefinition

Cursor = NewType("Cursor", str)

# RFC 3339, section 5.6, with an offset: a time that could be anywhere is no time.
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


def write_time(value: datetime) -> str:
    """`2026-11-23T08:00:00.123456Z`: always UTC, as many decimals as there are."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def read_time(value: Any) -> datetime:
    """The aware UTC time of an RFC 3339 text; decimals below a microsecond are cut."""
    if not isinstance(value, str) or _DATE_TIME.fullmatch(value) is None:
        raise ValueError("A DateTime is written as in RFC 3339 with its offset, such as 2026-11-23T08:00:00Z.")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("This DateTime is no time of the calendar.") from None


def _read_cursor(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("A Cursor is a text that Headwater gave out.")
    return value


SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="A moment, as in RFC 3339, always in UTC when it goes out: `2026-11-23T08:00:00Z`.",
        specified_by_url="https://scalars.graphql.org/andimarek/date-time",
        serialize=write_time,
        parse_value=read_time,
    ),
    JSON: strawberry.scalar(name="JSON", description="Any JSON value."),
    Cursor: strawberry.scalar(
        name="Cursor",
        description="An opaque place in the event log to resume from; the same fact has the same cursor for everybody.",
        parse_value=_read_cursor,
    ),
}
