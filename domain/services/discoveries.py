"""Discovery: reads what is inside a source into staging, and publishes it as a new revision in one transaction."""

import asyncio
import secrets
from contextlib import aclosing
from datetime import timedelta

import msgspec
from msgspec import Struct

from domain.errors import Conflict, InvalidInput, NotFound, Unreachable
from domain.models.access import Permission, Viewer, system_viewer
from domain.models.data_source import Connection, DataSource, DataSourceStatus, DiscoveryScope
from domain.models.discovery import Comparison, Coverage, DiscoveryBatch, DiscoveryRequest, Published
from domain.models.event import ChangeEvent, RevisionEvent
from domain.models.operation import (
    Confirmation,
    Operation,
    OperationKind,
    OperationState,
    StepState,
    SyncMode,
)
from domain.models.problem import Problem, ProblemKind
from domain.models.registration import WriteOptions
from domain.ports.clock import Clock, Ids
from domain.ports.connector import Connectors, Target
from domain.ports.dialer import Dialer
from domain.ports.jobs import Jobs
from domain.ports.repositories.catalog import CatalogReader
from domain.ports.secrets import SecretBox
from domain.ports.unit_of_work import Transaction, UnitOfWork
from domain.rules import ids
from domain.rules.decide_access import require
from domain.rules.diff import action_of
from domain.rules.guard import DEFAULT_MAX_SHARE, needs_confirmation
from domain.rules.judge_health import reached
from domain.rules.register import check_scope
from domain.rules.steps import closed
from domain.services.credentials import Credentials
from domain.services.idempotency import once
from domain.services.operations import add, operation_event
from domain.services.reading import Reading

MIN_BUDGET_MS, DEFAULT_BUDGET_MS, MAX_BUDGET_MS = 1_000, 600_000, 3_600_000
STATEMENT_TIMEOUT_S = 60.0
CONFIRM_WITHIN = timedelta(hours=24)
KEEP_REVISIONS, KEEP_REVISIONS_FOR = 10, timedelta(days=90)
_TELL_EVERY_S = 0.25  # how often progress is told at most


class DiscoverInput(Struct, frozen=True):
    """What is asked of a discovery."""

    data_source_id: str
    mode: SyncMode = SyncMode.INCREMENTAL
    scope: DiscoveryScope | None = None
    budget_ms: int | None = None
    max_removal_share: float = DEFAULT_MAX_SHARE


class _Request(Struct, frozen=True):
    """What an operation row keeps of it."""

    mode: SyncMode
    scope: DiscoveryScope
    budget_ms: int
    max_removal_share: float
    confirmed_by: str | None = None
    coverage: Coverage | None = None  # of the run that waits for its confirmation
    connection: Connection | None = None  # what was read from; None until something was


