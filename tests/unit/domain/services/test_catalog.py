"""Which revision a point of the past is."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import InvalidInput
from domain.models.catalog import Revision
from domain.services.catalog import At, revision_at

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
KEPT = [Revision("src_1", number, BEGAN + timedelta(hours=number), f"op_{number}") for number in (3, 4, 5)]
ALL = [Revision("src_1", 1, BEGAN, "op_1"), Revision("src_1", 2, BEGAN + timedelta(hours=2), "op_2")]


@pytest.mark.parametrize(
    ("hours", "number"), [(3.0, 3), (3.9, 3), (4.0, 4), (100.0, 5)], ids=["exactly", "between", "next", "future"]
)
def test_a_time_is_the_revision_that_held_then(hours: float, number: int) -> None:
    assert revision_at(KEPT, 5, At(time=BEGAN + timedelta(hours=hours))) == number


def test_before_the_first_discovery_the_catalog_was_empty() -> None:
    assert revision_at(ALL, 2, At(time=BEGAN - timedelta(seconds=1))) == 0
    assert revision_at(ALL, 2, At(revision=0)) == 0
    assert revision_at([], 0, At(time=BEGAN)) == 0


@pytest.mark.parametrize("at", [At(revision=2), At(revision=0), At(time=BEGAN)])
def test_what_is_no_longer_kept_is_said(at: At) -> None:
    with pytest.raises(InvalidInput) as refused:
        revision_at(KEPT, 5, at)
    assert refused.value.problem.code == "REVISION_EXPIRED"


@pytest.mark.parametrize("number", [-1, 6])
def test_what_never_was_is_said(number: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        revision_at(KEPT, 5, At(revision=number))
    assert refused.value.problem.code == "UNKNOWN_REVISION"
