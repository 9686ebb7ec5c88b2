"""Health samples, live and lossy by contract: a slow reader finds the latest sample of each source."""

import asyncio
import contextlib
import logging
import secrets
import time
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Self

import msgspec

from domain.errors import Unavailable
from domain.models.health import HealthSample
from persistence.background import end
from persistence.redis_connection import AWAY, Backoff, connect

HEARTBEAT_S = 1.0
POLL_S = 2.0  # of the current rows, while Redis is away
PING_EVERY_S = 2.0

log = logging.getLogger(__name__)

CurrentSamples = Callable[[], Awaitable[Sequence[HealthSample]]]


class _Message(msgspec.Struct, frozen=True):
    """What travels: a sample, and which process sent it."""

    origin: str
    sample: HealthSample


_decoder = msgspec.json.Decoder(_Message)


class _Mailbox:
    """The latest sample of each source that its reader has not yet seen."""

    def __init__(self) -> None:
        self._samples: dict[str, HealthSample] = {}
        self._filled = asyncio.Event()

    def put(self, sample: HealthSample) -> None:
        self._samples.pop(sample.data_source_id, None)  # to the end: order follows the newest news
        self._samples[sample.data_source_id] = sample
        self._filled.set()

    async def take(self, within_s: float) -> HealthSample | None:
        """The sample that waits longest; None when none came in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._filled.wait()
        if not self._samples:
            return None
        sample = self._samples.pop(next(iter(self._samples)))
        if not self._samples:
            self._filled.clear()
        return sample


class LocalTelemetry:
    """Samples within this process."""

    def __init__(self) -> None:
        self._mailboxes: weakref.WeakSet[_Mailbox] = weakref.WeakSet()

    async def publish(self, sample: HealthSample) -> None:
        """To every follower in this process."""
        self.deliver(sample)

    def deliver(self, sample: HealthSample) -> None:
        """To every follower in this process."""
        for mailbox in tuple(self._mailboxes):
            mailbox.put(sample)

    def follow(self) -> AsyncGenerator[HealthSample | None]:
        """Samples from this call on; None after each second without one."""
        mailbox = _Mailbox()
        self._mailboxes.add(mailbox)  # held by the generator alone: it goes when its reader goes
        return self._read(mailbox)

    async def _read(self, mailbox: _Mailbox) -> AsyncGenerator[HealthSample | None]:
        try:
            while True:
                yield await mailbox.take(HEARTBEAT_S)
        finally:
            self._mailboxes.discard(mailbox)


class RedisTelemetry:
    """Samples across processes over Redis Pub/Sub. An async context manager: its tasks run while it is open.

    While Redis is away, `current` (the latest sample of every source, from the metadata store) is asked every 2 s.
    Samples of this process reach its own followers directly.
    """

    def __init__(self, url: str, current: CurrentSamples, *, prefix: str = "headwater:") -> None:
        self._redis = connect(url)
        self._channel = f"{prefix}telemetry"
        self._current = current
        self._origin = secrets.token_hex(8)
        self._local = LocalTelemetry()
        self._outbox = _Mailbox()
        self._newest: dict[str, datetime] = {}  # when the last delivered sample of each source was taken
        self._is_connected = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        for work, name in ((self._send, "send"), (self._listen, "listen"), (self._poll, "poll")):
            self._tasks.append(asyncio.create_task(work(), name=f"telemetry {name}"))
        return self

    async def __aexit__(self, *_: object) -> None:
        await end(self._tasks)
        self._tasks.clear()
        await self._redis.aclose()

    async def publish(self, sample: HealthSample) -> None:
        """To every process. Never waits for Redis: what it does not take in time is overtaken by the next sample."""
        self._deliver(sample)
        self._outbox.put(sample)

    def follow(self) -> AsyncGenerator[HealthSample | None]:
        """Samples from this call on; None after each second without one."""
        return self._local.follow()

    def _deliver(self, sample: HealthSample) -> None:
        newest = self._newest.get(sample.data_source_id)
        if newest is None or sample.at > newest:
            self._newest[sample.data_source_id] = sample.at
            self._local.deliver(sample)

    async def _send(self) -> None:
        backoff = Backoff()
        while True:
            sample = await self._outbox.take(HEARTBEAT_S)
            if sample is None:
                continue
            try:
                await self._redis.publish(self._channel, msgspec.json.encode(_Message(self._origin, sample)))
                backoff.reset()
            except AWAY:
                await asyncio.sleep(backoff.failed())

    async def _listen(self) -> None:
        backoff = Backoff()
        while True:
            try:
                async with self._redis.pubsub() as subscription:
                    await subscription.subscribe(self._channel)
                    await self._hear(subscription, backoff)
            except AWAY as error:
                self._is_connected.clear()
                if backoff.is_first:
                    log.warning("Telemetry does not travel: %s. Current rows are read every %d s", error, POLL_S)
                await asyncio.sleep(backoff.failed())

    async def _hear(self, subscription: Any, backoff: Backoff) -> None:
        """Delivers what comes in. A connection that does not answer a ping in time counts as lost."""
        heard_at = time.monotonic()
        is_asked = True  # the subscription itself is answered
        while True:
            message = await subscription.get_message(ignore_subscribe_messages=False, timeout=HEARTBEAT_S)
            now = time.monotonic()
            if message is not None:
                heard_at, is_asked = now, False
                if not self._is_connected.is_set():
                    backoff.reset()
                    self._is_connected.set()
                if message["type"] == "message":
                    self._receive(message["data"])
            elif now > heard_at + 2 * PING_EVERY_S:
                raise TimeoutError("Redis does not answer")
            elif now > heard_at + PING_EVERY_S and not is_asked:
                await subscription.ping()
                is_asked = True

    def _receive(self, body: bytes) -> None:
        try:
            message = _decoder.decode(body)
        except msgspec.ValidationError:
            return  # of another version of us; lossy by contract
        if message.origin != self._origin:
            self._deliver(message.sample)

    async def _poll(self) -> None:
        """Reads the current rows while Redis is away, and once after it came back: something may be missing."""
        was_connected = False
        while True:
            if not was_connected or not self._is_connected.is_set():
                was_connected = self._is_connected.is_set()
                await self._read_current()
            await asyncio.sleep(POLL_S)

    async def _read_current(self) -> None:
        try:
            for sample in await self._current():
                self._deliver(sample)
        except Unavailable:
            pass  # the store is away too: there is nothing to tell
        except Exception:
            log.exception("The current health samples could not be read")
