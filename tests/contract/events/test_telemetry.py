"""What every telemetry does: samples live, the latest per source for a slow reader, never a word about its broker."""

import asyncio
import gc
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime, timedelta

import pytest

from domain.models.health import HealthSample, HealthStatus
from persistence.telemetry import LocalTelemetry, RedisTelemetry
from tests.servers.redis import RedisServer

AT = datetime(2026, 11, 1, tzinfo=UTC)


def sample(source: str, n: int) -> HealthSample:
    """The n-th of a source."""
    at = AT + timedelta(seconds=n)
    return HealthSample(source, source, HealthStatus.HEALTHY, HealthStatus.HEALTHY, 100.0, float(n), at)


async def next_sample(stream: AsyncGenerator[HealthSample | None]) -> HealthSample:
    async with asyncio.timeout(20):
        while True:
            found = await anext(stream)
            if found is not None:
                return found


async def nothing_stored() -> Sequence[HealthSample]:
    return ()


@pytest.fixture(params=["in process", "redis"])
def redis_place(request: pytest.FixtureRequest) -> tuple[str, str] | None:
    """URL and prefix; None for what needs no Redis."""
    if request.param == "in process":
        return None
    return request.getfixturevalue("redis_server").url, request.getfixturevalue("redis_prefix")


@pytest.fixture
async def pair(redis_place: tuple[str, str] | None) -> AsyncIterator[tuple[LocalTelemetry | RedisTelemetry, ...]]:
    """Where samples are published, and where they are followed: two processes when there is a Redis between them."""
    if redis_place is None:
        local = LocalTelemetry()
        yield local, local
        return
    url, prefix = redis_place
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(RedisTelemetry(url, nothing_stored, prefix=prefix)) for _ in range(2)]
        await _joined(*opened)
        yield tuple(opened)


Pair = tuple[LocalTelemetry | RedisTelemetry, LocalTelemetry | RedisTelemetry]


async def _joined(sender: RedisTelemetry, receiver: RedisTelemetry) -> None:
    """Returns once samples travel between the two."""
    probe = f"probe {secrets.token_hex(4)}"
    async with asyncio.timeout(30), aclosing(receiver.follow()) as stream:
        for n in range(100):
            await sender.publish(sample(probe, n))
            found = await anext(stream)
            if found is not None and found.data_source_id == probe:
                return


async def test_samples_arrive_in_order(pair: Pair) -> None:
    sender, receiver = pair
    async with aclosing(receiver.follow()) as stream:
        for n in range(5):
            await sender.publish(sample("shop", n))
            assert await next_sample(stream) == sample("shop", n)


async def test_a_follower_hears_what_came_after_its_call(pair: Pair) -> None:
    sender, receiver = pair
    await sender.publish(sample("shop", 1))
    stream = receiver.follow()
    await sender.publish(sample("shop", 2))
    async with aclosing(stream):
        found = await next_sample(stream)
        while found == sample("shop", 1):  # was still on its way
            found = await next_sample(stream)
        assert found == sample("shop", 2)


async def test_the_latest_per_source_for_a_slow_reader(pair: Pair) -> None:
    sender, receiver = pair
    async with aclosing(receiver.follow()) as slow, aclosing(receiver.follow()) as quick:
        for n in range(100):
            for source in ("shop", "bank"):
                await sender.publish(sample(source, n))
        last: set[HealthSample] = set()
        while len(last) < 2:
            found = await next_sample(quick)
            if found.latency_ms == 99.0:
                last.add(found)
        assert {(await next_sample(slow)), (await next_sample(slow))} == last
        assert await anext(slow) is None


async def test_heartbeats_while_nothing_happens(pair: Pair) -> None:
    async with aclosing(pair[1].follow()) as stream, asyncio.timeout(20):
        assert [await anext(stream) for _ in range(2)] == [None, None]


async def test_a_reader_that_left_leaves_nothing_behind(pair: Pair) -> None:
    receiver = pair[1]
    local = receiver if isinstance(receiver, LocalTelemetry) else receiver._local
    async with aclosing(receiver.follow()) as stream:
        await anext(stream)
        assert len(local._mailboxes) == 1
    receiver.follow()  # never read
    gc.collect()
    assert len(local._mailboxes) == 0


async def test_without_redis_the_current_rows_are_polled() -> None:
    server = RedisServer()  # not started: connections are refused
    stored = [sample("shop", 1)]

    async def current() -> Sequence[HealthSample]:
        return tuple(stored)

    async with (
        RedisTelemetry(server.endpoint.url, current, prefix=secrets.token_hex(4)) as telemetry,
        aclosing(telemetry.follow()) as stream,
    ):
        assert await next_sample(stream) == sample("shop", 1)
        await telemetry.publish(sample("bank", 1))
        assert await next_sample(stream) == sample("bank", 1)
        stored[0] = sample("shop", 2)
        assert await next_sample(stream) == sample("shop", 2)
    await server.discard()


async def test_a_redis_that_is_killed_and_comes_back() -> None:
    server = RedisServer()
    await server.start()
    stored: list[HealthSample] = []

    async def current() -> Sequence[HealthSample]:
        return tuple(stored)

    async with (
        RedisTelemetry(server.endpoint.url, current) as sender,
        RedisTelemetry(server.endpoint.url, current) as receiver,
        aclosing(receiver.follow()) as stream,
    ):
        await _joined(sender, receiver)
        server.kill()
        await sender.publish(sample("shop", 1))
        stored.append(sample("shop", 1))
        found = await next_sample(stream)
        while found.data_source_id.startswith("probe"):
            found = await next_sample(stream)
        assert found == sample("shop", 1)
        await server.start()
        await _joined(sender, receiver)
        await sender.publish(sample("bank", 9))
        while found != sample("bank", 9):
            found = await next_sample(stream)
    await server.discard()
