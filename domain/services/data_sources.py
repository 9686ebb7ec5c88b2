"""Registering, changing and deleting sources, and reading them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Struct

from domain.errors import Conflict, InvalidInput, NotFound, ProblemError
from domain.models.access import Permission, Viewer
from domain.models.data_source import Connection, ConnectionSummary, DataSource, DataSourceKind, DataSourceStatus
from domain.models.discovery import Freshness
from domain.models.event import DataSourceAction, DataSourceEvent
from domain.models.operation import OperationKind, OperationState
from domain.models.problem import Problem
from domain.models.registration import DataSourceInput, DataSourcePatch, Registered, WriteOptions
from domain.models.secret import SecretInput, StoredSecret
from domain.ports.clock import Clock, Ids
from domain.ports.connector import Connectors, ConnectorSpec
from domain.ports.repositories.data_sources import DataSourceFilter, DataSourceReader
from domain.ports.secrets import SecretBox
from domain.ports.unit_of_work import Transaction, UnitOfWork
from domain.rules import coverage, ids, register
from domain.rules.decide_access import require
from domain.services.credentials import Credentials, handle
from domain.services.idempotency import once
from domain.services.operations import operation_event
from domain.services.pages import PageRequest, Pages, Window

MAX_BULK = 1_000
_RACES = 3  # tries when another process registers the same name at the same moment

T = TypeVar("T")


class _Outcome(Struct, frozen=True):
    """What an idempotent repeat needs to answer the same."""

    data_source: DataSource | None = None
    created: bool = False
    unchanged: bool = False
    problem: Problem | None = None


class DataSources:
    """The use cases around a registration."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWork,
        reader: DataSourceReader,
        connectors: Connectors,
        credentials: Credentials,
        box: SecretBox,
        pages: Pages,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._reader = reader
        self._connectors = connectors
        self._credentials = credentials
        self._box = box
        self._pages = pages
        self._clock = clock
        self._ids = ids

    # reading

    async def by_ids(self, viewer: Viewer, ids: Sequence[str]) -> list[DataSource | None]:
        """The visible ones, in the order asked for."""
        require(viewer, Permission.SOURCE_READ)
        found = await self._reader.by_ids(viewer, ids)
        return [found.get(id) for id in ids]

    async def by_names(self, viewer: Viewer, names: Sequence[str]) -> list[DataSource | None]:
        """The visible ones, in the order asked for."""
        require(viewer, Permission.SOURCE_READ)
        found = await self._reader.by_names(viewer, names)
        return [found.get(name) for name in names]

    async def page(self, viewer: Viewer, wanted: DataSourceFilter, request: PageRequest) -> Window[DataSource]:
        """Visible sources by name."""
        require(viewer, Permission.SOURCE_READ)
        cursor = self._pages.read(request, ("data_sources", wanted))
        return self._pages.window(await self._reader.page(viewer, wanted, cursor.page), cursor)

    async def count(self, viewer: Viewer, wanted: DataSourceFilter) -> int:
        """How many `page` walks through."""
        require(viewer, Permission.SOURCE_READ)
        return await self._reader.count(viewer, wanted)

    async def freshness(self, viewer: Viewer, ids: Sequence[str]) -> list[Freshness]:
        """How old the catalog of each source is."""
        require(viewer, Permission.SOURCE_READ)
        runs = await self._reader.coverage(viewer, ids)
        return [coverage.freshness(runs.get(id, ())) for id in ids]

    def summary(self, source: DataSource) -> ConnectionSummary:
        """What may be shown of its connection."""
        return self._spec(source.kind).summary(source.connection.settings)

    def spec(self, source: DataSource) -> ConnectorSpec:
        """What its kind of system can do."""
        return self._spec(source.kind)

    # writing

    async def register(
        self, viewer: Viewer, inputs: Sequence[DataSourceInput], write: WriteOptions
    ) -> list[Registered | Problem]:
        """One outcome for each input, in order. One transaction: an outcome that is a problem has changed nothing."""
        require(viewer, Permission.SOURCE_WRITE)
        if not 0 < len(inputs) <= MAX_BULK:
            raise InvalidInput(
                f"Register 1 to {MAX_BULK} sources at a time.", path=("input",), constraint=f"1..{MAX_BULK} items"
            )
        body = ("registerDataSources", [*inputs])

        async def act(tx: Transaction) -> list[_Outcome]:
            return [await self._upsert(tx, viewer, one, write, index) for index, one in enumerate(inputs)]

        outcomes = await self._write(viewer, write, body, act, list[_Outcome])
        return [_answer(outcome) for outcome in outcomes]

    async def update(
        self, viewer: Viewer, id: str, patch: DataSourcePatch, expected_version: int | None, write: WriteOptions
    ) -> Registered:
        """The changed source. Raises `NotFound`, `Conflict`, `InvalidInput`."""
        require(viewer, Permission.SOURCE_WRITE)

        async def act(tx: Transaction) -> _Outcome:
            source = await tx.data_sources.get(id)
            if source is None:
                raise NotFound("There is no data source with this id.", path=("id",))
            _check_version(source, expected_version)
            return await self._change(tx, viewer, source, patch, write)

        outcome = await self._write(viewer, write, ("updateDataSource", id, patch, expected_version), act, _Outcome)
        answer = _answer(outcome)
        if isinstance(answer, Problem):
            raise ProblemError(answer)
        return answer

    async def delete(self, viewer: Viewer, id: str, expected_version: int | None, write: WriteOptions) -> bool:
        """Whether it was deleted (not in a dry run): secrets erased, name free, running work cancelled."""
        require(viewer, Permission.SOURCE_WRITE)

        async def act(tx: Transaction) -> bool:
            source = await tx.data_sources.get(id)
            if source is None:
                raise NotFound("There is no data source with this id.", path=("id",))
            _check_version(source, expected_version)
            if not write.dry_run:
                await self._delete(tx, source)
            return not write.dry_run

        return await self._write(viewer, write, ("deleteDataSource", id, expected_version), act, bool)

    # how

    def _spec(self, kind: DataSourceKind) -> ConnectorSpec:
        return self._connectors.spec(kind)

    async def _write(
        self,
        viewer: Viewer,
        write: WriteOptions,
        body: tuple[Any, ...],
        act: Callable[[Transaction], Awaitable[T]],
        result_type: type[T],
    ) -> T:
        """One transaction, made again when another process registered one of the names at the same moment."""
        for attempt in range(_RACES):
            try:
                async with self._unit_of_work(viewer) as tx:
                    return await once(
                        tx, viewer, self._box, write, body, self._clock.now(), partial(act, tx), result_type
                    )
            except _NameRace as race:
                if attempt == _RACES - 1:
                    raise race.conflict from race
        raise AssertionError("the last attempt returns or raises")

    async def _upsert(
        self, tx: Transaction, viewer: Viewer, one: DataSourceInput, write: WriteOptions, index: int
    ) -> _Outcome:
        """What became of one entry. Everything that can be wrong with it is found before anything of it is written."""
        try:
            name = register.check_name(one.name)
            source = await tx.data_sources.by_name(name)
            if source is None:
                return await self._create(tx, viewer, name, one, write)
            _check_version(source, one.expected_version)
            return await self._change(tx, viewer, source, one.patch, write)
        except ProblemError as error:
            problem = error.problem
            return _Outcome(problem=msgspec.structs.replace(problem, path=("input", str(index), *problem.path)))

    async def _create(
        self, tx: Transaction, viewer: Viewer, name: str, one: DataSourceInput, write: WriteOptions
    ) -> _Outcome:
        said = one.patch.connection
        if said is UNSET:
            raise InvalidInput("A new data source needs a connection.", path=("connection",), constraint="required")
        if one.expected_version is not None:
            raise Conflict("VERSION_CONFLICT", "There is no data source of this name yet.", path=("expectedVersion",))
        spec = self._spec(said.kind)
        secrets = {field: secret for field, secret in said.secrets.items() if secret is not None}
        connection = register.merge_connection(spec, None, said)
        self._credentials.check(spec, secrets)
        now = self._clock.now()
        blank = DataSource(
            id=self._ids.new(ids.DATA_SOURCE),
            name=name,
            connection=connection,
            created_at=now,
            updated_at=now,
            created_by=viewer.name,
        )
        source = register.apply_patch(blank, msgspec.structs.replace(one.patch, name=UNSET), connection)
        if await tx.data_sources.name_is_taken(name):
            taken = Conflict("NAME_TAKEN", "This name is in use; choose another.", path=("name",))
            if await tx.data_sources.by_name(name) is not None:
                raise _NameRace(taken)  # it was not there a moment ago
            raise taken
        if write.dry_run:
            return _Outcome(data_source=source, created=True)
        stored = await self._credentials.keep(tx, source.id, secrets)
        source = msgspec.structs.replace(source, credential=handle(spec, stored, None, now))
        try:
            await tx.data_sources.add(source)
        except Conflict as conflict:
            raise _NameRace(conflict) from conflict
        await self._after(tx, source, DataSourceAction.REGISTERED)
        return _Outcome(data_source=source, created=True)

    async def _change(
        self, tx: Transaction, viewer: Viewer, source: DataSource, patch: DataSourcePatch, write: WriteOptions
    ) -> _Outcome:
        spec, connection, secrets = self._connection_after(source, patch)
        if register.needs_secret_again(spec, source.connection, connection):
            check_secrets_given(connection.kind, await tx.secrets.of(source.id), secrets)
        wanted = register.apply_patch(source, patch, connection)
        if wanted == source and not secrets:
            return _Outcome(data_source=source, unchanged=True)
        if wanted.name != source.name and await tx.data_sources.name_is_taken(wanted.name):
            raise Conflict("NAME_TAKEN", "This name is in use; choose another.", path=("name",))
        if secrets:
            require(viewer, Permission.SECRET_WRITE)
        now = self._clock.now()
        changed = register.next_version(source, wanted, now)
        if write.dry_run:
            return _Outcome(data_source=changed)
        if connection.kind is not source.kind:
            await tx.secrets.erase(source.id)
        stored = await self._credentials.keep(tx, source.id, secrets)
        changed = msgspec.structs.replace(changed, credential=handle(spec, stored, source.credential, now))
        try:
            await tx.data_sources.save(changed)
        except Conflict as conflict:
            raise _NameRace(conflict) from conflict
        await self._after(tx, changed, DataSourceAction.UPDATED)
        return _Outcome(data_source=changed)

    def _connection_after(
        self, source: DataSource, patch: DataSourcePatch
    ) -> tuple[ConnectorSpec, Connection, Mapping[str, SecretInput | None]]:
        """The connection as it shall be, and the secrets that were said. A secret is never shown to a new audience."""
        if patch.connection is UNSET:
            return self._spec(source.kind), source.connection, {}
        said = patch.connection
        spec = self._spec(said.kind)
        connection = register.merge_connection(spec, source.connection, said)
        self._credentials.check(spec, said.secrets)
        return spec, connection, said.secrets

    async def _after(self, tx: Transaction, source: DataSource, action: DataSourceAction) -> None:
        """A changed source is checked at once, and everybody hears of it."""
        is_on = source.status is not DataSourceStatus.DISABLED
        await tx.health.schedule(source.id, self._clock.now() if is_on else None)
        tx.record(DataSourceEvent(data_source_id=source.id, name=source.name, action=action), source)

    async def _delete(self, tx: Transaction, source: DataSource) -> None:
        now = self._clock.now()
        for kind in OperationKind:
            operation = await tx.operations.active(source.id, kind)
            if operation is not None:
                # A new fence: whoever works on it can write no more.
                taken = await tx.operations.take(operation.id)
                if taken is not None:
                    ended = msgspec.structs.replace(taken, state=OperationState.CANCELLED, ended_at=now)
                    await tx.operations.save(ended)
                    tx.record(operation_event(ended), source)
                await tx.secrets.erase(operation.id)
                await tx.catalog.discard(operation.id)
        await tx.secrets.erase(source.id)
        await tx.health.schedule(source.id, None)
        await tx.data_sources.delete(source.id, now)
        tx.record(DataSourceEvent(data_source_id=source.id, name=source.name, action=DataSourceAction.DELETED), source)