class Discoveries:
    """Starts discoveries (`start`) and runs them in a worker (`run`)."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWork,
        reader: CatalogReader,
        connectors: Connectors,
        dialer: Dialer,
        credentials: Credentials,
        box: SecretBox,
        jobs: Jobs,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._reader = reader
        self._connectors = connectors
        self._dialer = dialer
        self._credentials = credentials
        self._box = box
        self._jobs = jobs
        self._clock = clock
        self._ids = ids
        self._worker = system_viewer("worker")

    # asking

    async def start(self, viewer: Viewer, asked: DiscoverInput, write: WriteOptions) -> Operation:
        """The queued operation, or the one that is running for this source already."""
        require(viewer, Permission.DISCOVER)
        request = _checked(asked)
        body = ("discover", asked)
        async with self._unit_of_work(viewer) as tx:

            async def act() -> Operation:
                return await self._queued(tx, viewer, asked.data_source_id, request, write)

            operation = await once(tx, viewer, self._box, write, body, self._clock.now(), act, Operation)
        if operation.state is OperationState.QUEUED and not write.dry_run:
            await self._jobs.enqueue(operation.id)
        return operation

    async def _queued(
        self, tx: Transaction, viewer: Viewer, source_id: str, request: _Request, write: WriteOptions
    ) -> Operation:
        source = await tx.data_sources.get(source_id)
        if source is None:
            raise NotFound("There is no data source with this id.", path=("input", "dataSource"))
        if source.status is DataSourceStatus.DISABLED:
            raise InvalidInput("This data source is disabled; set its status to ACTIVE first.", path=("input",))
        active = await tx.operations.active(source_id, OperationKind.DISCOVERY)
        if active is not None and active.state is not OperationState.AWAITING_CONFIRMATION:
            return active
        operation = Operation(
            id=self._ids.new(ids.OPERATION),
            kind=OperationKind.DISCOVERY,
            state=OperationState.QUEUED,
            actor=viewer.name,
            created_at=self._clock.now(),
            data_source_id=source_id,
            dry_run=write.dry_run,
            request=_kept(request),
        )
        if write.dry_run:
            return operation
        if active is not None:
            await self._supersede(tx, active, source)
        await add(tx, operation, source)
        return operation

    async def _supersede(self, tx: Transaction, waiting: Operation, source: DataSource) -> None:
        """A fresh run sees what the waiting one saw, and more: nobody needs to confirm the old one any longer."""
        taken = await tx.operations.take(waiting.id)
        if taken is not None:
            ended = msgspec.structs.replace(
                taken,
                state=OperationState.CANCELLED,
                steps=closed(taken.steps, None),
                confirmation=None,
                ended_at=self._clock.now(),
            )
            await tx.operations.save(ended)
            await tx.catalog.discard(waiting.id)
            tx.record(operation_event(ended), source)

    # running

    async def run(self, operation: Operation) -> None:
        """Runs the discovery to its end. Raises what the runner turns into the operation's failure."""
        request = msgspec.convert(operation.request, _Request)
        if request.confirmed_by is not None and request.coverage is not None:
            await self._publish(operation, request, request.coverage)
            return
        source, target, known = await self._prepare(operation, request)
        request = msgspec.structs.replace(request, scope=_within(source.scope, request), connection=source.connection)
        reading = await self._read(operation, request, source, target, known)
        coverage = reading.coverage(self._clock.now(), request.mode, request.scope)
        operation = reading.progressed(self._clock.monotonic_s())
        async with self._unit_of_work(self._worker) as tx:
            comparison = await tx.catalog.compare(operation.id, source.id, coverage)
        reason = needs_confirmation(comparison.removed, comparison.current, request.max_removal_share)
        if reason is not None:
            await self._await_confirmation(operation, source, request, coverage, comparison, reason)
            return
        await self._publish(operation, request, coverage)

    async def _prepare(self, operation: Operation, request: _Request) -> tuple[DataSource, Target, dict[str, str]]:
        """The source, how to reach it, and the signatures that need not be read again."""
        assert operation.data_source_id is not None  # every discovery has a source
        async with self._unit_of_work(self._worker) as tx:
            source = await tx.data_sources.get(operation.data_source_id)
            if source is None:
                raise NotFound("The data source is gone.")
            stored = await tx.secrets.of(source.id)
            await tx.operations.save(operation)  # fenced: what is discarded must not be a successor's
            await tx.catalog.discard(operation.id)  # what a dead worker may have left
        opened = await self._credentials.open(source.id, stored)
        target = Target(settings=source.connection.settings, secrets=opened, pool=source.pool)
        known = {}
        if request.mode is SyncMode.INCREMENTAL:
            known = await self._reader.signatures(self._worker, source.id)
        return source, target, known

    async def _read(
        self, operation: Operation, request: _Request, source: DataSource, target: Target, known: dict[str, str]
    ) -> Reading:
        """Streams all batches into staging. What breaks after the listing makes the run partial; before it, failed."""
        budget_s = request.budget_ms / 1_000
        reading = Reading(operation, started_s=self._clock.monotonic_s(), budget_ms=request.budget_ms)
        asked = DiscoveryRequest(
            mode=request.mode, scope=request.scope, known=known, statement_timeout_s=STATEMENT_TIMEOUT_S
        )
        await self._save_steps(reading)
        try:
            async with asyncio.timeout(budget_s):
                connector = self._connectors.connector(source.kind)
                async with connector.open(target, self._dialer, deadline_s=budget_s) as session:
                    reading.connected(self._clock.monotonic_s())
                    await self._save_steps(reading)
                    async with aclosing(session.discover(asked)) as batches:
                        async for batch in batches:
                            await self._stage(reading, source, batch)
        except TimeoutError:
            reading.cut(_out_of_budget(request.budget_ms))
        except Unreachable as error:
            reading.cut(error.problem)
        reading.ended(self._clock.monotonic_s())
        if not reading.has_listed:
            assert reading.problem is not None  # a stream that ends well has listed
            raise Unreachable(
                reading.problem.code,
                reading.problem.message,
                phase=reading.problem.phase or "read",
                vendor_code=reading.problem.vendor_code,
                retryable=reading.problem.retryable,
                fix=reading.problem.fix,
            )
        return reading

    async def _save_steps(self, reading: Reading) -> None:
        """Whoever looks, or has to end the operation, finds the step that it is in."""
        async with self._unit_of_work(self._worker) as tx:
            await tx.operations.save(reading.operation)

    async def _stage(self, reading: Reading, source: DataSource, batch: DiscoveryBatch) -> None:
        """One short transaction, fenced: a worker that was taken over adds nothing to its successor's staging."""
        now_s = self._clock.monotonic_s()
        reading.took(batch)
        operation = reading.progressed(now_s)
        async with self._unit_of_work(self._worker) as tx:
            await tx.operations.save(operation)
            await tx.catalog.stage(operation.id, batch)
            if reading.is_due(now_s, _TELL_EVERY_S):
                reading.told(now_s)
                tx.record(operation_event(operation), source)

    async def _await_confirmation(
        self,
        operation: Operation,
        source: DataSource,
        request: _Request,
        coverage: Coverage,
        comparison: Comparison,
        reason: str,
    ) -> None:
        confirmation = Confirmation(
            token=secrets.token_urlsafe(16),
            reason=reason,
            would_remove=comparison.removed,
            expires_at=self._clock.now() + CONFIRM_WITHIN,
        )
        waiting = msgspec.structs.replace(
            operation,
            state=OperationState.AWAITING_CONFIRMATION,
            confirmation=confirmation,
            request=_kept(msgspec.structs.replace(request, coverage=coverage)),
            eta_s=None,
        )
        async with self._unit_of_work(self._worker) as tx:
            await tx.operations.save(waiting)
            tx.record(operation_event(waiting), source)

    async def _publish(self, operation: Operation, request: _Request, coverage: Coverage) -> None:
        """The new revision, what the run covered, the operation's end and all events: together or not at all."""
        now = self._clock.now()
        begun_s = self._clock.monotonic_s()
        assert operation.data_source_id is not None  # every discovery has a source
        async with self._unit_of_work(self._worker) as tx:
            source = await tx.data_sources.get(operation.data_source_id)
            if source is None:
                raise NotFound("The data source is gone.")
            if source.connection != request.connection:
                raise Conflict(
                    "CONNECTION_CHANGED",
                    "The connection was changed meanwhile: what was read may be of another database. Discover again.",
                )
            # Fenced first: a worker that was taken over must not publish.
            await tx.operations.save(operation)
            published = await tx.catalog.publish(operation.id, source.id, coverage, now)
            await tx.data_sources.add_coverage(source.id, coverage)
            await tx.data_sources.save(
                msgspec.structs.replace(source, last_discovered_at=now, status=reached(source.status))
            )
            ended = self._ended(operation, coverage, published, (self._clock.monotonic_s() - begun_s) * 1_000)
            await tx.operations.save(ended)
            await tx.catalog.prune_revisions(source.id, older_than=now - KEEP_REVISIONS_FOR, keep=KEEP_REVISIONS)
            if published is not None:
                _tell(tx, source, published)
            tx.record(operation_event(ended), source)

    def _ended(
        self, operation: Operation, coverage: Coverage, published: Published | None, duration_ms: float
    ) -> Operation:
        problems = tuple(step.problem for step in operation.steps if step.problem is not None)
        steps = tuple(
            msgspec.structs.replace(step, state=StepState.PASSED, duration_ms=duration_ms)
            if step.name == "publish"
            else step
            for step in operation.steps
        )
        return msgspec.structs.replace(
            operation,
            state=OperationState.PARTIAL if coverage.unread or problems else OperationState.SUCCEEDED,
            steps=steps,
            problems=problems,
            progress=1.0,
            eta_s=None,
            counts=operation.counts + (() if published is None else published.counts),
            published_revision=None if published is None else published.revision,
            confirmation=None,
            ended_at=self._clock.now(),
        )


