"""Events across processes over a Redis Stream: a doorbell with a cache. The table stays the truth.

Entry ids are `<position>-0`. Redis refuses an id that is not greater than the newest one, so several processes may
publish at once without a leader: a refusal means that another was first. Whatever is missing from the stream, readers
take from the table.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
from redis.exceptions import ResponseError

from domain.errors import Unavailable
from persistence.events.log import Entry
from persistence.redis_connection import AWAY, Backoff, connect

STREAM_EVENTS = 100_000
CACHED_FACT_BYTES = 8 * 1024  # a longer fact travels as its position alone
REFILL_EVENTS = 1_000  # of an emptied stream: it is a cache, the table has the rest
UNUSED_FOR_S = 7 * 24 * 3600  # then the stream of an epoch is forgotten
PUBLISH_CHUNK = 100
READ_CHUNK = 200
BLOCK_MS = 1_000
COMPARE_EVERY_S = 1.0

# https://redis.io/docs/latest/commands/xadd/ (since 5.0)
_REFUSED = "equal or smaller than the target stream top item"

log = logging.getLogger(__name__)

_decoder = msgspec.json.Decoder(Entry)


class Feed(Protocol):
    """What the fan-out needs of the feed that it serves."""

    @property
    def epoch(self) -> str: ...

    @property
    def position(self) -> int: ...

    async def entries_after(self, position: int, limit: int) -> list[Entry]: ...

    async def take(self, epoch: str, found: Sequence[tuple[int, Entry | None]]) -> None: ...

    async def compare(self, epoch: str, top: int) -> bool: ...


class RedisFanOut:
    """Publishes what its feed hands out, and hands its feed what others publish.

    `prefix` begins every key. Nothing here raises for a Redis that is away: it is tried again after 0.1 to 5 s.
    """

    def __init__(self, url: str, *, prefix: str = "headwater:") -> None:
        self._redis = connect(url)
        self._prefix = prefix
        self._bell = asyncio.Event()

    def ring(self) -> None:
        """There is something to publish."""
        self._bell.set()

    async def close(self) -> None:
        """Ends all connections."""
        await self._redis.aclose()

    async def publish(self, feed: Feed) -> None:
        """Brings the stream up to the feed whenever the bell rings, and at least every second. Runs until cancelled."""
        backoff = Backoff()
        while True:
            self._bell.clear()
            try:
                await self._bring_up(feed)
                backoff.reset()
            except (*AWAY, Unavailable) as error:
                await _pause(backoff, "published to", error)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(COMPARE_EVERY_S):
                    await self._bell.wait()

    async def listen(self, feed: Feed) -> None:
        """Hands the feed what appears in the stream. Runs until cancelled."""
        backoff = Backoff()
        compared = ""
        while True:
            epoch = feed.epoch
            try:
                if compared != epoch:
                    # Before anything of it is believed: it may be ahead of a store that was restored.
                    if await self._agreed_top(feed, epoch) is None:
                        await asyncio.sleep(backoff.failed())
                        continue
                    compared = epoch
                await feed.take(epoch, await self._read(self._key(epoch), feed.position))
                backoff.reset()
            except (*AWAY, Unavailable) as error:
                compared = ""
                await _pause(backoff, "heard from", error)

    async def _bring_up(self, feed: Feed) -> None:
        epoch = feed.epoch
        key = self._key(epoch)
        top = await self._agreed_top(feed, epoch)
        if top is None:
            return
        after = max(top, feed.position - REFILL_EVENTS)
        while after < feed.position and feed.epoch == epoch:
            entries = await feed.entries_after(after, PUBLISH_CHUNK)
            if not entries:
                return
            after = entries[-1].logged.position if await self._add(key, entries) else await self._top(key)

    async def _agreed_top(self, feed: Feed, epoch: str) -> int | None:
        """The newest position in the stream; None, and the stream is gone, when it does not belong to our store."""
        top = await self._top(self._key(epoch))
        if await feed.compare(epoch, top):
            return top
        await self._redis.unlink(self._key(epoch))
        return None

    async def _add(self, key: str, entries: Sequence[Entry]) -> bool:
        """Whether all of them were taken; False when another process was first."""
        pipeline = self._redis.pipeline(transaction=False)
        for entry in entries:
            fact = msgspec.json.encode(entry)
            pipeline.xadd(
                key,
                {b"fact": fact if len(fact) <= CACHED_FACT_BYTES else b""},
                id=f"{entry.logged.position}-0",
                maxlen=STREAM_EVENTS,
                approximate=True,
            )
        pipeline.expire(key, UNUSED_FOR_S)
        answers = await pipeline.execute(raise_on_error=False)
        failures = [answer for answer in answers if isinstance(answer, Exception)]
        for failure in failures:
            if not isinstance(failure, ResponseError) or _REFUSED not in str(failure):
                raise failure
        return not failures

    async def _top(self, key: str) -> int:
        """The newest position in the stream; 0 for an empty one."""
        newest: Any = await self._redis.xrevrange(key, count=1)
        return _position(newest[0][0]) if newest else 0

    async def _read(self, key: str, after: int) -> list[tuple[int, Entry | None]]:
        answer: Any = await self._redis.xread({key: f"{after}-0"}, count=READ_CHUNK, block=BLOCK_MS)
        found = answer[0][1] if answer else ()  # for each stream asked for: its name, its entries
        return [(_position(id), _fact(fields[b"fact"])) for id, fields in found]

    def _key(self, epoch: str) -> str:
        return f"{self._prefix}events:{epoch}"


async def _pause(backoff: Backoff, what: str, error: Exception) -> None:
    if backoff.is_first:
        log.warning("The event stream cannot be %s: %s. Events go on through the metadata store", what, error)
    await asyncio.sleep(backoff.failed())


def _position(id: bytes) -> int:
    return int(id.partition(b"-")[0])


def _fact(cached: bytes) -> Entry | None:
    """The cached fact; None when it was too long, or written by another version of us."""
    try:
        return _decoder.decode(cached) if cached else None
    except msgspec.ValidationError:
        return None
