"""Long jobs: looking at them, waiting for them, confirming and cancelling them, and running them."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

import msgspec

from domain.errors import Conflict, InvalidInput, Limited, NotFound, ProblemError, Superseded
from domain.models.access import Permission, Viewer, system_viewer
from domain.models.data_source import DataSource
from domain.models.event import OperationEvent
from domain.models.operation import Operation, OperationKind, OperationState, Step
from domain.models.problem import Problem, ProblemKind
from domain.ports.clock import Clock
from domain.ports.jobs import Jobs
from domain.ports.repositories.operations import OperationReader
from domain.ports.unit_of_work import Transaction, UnitOfWork
from domain.rules.decide_access import require
from domain.rules.steps import closed
from domain.services.pages import PageRequest, Pages, Window

log = logging.getLogger(__name__)

MAX_WAIT_MS = 60_000
_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.01, 0.25  # how often a waiting request looks at the operation
_CANCEL_LOOK_S = 0.3
MAX_UNFINISHED = 1_000  # operations queued or running at a time

PERMISSION = {OperationKind.CONNECTION_TEST: Permission.SOURCE_TEST, OperationKind.DISCOVERY: Permission.DISCOVER}


async def add(tx: Transaction, operation: Operation, source: DataSource | None) -> None:
    """A new operation, told to everybody. Raises `Limited` when too many are waiting already."""
    if await tx.operations.count_unfinished() >= MAX_UNFINISHED:
        raise Limited("Too much work is waiting already.", retry_after_ms=5_000)
    await tx.operations.add(operation)
    tx.record(operation_event(operation), source)


def operation_event(operation: Operation, step: Step | None = None) -> OperationEvent:
    """What is said of an operation's move."""
    return OperationEvent(
        operation_id=operation.id,
        kind=operation.kind,
        state=operation.state,
        actor=operation.actor,
        data_source_id=operation.data_source_id,
        progress=operation.progress,
        eta_s=operation.eta_s,
        step=step,
        counts=operation.counts,
    )


