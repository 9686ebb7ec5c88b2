"""The newest events of a process: never with a hole, never more than fit."""

from hypothesis import given
from hypothesis import strategies as st

from domain.models.data_source import Sensitivity, SourceEnvironment
from domain.models.event import DataSourceAction, DataSourceEvent, LoggedEvent
from persistence.events.log import Entry
from persistence.events.ring import Ring
from tests.contract.events.stores import AT


def entry(position: int) -> Entry:
    event = DataSourceEvent("src_shop", "shop", DataSourceAction.UPDATED)
    return Entry(LoggedEvent(position, AT, event, SourceEnvironment.TEST, Sensitivity.PUBLIC, "ann"), "shop")


def positions(found: list[Entry] | None) -> list[int] | None:
    return None if found is None else [one.logged.position for one in found]


def test_a_new_ring_goes_on_where_it_is_told() -> None:
    ring = Ring(3)
    ring.start_at(10)
    assert positions(ring.after(10, 5)) == []
    assert positions(ring.after(99, 5)) == []
    assert ring.after(9, 5) is None
    ring.append([entry(11), entry(12)], 12)
    assert positions(ring.after(10, 5)) == [11, 12]
    assert positions(ring.after(10, 1)) == [11]
    assert positions(ring.after(11, 5)) == [12]


def test_what_does_not_fit_has_to_be_read_elsewhere() -> None:
    ring = Ring(3)
    ring.append([entry(n) for n in range(1, 6)], 5)
    assert positions(ring.after(2, 5)) == [3, 4, 5]
    assert ring.after(1, 5) is None


def test_a_hole_forgets_what_lies_before_it() -> None:
    ring = Ring(3)
    ring.append([entry(1)], 1)
    ring.append([entry(4), entry(5)], 5)
    assert positions(ring.after(3, 5)) == [4, 5]
    assert ring.after(1, 5) is None
    ring.append([], 9)
    assert (ring.position, ring.after(8, 5)) == (9, None)


@given(
    size=st.integers(1, 8),
    start=st.integers(0, 5),
    batches=st.lists(st.integers(0, 6), max_size=8),
    after=st.integers(0, 60),
    limit=st.integers(1, 9),
)
def test_an_answer_is_what_follows_without_a_hole(
    size: int, start: int, batches: list[int], after: int, limit: int
) -> None:
    ring = Ring(size)
    ring.start_at(start)
    head = start
    for count in batches:
        ring.append([entry(head + n) for n in range(1, count + 1)], head + count)
        head += count
    found = positions(ring.after(after, limit))
    assert ring.position == head
    if after >= head:
        assert found == []
    elif after < max(start, head - size):
        assert found is None
    else:
        assert found == list(range(after + 1, min(head, after + limit) + 1))
