from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.models.data_source import DiscoveryScope
from domain.models.discovery import Coverage, Freshness, Unreadable
from domain.models.operation import SyncMode
from domain.rules.coverage import (
    MAX_RUNS,
    covering,
    freshness,
    is_complete,
    is_covered,
    is_namespace_covered,
    last_seen_at,
    remember,
)
from domain.rules.match import table_in_scope
from tests import strategies

BEGIN = datetime(2026, 5, 1, tzinfo=UTC)
ORDERS, LOG = ("shop", "public", "orders"), ("shop", "audit", "log")


def run(
    hour: int,
    *,
    mode: SyncMode = SyncMode.FULL,
    include: tuple[str, ...] = (),
    unread: tuple[tuple[str, ...], ...] = (),
    share: float = 1.0,
) -> Coverage:
    missed = tuple(Unreadable(path, "permission denied") for path in unread)
    return Coverage(BEGIN + timedelta(hours=hour), mode, DiscoveryScope(include), missed, share)


@pytest.mark.parametrize(
    ("coverage", "orders", "public"),
    [
        (run(0), True, True),
        (run(0, unread=(ORDERS,)), False, True),
        (run(0, unread=(ORDERS[:2],)), False, False),
        (run(0, unread=(ORDERS[:1],)), False, False),
        (run(0, unread=((),)), False, False),
        (run(0, unread=(LOG,)), True, True),
        (run(0, include=("public.*",)), True, True),
        (run(0, include=("public.a*",)), False, True),
        (run(0, include=("audit.*",)), False, False),
    ],
)
def test_what_lies_in_scope_and_was_read_is_covered(coverage: Coverage, orders: bool, public: bool) -> None:
    assert is_covered(ORDERS, coverage) is orders
    assert is_namespace_covered(ORDERS[:2], coverage) is public


@given(st.lists(st.sampled_from("ab"), min_size=2, max_size=3).map(tuple), strategies.coverages)
def test_covering_says_the_same_of_many(path: tuple[str, ...], coverage: Coverage) -> None:
    plainly = table_in_scope(path, coverage.scope) and not any(
        path[: len(missed.path)] == missed.path for missed in coverage.unread
    )
    assert covering(coverage)(path) is is_covered(path, coverage) is plainly


def test_last_seen_is_the_newest_run_that_looked() -> None:
    runs = (run(3, include=("audit.*",), mode=SyncMode.SELECTIVE), run(2, unread=(ORDERS,)), run(1))
    assert last_seen_at(LOG, runs, BEGIN) == runs[0].at
    assert last_seen_at(ORDERS, runs, BEGIN) == runs[2].at
    assert last_seen_at(ORDERS, runs[:2], BEGIN) == BEGIN
    assert last_seen_at(ORDERS[:2], runs, BEGIN, is_namespace=True) == runs[1].at


def test_nothing_is_known_before_the_first_run() -> None:
    assert freshness(()) == Freshness()


def test_a_complete_run_leaves_nothing_unread() -> None:
    runs = (run(2, mode=SyncMode.INCREMENTAL), run(1, unread=(LOG,), share=0.5))
    assert freshness(runs) == Freshness(runs[0].at, SyncMode.INCREMENTAL, 1.0, ())


def test_a_selective_run_mends_what_it_reads() -> None:
    whole = run(1, unread=(LOG, ORDERS), share=0.8)
    mended = run(2, mode=SyncMode.SELECTIVE, include=("audit.*",))
    assert freshness((mended, whole)) == Freshness(
        mended.at, SyncMode.SELECTIVE, 0.8, (Unreadable(ORDERS, "permission denied"),)
    )
    both = run(3, mode=SyncMode.SELECTIVE, include=("public.*",))
    assert freshness((both, mended, whole)) == Freshness(both.at, SyncMode.SELECTIVE, 1.0, ())


def test_a_selective_run_adds_what_it_could_not_read() -> None:
    failed = run(2, mode=SyncMode.SELECTIVE, include=("audit.*",), unread=(LOG,), share=0.0)
    assert freshness((failed, run(1))).unread == failed.unread


def test_runs_are_kept_back_to_the_last_complete_one() -> None:
    runs = remember((run(2, unread=(LOG,)), run(1), run(0)), run(3, mode=SyncMode.SELECTIVE))
    assert [kept.at.hour for kept in runs] == [3, 2, 1]
    assert remember(runs, run(4)) == (run(4),)


def test_at_most_a_hundred_runs_are_kept_and_the_complete_one_stays() -> None:
    runs: tuple[Coverage, ...] = (run(0),)
    for hour in range(1, 150):
        runs = remember(runs, run(hour, unread=(LOG,)))
    assert len(runs) == MAX_RUNS
    assert runs[-1] == run(0)
    assert runs[0] == run(149, unread=(LOG,))


@given(st.lists(strategies.coverages, max_size=4).map(tuple), strategies.coverages)
def test_forgetting_changes_no_answer(runs: tuple[Coverage, ...], new: Coverage) -> None:
    """Older runs than a complete one of the whole source tell nothing about what that one covers."""
    runs = tuple(replace(kept, scope=DiscoveryScope()) if is_complete(kept) else kept for kept in runs)
    new = replace(new, scope=DiscoveryScope()) if is_complete(new) else new
    kept = remember(runs, new)
    for path in (("a", "b"), ("b", "a", "b"), *(missed.path for missed in new.unread)):
        assert last_seen_at(path, kept, BEGIN) == last_seen_at(path, (new, *runs), BEGIN)
    assert freshness(kept) == freshness((new, *runs))