class Operations:
    """The use cases around the record of long jobs."""

    def __init__(
        self, *, unit_of_work: UnitOfWork, reader: OperationReader, jobs: Jobs, pages: Pages, clock: Clock
    ) -> None:
        self._unit_of_work = unit_of_work
        self._reader = reader
        self._jobs = jobs
        self._pages = pages
        self._clock = clock

    async def by_ids(self, viewer: Viewer, ids: Sequence[str]) -> list[Operation | None]:
        """The visible ones, in the order asked for."""
        require(viewer, Permission.SOURCE_READ)
        found = await self._reader.by_ids(viewer, ids)
        return [found.get(id) for id in ids]

    async def pages(
        self, viewer: Viewer, source_ids: Sequence[str], kinds: tuple[OperationKind, ...] | None, request: PageRequest
    ) -> list[Window[Operation] | InvalidInput]:
        """The operations of each source, newest first."""
        require(viewer, Permission.SOURCE_READ)
        answers: list[Window[Operation] | InvalidInput] = []
        if request.after is None:
            cursor = self._pages.read(request, ("operations", None, kinds))
            found = await self._reader.pages(viewer, source_ids, kinds, cursor.page)
            for id in source_ids:
                own = msgspec.structs.replace(cursor, shape=self._pages.read(request, ("operations", id, kinds)).shape)
                answers.append(self._pages.window(found[id], own))
            return answers
        for id in source_ids:  # a cursor is good for one source: at most one of these asks the store
            try:
                cursor = self._pages.read(request, ("operations", id, kinds))
                answers.append(
                    self._pages.window((await self._reader.pages(viewer, [id], kinds, cursor.page))[id], cursor)
                )
            except InvalidInput as error:
                answers.append(error)
        return answers

    async def counts(
        self, viewer: Viewer, source_ids: Sequence[str], kinds: tuple[OperationKind, ...] | None
    ) -> list[int]:
        """How many operations each source has."""
        found = await self._reader.counts(viewer, source_ids, kinds)
        return [found.get(id, 0) for id in source_ids]

    async def wait(self, viewer: Viewer, operation: Operation, wait_ms: int) -> Operation:
        """The operation as soon as nothing more happens by itself, or as it is after `wait_ms`."""
        if not 0 <= wait_ms <= MAX_WAIT_MS:
            raise InvalidInput(f"waitMs is a number from 0 to {MAX_WAIT_MS}.", path=("waitMs",))
        until_s = self._clock.monotonic_s() + wait_ms / 1_000
        pause_s = _FIRST_LOOK_S
        while not (operation.state.is_final or operation.state is OperationState.AWAITING_CONFIRMATION):
            left_s = until_s - self._clock.monotonic_s()
            if left_s <= 0:
                break
            await self._clock.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * 1.5, _LONGEST_LOOK_S)
            found = (await self._reader.by_ids(viewer, [operation.id])).get(operation.id)
            if found is None:
                break  # its source was deleted meanwhile
            operation = found
        return operation

    async def cancel(self, viewer: Viewer, id: str) -> Operation:
        """Asks the operation to stop; one that nobody works on is ended at once. A final one stays as it is."""
        async with self._unit_of_work(viewer) as tx:
            operation = await self._visible(tx, viewer, id)
            if operation.state.is_final:
                return operation
            if operation.state is OperationState.RUNNING:
                asked = msgspec.structs.replace(operation, cancel_requested=True)
                await tx.operations.save(asked)
                return asked
            return await self._end(tx, operation, OperationState.CANCELLED)

    async def confirm(self, viewer: Viewer, id: str, token: str) -> Operation:
        """Lets an operation that waits for a person go on."""
        async with self._unit_of_work(viewer) as tx:
            operation = await self._visible(tx, viewer, id)
            confirmation = operation.confirmation
            if operation.state is not OperationState.AWAITING_CONFIRMATION or confirmation is None:
                raise Conflict("NOT_AWAITING_CONFIRMATION", "This operation is not waiting for anybody.", path=("id",))
            if not secrets.compare_digest(confirmation.token.encode(), token.encode("utf-8", "replace")):
                raise InvalidInput("This token is not the one of the confirmation.", path=("token",))
            if confirmation.expires_at <= self._clock.now():
                raise Conflict("CONFIRMATION_EXPIRED", "Nobody confirmed in time: discover again.", path=("id",))
            confirmed = msgspec.structs.replace(
                operation,
                state=OperationState.QUEUED,
                confirmation=None,
                request=operation.request | {"confirmed_by": viewer.name},
            )
            await tx.operations.save(confirmed)
            source = await _source(tx, operation)
            tx.record(operation_event(confirmed), source)
        await self._jobs.enqueue(id)
        return confirmed

    async def resume(self, viewer: Viewer, *, limit: int = 1_000) -> int:
        """Queues again what was queued or running when its process died; harmless for what is well. How many."""
        unfinished = await self._reader.unfinished(viewer, limit=limit)
        for id in unfinished:
            await self._jobs.enqueue(id)
        return len(unfinished)

    async def expire(self, viewer: Viewer) -> int:
        """Ends operations that nobody confirmed in time. How many."""
        expired = await self._reader.expired_confirmations(viewer, self._clock.now(), limit=100)
        for id in expired:
            async with self._unit_of_work(viewer) as tx:
                operation = await tx.operations.get(id)
                if operation is not None and operation.state is OperationState.AWAITING_CONFIRMATION:
                    await self._end(tx, operation, OperationState.CANCELLED)
        return len(expired)

    async def _visible(self, tx: Transaction, viewer: Viewer, id: str) -> Operation:
        operation = await tx.operations.get(id)
        if operation is None:
            raise NotFound("There is no operation with this id.", path=("id",))
        require(viewer, PERMISSION[operation.kind])
        return operation

    async def _end(self, tx: Transaction, operation: Operation, state: OperationState) -> Operation:
        """Ends an operation that nobody works on, under a new fence."""
        taken = await tx.operations.take(operation.id)
        if taken is None:
            return operation
        ended = msgspec.structs.replace(
            taken,
            state=state,
            steps=closed(taken.steps, None),
            confirmation=None,
            eta_s=None,
            ended_at=self._clock.now(),
        )
        await tx.operations.save(ended)
        await tx.secrets.erase(operation.id)
        await tx.catalog.discard(operation.id)
        tx.record(operation_event(ended), await _source(tx, ended))
        return ended


