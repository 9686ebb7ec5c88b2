"""Two server processes on one PostgreSQL store, with a Redis between them that fails in every way: nobody notices."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from domain.models.event import Gap, GapReason, LoggedEvent
from persistence.database import open_database
from persistence.events import feed as feed_module
from persistence.events import redis_stream
from persistence.events.feed import LogFeed
from persistence.events.log import SqlEventLog
from persistence.events.redis_stream import RedisFanOut
from tests.contract.events.stores import EVERYTHING, SYSTEM, EventStore, fact, numbers, take, take_from
from tests.servers.fault_proxy import Blackhole, FaultProxy
from tests.servers.postgresql import PostgresqlDatabase
from tests.servers.redis import RedisServer


@pytest.fixture
async def store(postgresql_database: PostgresqlDatabase) -> AsyncIterator[EventStore]:
    opened = await EventStore.create(postgresql_database.sqlalchemy_url)
    yield opened
    await opened.database.close()


@pytest.fixture
async def redis_server_without_data() -> AsyncIterator[RedisServer]:
    """A running server that begins empty after each start."""
    server = RedisServer()
    await server.start()
    yield server
    await server.discard()


@asynccontextmanager
async def feeds(store: EventStore, redis_url: str, count: int = 2) -> AsyncIterator[list[LogFeed]]:
    """Each with connections of its own, as in processes of their own."""
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(count):
            database = await open_database(store.url)
            stack.push_async_callback(database.close)
            fan_out = RedisFanOut(redis_url)
            opened.append(await stack.enter_async_context(LogFeed(SqlEventLog(database), fan_out=fan_out)))
        yield opened


async def undisturbed(
    store: EventStore, opened: list[LogFeed], disturb: Callable[[], Awaitable[None]], *, total: int = 120
) -> None:
    """Writes while something happens; every subscriber gets every fact once and in order."""
    seen: list[list[LoggedEvent | Gap]] = []

    async def follow(feed: LogFeed) -> None:
        seen.append(await take_from(feed.follow(SYSTEM, 0, EVERYTHING), total, timeout_s=40))

    async def write() -> None:
        for n in range(total):
            await store.write(fact(n))
            opened[n % len(opened)].nudge()
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as group:
        for feed in opened:
            group.create_task(follow(feed))
            group.create_task(follow(feed))
        group.create_task(write())
        group.create_task(disturb())
    assert all(numbers(found) == list(range(total)) for found in seen)
    assert all(
        [logged.position for logged in found if isinstance(logged, LoggedEvent)] == list(range(1, total + 1))
        for found in seen
    )


async def stream_ids(server: RedisServer, log: SqlEventLog) -> list[int]:
    async with server.endpoint.connect() as client:
        entries = await client.xrange(f"headwater:events:{await log.epoch()}")
    return [int(id.partition(b"-")[0]) for id, _ in entries]


async def stream_reaches(server: RedisServer, log: SqlEventLog, position: int) -> list[int]:
    for _ in range(150):
        ids = await stream_ids(server, log)
        if ids[-1:] == [position]:
            return ids
        await asyncio.sleep(0.1)
    pytest.fail(f"the stream does not get to {position}")


async def test_redis_is_killed_in_the_middle_and_comes_back_empty(
    store: EventStore, redis_server_without_data: RedisServer
) -> None:
    server = redis_server_without_data

    async def kill_twice() -> None:
        for _ in range(2):
            await asyncio.sleep(0.4)
            server.kill()
            await asyncio.sleep(0.4)
            await server.start()

    async with feeds(store, server.endpoint.url) as opened:
        await undisturbed(store, opened, kill_twice)
        ids = await stream_reaches(server, SqlEventLog(store.database), 120)
    assert ids == list(range(ids[0], 121))


async def test_redis_is_killed_and_keeps_its_data(store: EventStore, private_redis: RedisServer) -> None:
    async def kill() -> None:
        await asyncio.sleep(0.5)
        private_redis.kill()
        await asyncio.sleep(0.3)
        await private_redis.start()

    async with feeds(store, private_redis.endpoint.url) as opened:
        await undisturbed(store, opened, kill)
        ids = await stream_reaches(private_redis, SqlEventLog(store.database), 120)
    assert ids == list(range(1, 121))


async def test_redis_never_answers(store: EventStore) -> None:
    server = RedisServer()  # not started

    async def nothing() -> None:
        return

    async with feeds(store, server.endpoint.url) as opened:
        await undisturbed(store, opened, nothing, total=60)
    await server.discard()


async def test_redis_hangs(store: EventStore, private_redis: RedisServer) -> None:
    async with FaultProxy(private_redis.endpoint.host, private_redis.endpoint.port) as proxy:
        url = private_redis.endpoint.url.replace(f":{private_redis.endpoint.port}", f":{proxy.port}")

        async def hang() -> None:
            await asyncio.sleep(0.3)
            await proxy.set_fault(Blackhole())
            await asyncio.sleep(0.5)
            proxy.cut()
            await asyncio.sleep(0.3)
            await proxy.heal()

        async with feeds(store, url) as opened:
            await undisturbed(store, opened, hang)


async def test_an_older_stream_with_a_hole_is_only_a_cache(store: EventStore, private_redis: RedisServer) -> None:
    """As after a fail-over to a replica that had not everything: the top is gone, then a later one comes first."""
    log = SqlEventLog(store.database)
    async with feeds(store, private_redis.endpoint.url) as opened:

        async def lose_some() -> None:
            key = f"headwater:events:{await log.epoch()}"
            async with private_redis.endpoint.connect() as client:
                for _ in range(10):
                    await asyncio.sleep(0.1)
                    for id, _ in await client.xrevrange(key, count=5):
                        await client.xdel(key, id)

        await undisturbed(store, opened, lose_some)


async def test_long_facts_travel_as_their_position(
    store: EventStore, private_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_stream, "CACHED_FACT_BYTES", 10)

    async def nothing() -> None:
        return

    async with feeds(store, private_redis.endpoint.url) as opened:
        await undisturbed(store, opened, nothing, total=40)


async def test_a_fact_arrives_at_another_process_through_redis_alone(
    store: EventStore, private_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With polls far apart, only the doorbell can bring it."""
    monkeypatch.setattr(feed_module.LogFeed.__init__, "__kwdefaults__", {"fan_out": None, "poll_s": 60.0})
    async with feeds(store, private_redis.endpoint.url) as (here, there):
        stream = there.follow(SYSTEM, None, EVERYTHING)
        for n in range(20):
            await store.write(fact(n))
            here.nudge()
            assert numbers(await take(stream, 1, timeout_s=5)) == [n]
        await stream.aclose()


async def test_a_stream_above_the_head_of_the_store_begins_a_new_epoch(
    store: EventStore, private_redis: RedisServer
) -> None:
    """As when the store was restored from a backup while Redis went on."""
    await store.write_numbers([1, 2])
    log = SqlEventLog(store.database)
    await log.sequence()
    old = await log.epoch()
    async with feeds(store, private_redis.endpoint.url) as opened:
        streams = [feed.follow(SYSTEM, 2, EVERYTHING) for feed in opened]
        async with private_redis.endpoint.connect() as client:
            await client.xadd(f"headwater:events:{old}", {b"fact": secrets.token_bytes(8)}, id="9-0")
        for stream in streams:
            assert await take(stream, 1) == [Gap(GapReason.LOG_RESET, None, None)]
        new = opened[0].epoch
        assert new == opened[1].epoch != old
        await store.write_numbers([3, 4])
        opened[0].nudge()
        for stream in streams:
            assert numbers(await take(stream, 2)) == [3, 4]
            await stream.aclose()
        assert await stream_reaches(private_redis, SqlEventLog(store.database), 4) == [1, 2, 3, 4]
        async with private_redis.endpoint.connect() as client:
            assert await client.exists(f"headwater:events:{old}") == 0