def check_secrets_given(
    kind: DataSourceKind, stored: Sequence[StoredSecret], said: Mapping[str, SecretInput | None]
) -> None:
    """Raises `InvalidInput` (SECRET_REQUIRED) for a stored secret that was not said again (or cleared)."""
    for secret in stored:
        if secret.field not in said:
            raise InvalidInput(
                f"This change sends {secret.field} to another place, so say it again (or clear it with null).",
                path=(*register.connection_path(kind), secret.field),
                code="SECRET_REQUIRED",
            )


class _NameRace(Exception):
    """Another process took the name between our look and our write."""

    def __init__(self, conflict: Conflict) -> None:
        super().__init__(str(conflict))
        self.conflict = conflict


def _answer(outcome: _Outcome) -> Registered | Problem:
    if outcome.data_source is None:
        assert outcome.problem is not None  # an outcome is one or the other
        return outcome.problem
    return Registered(outcome.data_source, created=outcome.created, unchanged=outcome.unchanged)


def _check_version(source: DataSource, expected: int | None) -> None:
    if expected is not None and expected != source.version:
        raise Conflict(
            "VERSION_CONFLICT",
            f"The data source is at version {source.version}, not {expected}: read it again, then decide.",
            path=("expectedVersion",),
            current_version=source.version,
        )