def _tell(tx: Transaction, source: DataSource, published: Published) -> None:
    """One event for the revision, and one for each change while they are few."""
    tx.record(
        RevisionEvent(
            data_source_id=source.id,
            name=source.name,
            from_revision=published.revision - 1,
            to_revision=published.revision,
            counts=published.counts,
        ),
        source,
    )
    for entry in published.changes:
        tx.record(
            ChangeEvent(
                data_source_id=source.id,
                name=source.name,
                path=entry.path,
                revision=entry.revision,
                action=action_of(entry.change),
                change_id=entry.id,
            ),
            source,
        )


def _checked(asked: DiscoverInput) -> _Request:
    budget_ms = DEFAULT_BUDGET_MS if asked.budget_ms is None else asked.budget_ms
    if not MIN_BUDGET_MS <= budget_ms <= MAX_BUDGET_MS:
        raise InvalidInput(f"budgetMs is a number from {MIN_BUDGET_MS} to {MAX_BUDGET_MS}.", path=("input", "budgetMs"))
    if not 0.0 <= asked.max_removal_share <= 1.0:
        raise InvalidInput("maxRemovalShare is a number from 0 to 1.", path=("input", "maxRemovalShare"))
    if asked.mode is SyncMode.SELECTIVE and asked.scope is None:
        raise InvalidInput("A SELECTIVE discovery needs a scope.", path=("input", "scope"))
    scope = check_scope(asked.scope or DiscoveryScope())
    return _Request(asked.mode, scope, budget_ms, asked.max_removal_share)


def _kept(request: _Request) -> dict[str, object]:
    kept: dict[str, object] = msgspec.to_builtins(request)
    return kept


def _out_of_budget(budget_ms: int) -> Problem:
    return Problem(
        ProblemKind.UNREACHABLE,
        "TIMED_OUT",
        f"The budget of {budget_ms} ms ran out before everything was read.",
        phase="read",
        retryable=True,
    )


def _within(own: DiscoveryScope, request: _Request) -> DiscoveryScope:
    """What was asked for this run, else what the source was registered with."""
    return own if request.scope == DiscoveryScope() else request.scope
