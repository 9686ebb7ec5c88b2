"""What is inside a database, read in one REPEATABLE READ, READ ONLY transaction and streamed in bounded batches.

Each batch is read under a savepoint that is rolled back: `pg_get_viewdef` and the size functions lock what they look
at until the transaction ends, and ten thousand views would exhaust the server's lock table.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct

from connectors.postgresql import mapping, queries
from connectors.postgresql.errors import ends_conversation, unreachable
from connectors.postgresql.wire import Conversation
from domain.errors import HeadwaterError, Unreachable
from domain.models.catalog import Namespace, Statistics
from domain.models.data_source import DiscoveryScope
from domain.models.discovery import DiscoveryBatch, DiscoveryRequest, FoundTable, UnchangedTable, Unreadable
from domain.models.operation import SyncMode
from domain.models.problem import Remedy
from domain.rules import fqn
from domain.rules.match import namespace_in_scope, table_in_scope

PHASE = "read_catalog"

MAX_NAMESPACES = 20_000
MAX_TABLES = 200_000
MAX_BATCH_COLUMNS = 4_000  # a batch's memory is that of its columns
_LOCK_TIMEOUT_MS = 500
_TABLES_PER_TURN = 10  # mapped before others get their turn on the loop: about a millisecond
_ROWS_PER_TURN = 100

Row = Any  # asyncpg's Record


class _Listed(Struct, frozen=True):
    """A table in scope, before anything else of it is read."""

    oid: int
    path: tuple[str, ...]
    columns: int


class _Server(Struct, frozen=True):
    """What must be known of the server to read its catalogs."""

    database: str
    version_number: int


async def begin(conversation: Conversation, statement_timeout_s: float) -> None:
    """From here on one unchanging view of the catalogs, in the settings that fix how they are spelled.

    The transaction ends with the next one, or with the connection.
    """
    async with conversation.speaking(PHASE) as connection:
        if connection.is_in_transaction():
            await connection.execute("ROLLBACK")
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        await connection.execute(
            queries.SETTINGS.format(
                lock_timeout_ms=_LOCK_TIMEOUT_MS, statement_timeout_ms=max(1, int(statement_timeout_s * 1_000))
            )
        )


async def discover(conversation: Conversation, request: DiscoveryRequest) -> AsyncGenerator[DiscoveryBatch]:
    """Everything in scope. Raises `Unreachable` when the conversation breaks."""
    known = request.known if request.mode is SyncMode.INCREMENTAL else {}
    try:
        await begin(conversation, min(request.statement_timeout_s, conversation.settings.statement_timeout_ms / 1_000))
        reader = await CatalogReader.of(conversation)
        survey, tables = await reader.survey(request.scope)
        yield survey
        for batch in batches(tables, request.batch_tables):
            yield await reader.read(batch, known)
    except HeadwaterError:
        raise
    except Exception as error:  # rows that no PostgreSQL server would give
        raise unreachable(error, PHASE, conversation.settings) from error


def batches(tables: Sequence[_Listed], max_tables: int) -> Iterator[Sequence[_Listed]]:
    """Pieces of at most `max_tables` tables and 4,000 columns; a table is never split."""
    start, columns = 0, 0
    for place, table in enumerate(tables):
        if place > start and (place - start >= max_tables or columns + table.columns > MAX_BATCH_COLUMNS):
            yield tables[start:place]
            start, columns = place, 0
        columns += table.columns
    if start < len(tables):
        yield tables[start:]


class CatalogReader:
    """Reads the catalogs of one database inside a snapshot."""

    def __init__(self, conversation: Conversation, server: _Server) -> None:
        self._conversation = conversation
        self._server = server

    @classmethod
    async def of(cls, conversation: Conversation) -> "CatalogReader":
        """The reader of the database that is connected to."""
        async with conversation.speaking(PHASE) as connection:
            row = await connection.fetchrow(queries.SERVER)
        return cls(conversation, _Server(row["database"], row["version_number"]))

    async def survey(self, scope: DiscoveryScope) -> tuple[DiscoveryBatch, list[_Listed]]:
        """The first batch, and the tables that are to be read."""
        async with self._conversation.speaking(PHASE) as connection:
            namespaces = await connection.fetch(queries.NAMESPACES, MAX_NAMESPACES + 1)
            tables = await connection.fetch(queries.TABLES, [row["oid"] for row in namespaces], MAX_TABLES + 1)
        unreadable = list(self._cut(namespaces, tables))
        paths = {row["oid"]: (self._server.database, row["name"]) for row in namespaces[:MAX_NAMESPACES]}
        in_scope: list[_Listed] = []
        async for row in _in_turns(tables[:MAX_TABLES], _ROWS_PER_TURN):
            namespace = paths.get(row["namespace_oid"])
            if namespace is None or not table_in_scope((*namespace, row["name"]), scope):
                continue
            table = _Listed(row["oid"], (*namespace, row["name"]), row["columns"])
            if mapping.longest_name_bytes(table.path, ()) > fqn.MAX_LOCAL_BYTES:
                unreadable.append(_too_long(table))
            else:
                in_scope.append(table)
        in_scope.sort(key=lambda table: table.path)
        limit = len(in_scope) if scope.max_tables is None else scope.max_tables
        unreadable.extend(
            Unreadable(table.path, f"The scope's limit of {limit} tables was reached.") for table in in_scope[limit:]
        )
        with_tables = {table.path[:-1] for table in in_scope}
        batch = DiscoveryBatch(
            namespaces=tuple(
                Namespace(paths[row["oid"]], comment=row["comment"])
                for row in namespaces[:MAX_NAMESPACES]
                if paths[row["oid"]] in with_tables or namespace_in_scope(paths[row["oid"]], scope)
            ),
            listed=tuple(table.path for table in in_scope),
            unreadable=tuple(unreadable),
        )
        return batch, in_scope[:limit]

    def _cut(self, namespaces: Sequence[Row], tables: Sequence[Row]) -> Iterator[Unreadable]:
        for found, limit, what in ((namespaces, MAX_NAMESPACES, "schemas"), (tables, MAX_TABLES, "tables")):
            if len(found) > limit:
                yield Unreadable(
                    (self._server.database,), f"There are more than {limit} {what}; the rest was not read."
                )

    async def read(self, tables: Sequence[_Listed], known: dict[str, str]) -> DiscoveryBatch:
        """These tables: those whose signature is the known one as unchanged, the others as found.

        What cannot be read is tried again in ever smaller pieces, so that one locked view hides no other table.
        """
        try:
            return await self._read(tables, known)
        except _PieceFailed as failed:
            if len(tables) == 1:
                problem = failed.problem.problem
                return DiscoveryBatch(unreadable=(Unreadable(tables[0].path, problem.message, problem.fix),))
        half = len(tables) // 2
        first, second = await self.read(tables[:half], known), await self.read(tables[half:], known)
        return DiscoveryBatch(
            found=first.found + second.found,
            unchanged=first.unchanged + second.unchanged,
            unreadable=first.unreadable + second.unreadable,
        )

    async def _read(self, tables: Sequence[_Listed], known: dict[str, str]) -> DiscoveryBatch:
        unchanged: list[_Listed] = []
        if any(fqn.join(table.path) in known for table in tables):
            signatures = await self._signatures(tables)
            unchanged = [table for table in tables if signatures[table.oid] == known.get(fqn.join(table.path))]
        same = {table.oid for table in unchanged}
        changed = [table for table in tables if table.oid not in same]
        details = await self._details(changed) if changed else {}
        statistics = await self._statistics(tables)
        found: list[FoundTable] = []
        unreadable: list[Unreadable] = []
        async for table in _in_turns(changed, _TABLES_PER_TURN):
            outcome = _found(table, details[table.oid], statistics.get(table.oid, Statistics()))
            if isinstance(outcome, FoundTable):
                found.append(outcome)
            else:
                unreadable.append(outcome)
        return DiscoveryBatch(
            found=tuple(found),
            unchanged=tuple(UnchangedTable(table.path, statistics.get(table.oid, Statistics())) for table in unchanged),
            unreadable=tuple(unreadable),
        )

    async def _signatures(self, tables: Sequence[_Listed]) -> dict[int, str]:
        oids = [table.oid for table in tables]
        sums: dict[int, list[tuple[int, int]]] = {oid: [(0, 0)] * len(queries.DETAILS) for oid in oids}
        async with self._piece() as connection:
            for kind, statement in enumerate(queries.READ_SIGNATURES):
                for row in await connection.fetch(statement, oids):
                    sums[row["table_oid"]][kind] = (row["rows"], int(row["hash_sum"]))
        return {oid: mapping.signature(parts) for oid, parts in sums.items()}

    async def _details(self, tables: Sequence[_Listed]) -> dict[int, tuple[list[Row], ...]]:
        oids = [table.oid for table in tables]
        details: dict[int, tuple[list[Row], ...]] = {oid: tuple([] for _ in queries.DETAILS) for oid in oids}
        async with self._piece() as connection:
            for kind, statement in enumerate(queries.READ_DETAILS):
                for row in await connection.fetch(statement, oids):
                    details[row["table_oid"]][kind].append(row)
        return details

    async def _statistics(self, tables: Sequence[_Listed]) -> dict[int, Statistics]:
        """Sizes as they are; where somebody holds a table exclusively, as the last VACUUM left them."""
        oids, version = [table.oid for table in tables], self._server.version_number
        try:
            async with self._piece() as connection:
                rows, is_exact = await connection.fetch(queries.EXACT_STATISTICS, oids, version), True
        except _PieceFailed:
            async with self._piece() as connection:
                rows, is_exact = await connection.fetch(queries.ESTIMATED_STATISTICS, oids, version), False
        return {row["table_oid"]: mapping.statistics(row, is_size_exact=is_exact) for row in rows}

    @asynccontextmanager
    async def _piece(self) -> AsyncIterator[Any]:
        """Some statements whose failure and whose locks do not outlive them. Raises `_PieceFailed`."""
        async with self._conversation.speaking(PHASE) as connection:
            await connection.execute("SAVEPOINT piece")
            try:
                yield connection
            except Exception as error:
                if ends_conversation(error):
                    raise
                await connection.execute("ROLLBACK TO SAVEPOINT piece")
                raise _PieceFailed(unreachable(error, PHASE, self._conversation.settings)) from error
            await connection.execute("ROLLBACK TO SAVEPOINT piece")


class _PieceFailed(HeadwaterError):
    """Some tables could not be read; the conversation goes on."""

    def __init__(self, problem: Unreachable) -> None:
        super().__init__(str(problem))
        self.problem = problem


def _found(table: _Listed, details: tuple[list[Row], ...], statistics: Statistics) -> FoundTable | Unreadable:
    relations, columns, constraints, indexes = details
    if len(relations) != 1:
        return Unreadable(table.path, "The table was dropped while it was read.")
    if mapping.longest_name_bytes(table.path, (row["name"] for row in columns)) > fqn.MAX_LOCAL_BYTES:
        return _too_long(table)
    return FoundTable(
        mapping.table(table.path, relations[0], columns, constraints, indexes),
        signature=mapping.signature((len(rows), sum(row["row_hash"] for row in rows)) for rows in details),
        statistics=statistics,
    )


def _too_long(table: _Listed) -> Unreadable:
    # The name itself is what cannot be held; its beginning tells where to look.
    path = tuple(part[:100] for part in table.path)
    return Unreadable(
        path,
        f"With its names the table exceeds {fqn.MAX_LOCAL_BYTES} bytes.",
        (Remedy("Choose shorter names", "PostgreSQL's own limit for one name is 63 bytes."),),
    )


async def _in_turns(rows: Sequence[Any], per_turn: int) -> AsyncIterator[Any]:
    """The rows one by one, letting others have the loop after every `per_turn`."""
    for place, row in enumerate(rows):
        if place and place % per_turn == 0:
            await asyncio.sleep(0)
        yield row
