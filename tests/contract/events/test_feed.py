"""What every feed does: from the table, then live; no gap, no double, in order; late, never lossy."""

import asyncio
import contextlib
import time
from contextlib import aclosing
from datetime import timedelta

import pytest

from domain.models.access import Scope
from domain.models.event import EventFilter, EventType, Gap, GapReason, LoggedEvent
from persistence.events import feed as feed_module
from persistence.events.feed import LogFeed
from persistence.events.log import SqlEventLog, append_events, new_event
from tests.contract.events.conftest import OpenFeed
from tests.contract.events.stores import (
    AT,
    EVERYTHING,
    SHOP,
    SYSTEM,
    EventStore,
    elsewhere,
    fact,
    numbers,
    operation,
    take,
    take_from,
    viewer,
)


async def reached(feed: LogFeed, position: int) -> None:
    """Returns once the feed has handed out that many."""
    async with asyncio.timeout(10):
        async with aclosing(feed.follow(SYSTEM, position - 1, EVERYTHING)) as stream:
            await take(stream, 1)


async def test_from_the_beginning_then_live(feed_store: EventStore, open_feed: OpenFeed) -> None:
    await feed_store.write_numbers(range(1, 6))
    feed = await open_feed()
    async with aclosing(feed.follow(SYSTEM, 0, EVERYTHING)) as stream:
        assert numbers(await take(stream, 5)) == [1, 2, 3, 4, 5]
        await feed_store.write_numbers(range(6, 9))
        feed.nudge()
        assert numbers(await take(stream, 3)) == [6, 7, 8]
        assert await anext(stream) is None
    assert feed.position == 8


async def test_from_now_on_begins_with_the_call(feed_store: EventStore, open_feed: OpenFeed) -> None:
    await feed_store.write_numbers([1, 2])
    feed = await open_feed()
    stream = feed.follow(SYSTEM, None, EVERYTHING)
    await feed_store.write_numbers([3, 4])
    assert numbers(await take_from(stream, 2)) == [3, 4]


async def test_events_arrive_without_a_nudge_and_at_once_with_one(feed_store: EventStore, open_feed: OpenFeed) -> None:
    feed = await open_feed()
    async with aclosing(feed.follow(SYSTEM, None, EVERYTHING)) as stream:
        await feed_store.write_numbers([1])
        assert numbers(await take(stream, 1)) == [1]
        await feed_store.write_numbers([2])
        feed.nudge()
        assert numbers(await take(stream, 1)) == [2]


async def test_heartbeats_while_nothing_happens_that_one_may_see(feed_store: EventStore, open_feed: OpenFeed) -> None:
    feed = await open_feed()
    blind = viewer("bob", Scope(data_sources=frozenset()))
    async with aclosing(feed.follow(blind, 0, EVERYTHING)) as stream, asyncio.TaskGroup() as group:

        async def write() -> None:
            for n in range(30):
                await feed_store.write_numbers([n])
                feed.nudge()
                await asyncio.sleep(0.08)

        writing = group.create_task(write())
        began = time.monotonic()
        assert [await anext(stream) for _ in range(2)] == [None, None]
        assert time.monotonic() - began > 1.5
        writing.cancel()


async def test_only_what_is_wanted_and_visible_live_and_from_the_table(
    feed_store: EventStore, open_feed: OpenFeed
) -> None:
    async def write_some() -> None:
        await feed_store.write(fact(1), operation(SHOP, "ann"))
        for actor in ("ann", "bob"):
            await feed_store.write(operation(None, actor), data_source=None, actor="worker")

    await write_some()
    feed = await open_feed()
    operations = EventFilter(types=frozenset({EventType.OPERATION}))
    async with aclosing(feed.follow(viewer("bob"), 0, operations)) as stream:
        before = await take(stream, 2)
        await write_some()
        live = await take(stream, 2)
    found = [(logged.position, logged.actor) for logged in (*before, *live) if isinstance(logged, LoggedEvent)]
    assert found == [(2, "ann"), (4, "bob"), (6, "ann"), (8, "bob")]


