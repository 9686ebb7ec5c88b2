"""The job queue on docket: people's operations in one docket, what happens by the clock in another.

Only ids travel. The operations table is the record: what a queue has lost is queued again from there, under the same
key, so a queue that is away fails nobody.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Self

from docket import CurrentExecution, Disposition, Docket, Execution, ExecutionState, Perpetual, Worker
from docket.dependencies import AdmissionBlocked
from redis.exceptions import RedisError

from persistence.background import end

OPERATION_TASK = "operation"
ENQUEUE_TIMEOUT_S = 2.0
ENDING_PAUSES_S = (0.02, 0.08, 0.2, 0.0)  # between attempts while the operation runs; a handler's end is that short
TICK_TIMEOUT_S = 300.0  # a tick that hangs would stop its schedule for good
CLEAN_UP_S = 2.0  # for cancelled work, and for its worker to give it back
REDELIVERY = timedelta(seconds=30)  # how long the work of a worker that died waits for another one
CHECK_EVERY = timedelta(milliseconds=500)
RECONNECT = timedelta(seconds=1)
SOCKET_TIMEOUT_S = 90  # docket's longest blocking read lasts 60 s; without it a Redis that hangs is never noticed

Handler = Callable[[str], Awaitable[None]]
Tick = Callable[[], Awaitable[None]]

log = logging.getLogger(__name__)


class DocketJobs:
    """Operations and ticks on docket. An async context manager: connected while it is open.

    `url` is `memory://` (within this process, gone with it) or that of a Redis; `name` begins every key. Two processes
    with the same Redis and name share their work.
    """

    def __init__(self, url: str, *, name: str = "headwater", redelivery: timedelta = REDELIVERY) -> None:
        self._redelivery = redelivery
        self._people = _docket(url, f"{name}-people")
        self._people.register(_work_elsewhere, names=[OPERATION_TASK])
        self._schedule = _docket(url, f"{name}-schedule")
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._people)
        await self._stack.enter_async_context(self._schedule)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def enqueue(self, operation_id: str) -> None:
        """Have a worker run this operation soon; nothing where it is queued or running already.

        Returns within 2 s. A queue that is away is logged, not raised: whoever looks after unfinished operations
        (`OperationReader.unfinished`) enqueues it again.
        """
        try:
            async with asyncio.timeout(ENQUEUE_TIMEOUT_S):
                for pause_s in ENDING_PAUSES_S:
                    if await self._is_queued(operation_id):
                        break
                    await asyncio.sleep(pause_s)
        except (RedisError, OSError) as error:
            log.warning("The operation %s could not be queued: %s. It stays recorded", operation_id, error)

    async def _is_queued(self, operation_id: str) -> bool:
        """Adds it; False while it runs, for a run that is ending may not have seen what it is enqueued for."""
        execution = await self._people.add(OPERATION_TASK, key=operation_id)(operation_id)
        if execution.disposition is not Disposition.ALREADY_SCHEDULED:
            return True
        await execution.sync()
        return execution.state in (ExecutionState.SCHEDULED, ExecutionState.QUEUED)

    @asynccontextmanager
    async def run_workers(
        self, handler: Handler, ticks: Mapping[str, tuple[float, Tick]], *, concurrency: int = 8, grace_s: float = 5.0
    ) -> AsyncIterator[None]:
        """Works while the block lasts: at most `concurrency` operations at a time here, ticks every so many seconds.

        A tick runs at one worker at a time. What raises is logged and changes nothing for the others. At the end
        running work gets `grace_s` seconds, then it is cancelled, awaited, and left to another worker.
        """
        running = _Running()
        self._people.register(running.operation(handler), names=[OPERATION_TASK])
        for name, (every_s, tick) in ticks.items():
            self._schedule.register(running.tick(name, every_s, tick))
        people = self._worker(self._people, concurrency)
        schedule = self._worker(self._schedule, len(ticks) + 1)
        async with people, schedule:
            tasks = [asyncio.create_task(worker.run_forever(), name="docket worker") for worker in (people, schedule)]
            try:
                yield
            finally:
                await running.finish(grace_s, tasks)

    def _worker(self, docket: Docket, concurrency: int) -> Worker:
        return Worker(
            docket,
            name=f"worker-{secrets.token_hex(6)}",
            concurrency=concurrency,
            redelivery_timeout=self._redelivery,
            reconnection_delay=RECONNECT,
            # A read for new work blocks this long and ends at once when there is some; a worker whose hands are full
            # looks as often. Ticks may be late by as much.
            minimum_check_interval=CHECK_EVERY,
            scheduling_resolution=CHECK_EVERY,
        )


class _Running:
    """The tasks of one worker that are in a handler or a tick."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()
        self._is_ending = False

    def operation(self, handler: Handler) -> Callable[..., Awaitable[None]]:
        """The docket task that runs operations."""

        this = CurrentExecution()

        async def operation(operation_id: str, execution: Execution = this) -> None:
            await self._run(execution, f"The operation {operation_id}", handler(operation_id))

        return operation

    def tick(self, name: str, every_s: float, tick: Tick) -> Callable[..., Awaitable[None]]:
        """The docket task of one schedule; it queues itself again."""
        this, every = CurrentExecution(), Perpetual(every=timedelta(seconds=every_s), automatic=True)

        async def run(execution: Execution = this, _perpetual: Perpetual = every) -> None:
            await self._run(execution, f"The tick {name}", _in_time(tick))

        run.__name__ = name  # also the key under which there is one of it
        return run

    async def finish(self, grace_s: float, workers: list[asyncio.Task[None]]) -> None:
        """Takes no new work, lets running work end, and cancels what has not after the grace period."""
        self._is_ending = True
        for worker in workers:
            worker.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        await end(tuple(self._tasks), ask_again_s=CLEAN_UP_S)
        # They give back what was cancelled, which asking twice would interrupt.
        await asyncio.wait(workers, timeout=CLEAN_UP_S)
        await end(workers)

    async def _run(self, execution: Execution, what: str, work: Awaitable[None]) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await work
        except asyncio.CancelledError:
            if not self._is_ending:
                raise
            # Not ended, but given back: docket queues it for another worker at once, not after the redelivery time.
            while task.uncancel():
                pass
            raise AdmissionBlocked(execution, reason="the end of its worker") from None
        except Exception:
            log.exception("%s failed in a way that it should have handled", what)
        finally:
            self._tasks.discard(task)


async def _work_elsewhere(operation_id: str) -> None:
    """Names the task for a process that only enqueues; `run_workers` puts the real one in its place."""
    raise RuntimeError(f"no worker runs in this process, yet it was given {operation_id}")


async def _in_time(tick: Tick) -> None:
    async with asyncio.timeout(TICK_TIMEOUT_S):
        await tick()


def _docket(url: str, name: str) -> Docket:
    is_memory = url.startswith("memory://")
    if is_memory:
        # The URL names the queue within the process: each of ours has its own.
        url = f"memory://{secrets.token_hex(6)}"
    else:
        url += f"{'&' if '?' in url else '?'}socket_timeout={SOCKET_TIMEOUT_S}"
    return Docket(
        name=name,
        url=url,
        # Nobody but us sees a worker in memory: its heartbeats only cost.
        heartbeat_interval=timedelta(seconds=30 if is_memory else 2),
        execution_ttl=timedelta(0),  # an operation's key is free again as soon as it has ended
    )
