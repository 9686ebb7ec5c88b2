"""Testing a connection: an operation whose steps are what the connector measured, with advice that rests on them."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import msgspec
from msgspec import UNSET

from domain.errors import InvalidInput, NotFound
from domain.models.access import Permission, Viewer, system_viewer
from domain.models.data_source import Connection, DataSource, DataSourceKind, Pool
from domain.models.operation import Operation, OperationKind, OperationState, Step, StepState
from domain.models.problem import Problem, ProblemKind, Remedy
from domain.models.secret import SecretInput, StoredSecret
from domain.models.target import ChangedTarget, DraftTarget, StoredTarget, TestTarget
from domain.ports.clock import Clock, Ids
from domain.ports.connector import Connectors, Target
from domain.ports.dialer import Dialer
from domain.ports.jobs import Jobs
from domain.ports.repositories.health import HealthReader
from domain.ports.unit_of_work import Transaction, UnitOfWork
from domain.rules import ids, register
from domain.rules.advise import advise
from domain.rules.decide_access import require
from domain.rules.judge_health import reached
from domain.services.credentials import Credentials
from domain.services.data_sources import check_secrets_given
from domain.services.operations import add, operation_event

MIN_BUDGET_MS, MAX_BUDGET_MS = 100, 120_000
_GRACE_S = 0.4  # beyond the budget, for a connector that does not end by itself


class ConnectionTests:
    """Starts tests (`start`) and runs them in a worker (`run`)."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWork,
        connectors: Connectors,
        dialer: Dialer,
        credentials: Credentials,
        health: HealthReader,
        jobs: Jobs,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._connectors = connectors
        self._dialer = dialer
        self._credentials = credentials
        self._health = health
        self._jobs = jobs
        self._clock = clock
        self._ids = ids
        self._worker = system_viewer("worker")

    async def start(self, viewer: Viewer, target: TestTarget, budget_ms: int) -> Operation:
        """The queued operation. What was typed for this test is sealed with it and erased when it ends."""
        require(viewer, Permission.SOURCE_TEST)
        if not MIN_BUDGET_MS <= budget_ms <= MAX_BUDGET_MS:
            raise InvalidInput(
                f"budgetMs is a number from {MIN_BUDGET_MS} to {MAX_BUDGET_MS}.",
                path=("budgetMs",),
                constraint=f"{MIN_BUDGET_MS}..{MAX_BUDGET_MS}",
            )
        async with self._unit_of_work(viewer) as tx:
            operation = await self._queued(tx, viewer, target, budget_ms)
        await self._jobs.enqueue(operation.id)
        return operation

    async def run(self, operation: Operation) -> None:
        """Runs the test to its end, saving and telling each step as it starts and ends."""
        source, target = await self._open(operation)
        kind = DataSourceKind(operation.request["kind"])
        budget_s = operation.request["budget_ms"] / 1_000
        steps: dict[str, Step] = {}
        try:
            async with asyncio.timeout(budget_s + _GRACE_S):
                async with aclosing(
                    self._connectors.connector(kind).check(target, self._dialer, budget_s=budget_s)
                ) as found:
                    async for step in found:
                        steps[step.name] = step
                        operation = await self._save(operation, source, tuple(steps.values()), step)
        except TimeoutError:
            steps = {name: _out_of_time(step) for name, step in steps.items()}
        await self._end(operation, source, target.pool, tuple(steps.values()))

    async def _queued(self, tx: Transaction, viewer: Viewer, target: TestTarget, budget_ms: int) -> Operation:
        source_id, connection, pool, secrets = await self._resolved(tx, target)
        operation = Operation(
            id=self._ids.new(ids.OPERATION),
            kind=OperationKind.CONNECTION_TEST,
            state=OperationState.QUEUED,
            actor=viewer.name,
            created_at=self._clock.now(),
            data_source_id=source_id,
            request={
                "kind": connection.kind.value,
                "settings": connection.settings,
                "pool": msgspec.to_builtins(pool),
                "budget_ms": budget_ms,
                "is_draft": not isinstance(target, StoredTarget),
                "said": sorted(secrets),
            },
        )
        source = None if source_id is None else await tx.data_sources.get(source_id)
        await add(tx, operation, source)
        await self._credentials.keep(tx, operation.id, secrets)
        return operation

    async def _resolved(
        self, tx: Transaction, target: TestTarget
    ) -> tuple[str | None, Connection, Pool, dict[str, SecretInput | None]]:
        """Which source, how it is reached, and the secrets that were typed for this test."""
        if isinstance(target, DraftTarget):
            return self._draft(target)
        source = await tx.data_sources.get(target.data_source_id)
        if source is None:
            raise NotFound("There is no data source with this id.", path=("target", "dataSource"))
        if isinstance(target, StoredTarget) or target.patch.connection is UNSET:
            pool = source.pool if isinstance(target, StoredTarget) else _patched(source, target, source.connection).pool
            return source.id, source.connection, pool, {}
        said = target.patch.connection
        spec = self._connectors.spec(said.kind)
        connection = register.merge_connection(spec, source.connection, said)
        self._credentials.check(spec, said.secrets)
        if register.needs_secret_again(spec, source.connection, connection):
            check_secrets_given(connection.kind, await tx.secrets.of(source.id), said.secrets)
        return source.id, connection, _patched(source, target, connection).pool, dict(said.secrets)

    def _draft(self, target: DraftTarget) -> tuple[None, Connection, Pool, dict[str, SecretInput | None]]:
        said = target.draft.patch.connection
        if said is UNSET:
            raise InvalidInput("A draft needs a connection.", path=("target", "draft", "connection"))
        spec = self._connectors.spec(said.kind)
        connection = register.merge_connection(spec, None, said)
        secrets = {field: secret for field, secret in said.secrets.items() if secret is not None}
        self._credentials.check(spec, secrets)
        now = self._clock.now()
        blank = DataSource(id="", name="draft", connection=connection, created_at=now, updated_at=now)
        patch = msgspec.structs.replace(target.draft.patch, name=UNSET)
        return None, connection, register.apply_patch(blank, patch, connection).pool, dict(secrets)

    async def _open(self, operation: Operation) -> tuple[DataSource | None, Target]:
        """The source, and the target with its secrets: the source's own under those that were typed for this test."""
        async with self._unit_of_work(self._worker) as tx:
            source = None
            stored: tuple[StoredSecret, ...] = ()
            if operation.data_source_id is not None:
                source = await tx.data_sources.get(operation.data_source_id)
                stored = await tx.secrets.of(operation.data_source_id)
            typed = await tx.secrets.of(operation.id)
        said = set(operation.request["said"])
        secrets: dict[str, str] = {}
        if operation.data_source_id is not None:
            own = tuple(secret for secret in stored if secret.field not in said)
            secrets = await self._credentials.open(operation.data_source_id, own)
        secrets |= await self._credentials.open(operation.id, typed)
        pool = msgspec.convert(operation.request["pool"], Pool)
        return source, Target(settings=operation.request["settings"], secrets=secrets, pool=pool)

    async def _save(
        self, operation: Operation, source: DataSource | None, steps: tuple[Step, ...], moved: Step
    ) -> Operation:
        done = sum(step.state not in (StepState.PENDING, StepState.RUNNING) for step in steps)
        operation = msgspec.structs.replace(operation, steps=steps, progress=done / max(_STEPS, len(steps)))
        async with self._unit_of_work(self._worker) as tx:
            await tx.operations.save(operation)
            tx.record(operation_event(operation, moved), source)
        return operation

    async def _end(self, operation: Operation, source: DataSource | None, pool: Pool, steps: Sequence[Step]) -> None:
        now = self._clock.now()
        advised = await self._advised(operation, source, pool, steps)
        problems = tuple(
            step.problem for step in advised if step.problem is not None and step.state is StepState.FAILED
        )
        failed = any(step.mandatory and step.state is StepState.FAILED for step in advised)
        ended = msgspec.structs.replace(
            operation,
            steps=tuple(advised),
            state=OperationState.FAILED if failed else OperationState.SUCCEEDED,
            problems=problems,
            progress=1.0,
            eta_s=None,
            ended_at=now,
        )
        async with self._unit_of_work(self._worker) as tx:
            # First the source, then its operation, as everywhere: two orders would be a deadlock now and then.
            current = None if source is None else await tx.data_sources.get(source.id)
            await tx.operations.save(ended)
            await tx.secrets.erase(ended.id)
            if current is not None and not ended.request["is_draft"]:
                status = current.status if failed else reached(current.status)
                await tx.data_sources.save(msgspec.structs.replace(current, last_tested_at=now, status=status))
            tx.record(operation_event(ended), source)

    async def _advised(
        self, operation: Operation, source: DataSource | None, pool: Pool, steps: Sequence[Step]
    ) -> list[Step]:
        """Each step with the advice that follows from what was measured in it."""
        usual_ms = None
        if source is not None:
            health = (await self._health.current(self._worker, [source.id])).get(source.id)
            usual_ms = None if health is None else health.latency_p95_ms
        spec = self._connectors.spec(DataSourceKind(operation.request["kind"]))
        summary = spec.summary(operation.request["settings"])
        advice = advise(
            steps, tls=summary.tls, pool=pool, usual_latency_p95_ms=usual_ms, today=self._clock.now().date()
        )
        return [_with_advice(step, advice.get(step.name, ())) for step in steps]


_STEPS = 7  # resolve, connect, tls, authenticate, authorize, read_catalog, latency


def _with_advice(step: Step, advice: Sequence[Remedy]) -> Step:
    if not advice:
        return step
    state = StepState.WARNED if step.state is StepState.PASSED else step.state
    return msgspec.structs.replace(step, state=state, fix=step.fix + tuple(advice))


def _out_of_time(step: Step) -> Step:
    if step.state is not StepState.RUNNING:
        return step
    problem = Problem(
        ProblemKind.UNREACHABLE,
        "TIMED_OUT",
        "The budget of the test ran out in this step.",
        phase=step.name,
        retryable=True,
    )
    return msgspec.structs.replace(step, state=StepState.FAILED, problem=problem)


def _patched(source: DataSource, target: ChangedTarget, connection: Connection) -> DataSource:
    return register.apply_patch(source, target.patch, connection)