async def test_many_followers_while_many_write(feed_store: EventStore, open_feed: OpenFeed) -> None:
    feeds = [await open_feed(), await open_feed()]
    total = 200
    seen: list[list[LoggedEvent | Gap]] = []

    async def follow(feed: LogFeed, after: int | None) -> None:
        seen.append(await take_from(feed.follow(SYSTEM, after, EVERYTHING), total, timeout_s=30))

    async def write(writer: int) -> None:
        for n in range(total // 4):
            await feed_store.write(fact(writer * 1_000 + n))
            feeds[writer % 2].nudge()

    async def join_late(feed: LogFeed) -> None:
        await reached(feed, total // 2)
        await follow(feed, 0)

    async with asyncio.TaskGroup() as group:
        for feed in feeds:
            group.create_task(follow(feed, 0))
            group.create_task(follow(feed, None))
            group.create_task(join_late(feed))
        for writer in range(4):
            group.create_task(write(writer))
    assert len(seen) == 6
    assert all(found == seen[0] for found in seen)
    assert [logged.position for logged in seen[0] if isinstance(logged, LoggedEvent)] == list(range(1, total + 1))
    told = numbers(seen[0])
    for writer in range(4):
        assert [n % 1_000 for n in told if n // 1_000 == writer] == list(range(total // 4))


async def test_a_slow_reader_is_served_from_the_table(
    feed_store: EventStore, open_feed: OpenFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "RING_EVENTS", 10)
    monkeypatch.setattr(feed_module, "RING_CHUNK", 3)
    monkeypatch.setattr(feed_module, "TABLE_CHUNK", 7)
    feed = await open_feed()
    quick = feed.follow(SYSTEM, None, EVERYTHING)
    async with aclosing(feed.follow(SYSTEM, None, EVERYTHING)) as slow:
        await feed_store.write_numbers([0])
        assert numbers(await take(slow, 1)) == [0]
        await feed_store.write(*map(fact, range(1, 60)))
        feed.nudge()
        assert numbers(await take_from(quick, 60)) == list(range(60))
        found = []
        for _ in range(59):
            found += await take(slow, 1)
            await asyncio.sleep(0.002)
        assert numbers(found) == list(range(1, 60))
        await feed_store.write_numbers([60])
        assert numbers(await take(slow, 1)) == [60]


async def test_what_retention_took_is_said(feed_store: EventStore, open_feed: OpenFeed) -> None:
    await feed_store.write_numbers(range(1, 7))
    log = SqlEventLog(feed_store.database)
    await log.sequence()
    await log.prune(now=AT, keep_days=1, keep_events=2)
    feed = await open_feed()
    assert await take_from(feed.follow(SYSTEM, 2, EVERYTHING), 1) == [Gap(GapReason.RETENTION, 3, 4)]
    async with aclosing(feed.follow(SYSTEM, 0, EVERYTHING)) as stream:
        assert await take(stream, 1) == [Gap(GapReason.RETENTION, 1, 4)]
        assert numbers(await take(stream, 2)) == [5, 6]
    assert numbers(await take_from(feed.follow(SYSTEM, 4, EVERYTHING), 2)) == [5, 6]


async def test_a_reader_that_retention_overtakes_is_told(
    feed_store: EventStore, open_feed: OpenFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "RING_EVENTS", 2)
    monkeypatch.setattr(feed_module, "RING_CHUNK", 1)
    monkeypatch.setattr(feed_module, "TABLE_CHUNK", 1)
    feed = await open_feed()
    log = SqlEventLog(feed_store.database)
    async with aclosing(feed.follow(SYSTEM, 0, EVERYTHING)) as stream:
        await feed_store.write(*map(fact, range(1, 11)))
        feed.nudge()
        assert numbers(await take(stream, 2)) == [1, 2]
        await reached(feed, 10)
        await log.prune(now=AT + timedelta(days=1), keep_days=100, keep_events=4)
        assert await take(stream, 1) == [Gap(GapReason.RETENTION, 3, 6)]
        assert numbers(await take(stream, 4)) == [7, 8, 9, 10]


async def test_a_position_above_the_head_is_of_a_log_that_was_reset(
    feed_store: EventStore, open_feed: OpenFeed
) -> None:
    await feed_store.write_numbers([1, 2])
    feed = await open_feed()
    async with aclosing(feed.follow(SYSTEM, 77, EVERYTHING)) as stream:
        assert await take(stream, 1) == [Gap(GapReason.LOG_RESET, None, None)]
        await feed_store.write_numbers([3])
        assert numbers(await take(stream, 1)) == [3]


async def test_followers_are_told_of_a_new_epoch(feed_store: EventStore, open_feed: OpenFeed) -> None:
    await feed_store.write_numbers([1])
    feed = await open_feed()
    log = SqlEventLog(feed_store.database)
    async with aclosing(feed.follow(SYSTEM, 0, EVERYTHING)) as stream:
        assert numbers(await take(stream, 1)) == [1]
        epoch = await log.begin_epoch(await log.epoch())
        assert await take(stream, 1) == [Gap(GapReason.LOG_RESET, None, None)]
        assert feed.epoch == epoch
        await feed_store.write_numbers([2])
        assert numbers(await take(stream, 1)) == [2]


async def test_cancelling_leaves_nothing_behind(feed_store: EventStore, open_feed: OpenFeed) -> None:
    feed = await open_feed()
    tasks_before = asyncio.all_tasks()

    async def follow() -> None:
        async with aclosing(feed.follow(SYSTEM, None, EVERYTHING)) as stream:
            async for _ in stream:
                pass

    following = [asyncio.create_task(follow()) for _ in range(20)]
    await asyncio.sleep(0.05)
    assert feed._followers == 20
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)
    assert asyncio.all_tasks() == tasks_before
    assert feed._followers == 0


async def test_a_long_replay_lets_others_run(feed_store: EventStore, open_feed: OpenFeed) -> None:
    feed = await open_feed()
    stream = feed.follow(SYSTEM, 0, EVERYTHING)
    await feed_store.write(*map(fact, range(2_000)))
    feed.nudge()
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    assert numbers(await take_from(stream, 2_000)) == list(range(2_000))
    counting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await counting
    assert turns >= 100


# ── several processes ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_another_process_left_without_a_position_is_handed_out(
    feed_store: EventStore, open_feed: OpenFeed
) -> None:
    """Nobody is nudged: as after a crash between commit and sequencing."""
    feed = await open_feed()
    async with aclosing(feed.follow(SYSTEM, None, EVERYTHING)) as stream:
        for n in range(5):
            await feed_store.write_numbers([n])
            assert numbers(await take(stream, 1)) == [n]


@pytest.mark.parametrize("set_up", ["postgresql in process", "postgresql with redis"], indirect=True)
async def test_a_late_commit_is_neither_lost_nor_doubled(feed_store: EventStore, open_feed: OpenFeed) -> None:
    feed, other = await open_feed(), await open_feed()
    async with (
        aclosing(feed.follow(SYSTEM, None, EVERYTHING)) as stream,
        aclosing(other.follow(SYSTEM, None, EVERYTHING)) as elsewhere_stream,
    ):
        async with feed_store.database.write() as connection:
            await append_events(connection, "postgresql", [new_event(fact(1), AT, "ann", SHOP)])
            await elsewhere(feed_store.write(fact(2)))
            feed.nudge()
            assert numbers(await take(stream, 1)) == [2]
            assert numbers(await take(elsewhere_stream, 1)) == [2]
        feed.nudge()
        await feed_store.write(fact(3))
        assert numbers(await take(stream, 2)) == [1, 3]
        assert numbers(await take(elsewhere_stream, 2)) == [1, 3]