class OperationRunner:
    """The worker's side: takes an operation under a new fence, runs its use case, and sees to it that it ends."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWork,
        reader: OperationReader,
        use_cases: Mapping[OperationKind, Callable[[Operation], Awaitable[None]]],
        clock: Clock,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._reader = reader
        self._use_cases = use_cases
        self._clock = clock
        self._viewer = system_viewer("worker")

    async def run(self, operation_id: str) -> None:
        """Runs it to its end. Never raises, except when this process is stopped: then another one takes over."""
        operation = await self._take(operation_id)
        if operation is None:
            return
        work = asyncio.create_task(self._finish(operation), name=f"operation {operation_id}")
        watch = asyncio.create_task(self._cancel_when_asked(operation, work), name=f"watch {operation_id}")
        try:
            await work
        except asyncio.CancelledError:
            if not work.cancelled() or (current := asyncio.current_task()) is None or current.cancelling():
                work.cancel()
                with suppress(asyncio.CancelledError):
                    await work
                raise  # this process is stopping: the operation stays RUNNING and is taken over
            await self._settle(operation_id, operation.fence, OperationState.CANCELLED, ())
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch

    async def _take(self, operation_id: str) -> Operation | None:
        async with self._unit_of_work(self._viewer) as tx:
            operation = await tx.operations.take(operation_id)
            if operation is None or operation.state is OperationState.AWAITING_CONFIRMATION:
                return None
            running = msgspec.structs.replace(
                operation,
                state=OperationState.RUNNING,
                started_at=operation.started_at or self._clock.now(),
            )
            await tx.operations.save(running)
            tx.record(operation_event(running), await _source(tx, running))
            return running

    async def _finish(self, operation: Operation) -> None:
        try:
            await self._use_cases[operation.kind](operation)
        except Superseded:
            log.info("operation %s was taken over", operation.id)
        except ProblemError as error:
            await self._settle(operation.id, operation.fence, OperationState.FAILED, (error.problem,))
        except Exception:
            reference = secrets.token_hex(8)
            log.exception("operation %s failed; reference %s", operation.id, reference)
            problem = Problem(
                ProblemKind.UNAVAILABLE,
                "INTERNAL",
                f"Something went wrong inside Headwater; the log has it under {reference}.",
                retryable=True,
            )
            await self._settle(operation.id, operation.fence, OperationState.FAILED, (problem,))

    async def _settle(
        self, operation_id: str, fence: int, state: OperationState, problems: tuple[Problem, ...]
    ) -> None:
        """The end of an operation that its use case did not end itself."""
        async with self._unit_of_work(self._viewer) as tx:
            operation = await tx.operations.get(operation_id)
            if operation is None or operation.fence != fence or operation.state.is_final:
                return
            ended = msgspec.structs.replace(
                operation,
                state=state,
                steps=closed(operation.steps, problems[0] if problems else None),
                problems=operation.problems + problems,
                eta_s=None,
                ended_at=self._clock.now(),
            )
            await tx.operations.save(ended)
            await tx.secrets.erase(operation_id)
            await tx.catalog.discard(operation_id)
            tx.record(operation_event(ended), await _source(tx, ended))

    async def _cancel_when_asked(self, operation: Operation, work: asyncio.Task[None]) -> None:
        """Cancelling may be asked of any process: the row is where it is asked."""
        while not work.done():
            await self._clock.sleep(_CANCEL_LOOK_S)
            try:
                found = (await self._reader.by_ids(self._viewer, [operation.id])).get(operation.id)
            except ProblemError:
                continue  # the store is away for a moment
            if found is None or found.cancel_requested or found.fence != operation.fence:
                work.cancel()
                return


async def _source(tx: Transaction, operation: Operation) -> DataSource | None:
    return None if operation.data_source_id is None else await tx.data_sources.get(operation.data_source_id)
