"""One discovery, as its thread does it: list, then read batch after batch. Everything here blocks."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from connectors.sqlite import errors, mapping, queries
from connectors.sqlite.ddl import fold
from connectors.sqlite.listing import MAX_EXPANSIONS, Listed, Listing, listing
from connectors.sqlite.mapping import ColumnRow, ForeignKeyRow, IndexKeyRow, Parent, TableRows
from connectors.sqlite.reader import Reader
from domain.errors import Unreachable
from domain.models.catalog import Count, Namespace, Statistics
from domain.models.discovery import DiscoveryBatch, DiscoveryRequest, FoundTable, UnchangedTable, Unreadable
from domain.models.operation import SyncMode
from domain.models.problem import Remedy
from domain.rules import fqn
from domain.rules.match import namespace_in_scope, table_in_scope

MAX_MEASURED_BYTES = 64 * 1024 * 1024  # of a file: to measure its tables, every page is read

MAX_BATCH_COLUMNS = 20_000

_PHASE = "read_catalog"
_MEASURING_S = 5.0

_Row = TypeVar("_Row", ColumnRow, IndexKeyRow, ForeignKeyRow)


class _BTree(Struct, frozen=True):
    """What `queries.SIZES` tells of one table; its indexes are on their own."""

    size_bytes: int
    leaf_cells: int
    cells: int


def batch_size(tables: Sequence[Listed], max_tables: int) -> int:
    """How many of the first tables make a batch: at least one, else at most `max_tables` with 20,000 columns."""
    columns = 0
    for size, table in enumerate(tables[:max_tables]):
        columns += table.columns_at_most
        if size and columns > MAX_BATCH_COLUMNS:
            return size
    return max(1, min(len(tables), max_tables))


class Discovery:
    """What one request finds. `first` once, then `next` until it gives None."""

    def __init__(self, reader: Reader, request: DiscoveryRequest) -> None:
        self._reader = reader
        self._request = request
        self._listing = Listing({}, ())
        self._schema_version = 0
        self._remaining: list[Listed] = []
        self._btrees: dict[str, _BTree] = {}
        self._estimates: dict[str, int] = {}

    def first(self) -> DiscoveryBatch:
        """The batch that lists."""
        self._schema_version = self._version()
        self._listing = listing(self._rows(queries.OBJECTS))
        scope = self._request.scope
        in_scope = [
            table for table in self._listing.tables.values() if table_in_scope(mapping.path_of(table.name), scope)
        ]
        in_scope.sort(key=lambda table: table.name)
        paths = [(table, mapping.path_of(table.name)) for table in in_scope]
        too_long = [mapping.path_of(mapping.shortened(path[-1])) for _, path in paths if mapping.is_too_long(path)]
        unusable = [mapping.path_of(mapping.shortened(one.shown)) for one in self._listing.unusable]
        readable = [table for table, path in paths if not mapping.is_too_long(path)]
        limit = len(readable) if scope.max_tables is None else scope.max_tables
        self._remaining = readable[:limit]
        self._measure()
        namespace = mapping.path_of("")[:1]
        return DiscoveryBatch(
            namespaces=(Namespace(namespace),) if namespace_in_scope(namespace, scope) else (),
            listed=tuple([mapping.path_of(table.name) for table in readable] + too_long + unusable),
            unreadable=tuple(
                [Unreadable(path, _TOO_LONG) for path in too_long]
                + [Unreadable(path, _UNUSABLE) for path in unusable]
                + [
                    _unreadable(table.name, f"The scope's limit of {limit} tables was reached.")
                    for table in readable[limit:]
                ]
            ),
        )

    def next(self) -> DiscoveryBatch | None:
        """The next at most `batch_tables` tables; None when all were read."""
        if not self._remaining:
            return None
        size = batch_size(self._remaining, self._request.batch_tables)
        batch, self._remaining = self._remaining[:size], self._remaining[size:]
        known = self._request.known if self._request.mode is SyncMode.INCREMENTAL else {}
        unchanged = [table for table in batch if known.get(fqn.join(mapping.path_of(table.name))) == table.signature]
        kept = {table.name for table in unchanged}
        found, unreadable = self._read([table for table in batch if table.name not in kept])
        return DiscoveryBatch(
            found=tuple(found),
            unchanged=tuple(
                UnchangedTable(mapping.path_of(table.name), self._statistics(table)) for table in unchanged
            ),
            unreadable=tuple(unreadable),
        )

    def _read(self, batch: Sequence[Listed]) -> tuple[list[FoundTable], list[Unreadable]]:
        if not batch:
            return [], []
        self._reader.begin()
        try:
            is_same = self._version() == self._schema_version
            rows, reasons = self._table_rows(batch)
            parents = self._parents(rows.values())
        finally:
            self._reader.end()
        found: list[FoundTable] = []
        unreadable: list[Unreadable] = []
        for table in batch:
            if table.name not in rows:
                continue  # dropped since it was listed: not read in this run
            why_not = reasons.get(table.name) or _why_unreadable(table, rows[table.name])
            if why_not is None or table.is_fragile:
                one = mapping.table(rows[table.name], parents)
                if mapping.has_name_too_long(one):
                    why_not = _TOO_LONG
                else:
                    signature = table.signature if is_same and why_not is None else None
                    found.append(FoundTable(one, signature, self._statistics(table)))
            if why_not is not None:
                unreadable.append(_unreadable(table.name, why_not))
        return found, unreadable

    def _table_rows(self, batch: Sequence[Listed]) -> tuple[dict[str, TableRows], dict[str, str]]:
        """What the file holds on these tables, by name; and for those whose columns it could not tell, why."""
        texts: dict[str, str] = {}
        index_texts: dict[str, dict[str, str]] = {}
        for kind, name, table, sql in self._rows(queries.SQL_TEXTS, [table.name for table in batch]):
            if kind == "index":
                if sql is not None:  # those of constraints have no text
                    index_texts.setdefault(fold(table), {})[fold(name)] = sql
            else:
                texts[name] = sql or ""
        plain = [table.name for table in batch if not table.is_fragile]
        fragile_columns, reasons = self._fragile_columns([table for table in batch if table.is_fragile])
        columns = _by_table([*(ColumnRow(*row) for row in self._rows(queries.COLUMNS, plain)), *fragile_columns])
        index_keys = _by_table(IndexKeyRow(*row) for row in self._rows(queries.INDEX_KEYS, plain))
        foreign_keys = _by_table(ForeignKeyRow(*row) for row in self._rows(queries.FOREIGN_KEYS, plain))
        found = {
            table.name: TableRows(
                name=table.name,
                is_view=table.is_view,
                sql=texts[table.name],
                columns=columns.get(table.name, ()),
                index_keys=index_keys.get(table.name, ()),
                foreign_keys=foreign_keys.get(table.name, ()),
                indexes=index_texts.get(fold(table.name), {}),
            )
            for table in batch
            if table.name in texts
        }
        return found, reasons

    def _fragile_columns(self, tables: Sequence[Listed]) -> tuple[list[ColumnRow], dict[str, str]]:
        """Columns of views and virtual tables, and why those of some cannot be told.

        One statement asks for all; only where that fails, they are asked for one by one.
        """
        reasons = {table.name: _TOO_NESTED for table in tables if table.expansions > MAX_EXPANSIONS}
        asked = [table for table in tables if table.name not in reasons]
        rows = self._rows_or_refusal(queries.COLUMNS, [table.name for table in asked])
        if rows is None:
            rows = []
            for table in asked:
                own = self._rows_or_refusal(queries.COLUMNS, [table.name])
                rows.extend(own or ())
                if own is None:
                    reasons[table.name] = _BROKEN_VIEW if table.is_view else _NO_MODULE
        told = {row[0] for row in rows}
        reasons.update({table.name: _MALFORMED for table in asked if table.name not in told | reasons.keys()})
        return [ColumnRow(*row) for row in rows], reasons

    def _parents(self, tables: Iterable[TableRows]) -> dict[str, Parent]:
        """The tables that foreign keys point at, as far as they exist."""
        wanted = {fold(key.parent) for table in tables for key in table.foreign_keys}
        listed = [self._listing.tables[name] for name in sorted(wanted & self._listing.tables.keys())]
        names = [table.name for table in listed if not table.is_fragile]
        rows = _by_table(ColumnRow(*row) for row in self._rows(queries.COLUMNS, names))
        spelled = {fold(table.name): Parent(table.name, {}, ()) for table in listed if table.is_fragile}
        return spelled | {fold(name): Parent.from_rows(name, found) for name, found in rows.items()}

    def _measure(self) -> None:
        """Sizes and counts, as far as they are cheap. Whatever goes wrong here only means that they are not known."""
        limit_s = min(_MEASURING_S, self._request.statement_timeout_s)
        try:
            if self._reader.size_bytes() <= MAX_MEASURED_BYTES:
                for name, *numbers in self._reader.ask(queries.SIZES, limit_s=limit_s, phase=_PHASE):
                    self._btrees[fold(name)] = _BTree(*numbers)
            else:
                for name, rows in self._reader.ask(queries.ROW_ESTIMATES, limit_s=limit_s, phase=_PHASE):
                    self._estimates[fold(name or "")] = rows
        except (sqlite3.Error, Unreachable):
            return

    def _statistics(self, table: Listed) -> Statistics:
        btree = None if table.is_fragile else self._btrees.get(fold(table.name))
        if btree is not None:
            rows = btree.leaf_cells if table.has_rowid else btree.cells
            return Statistics(Count(rows, exact=True), Count(btree.size_bytes, exact=True))
        estimate = None if table.is_fragile else self._estimates.get(fold(table.name))
        return Statistics(None if estimate is None else Count(estimate, exact=False))

    def _version(self) -> int:
        return int(self._rows(queries.SCHEMA_VERSION)[0][0])

    def _rows(self, sql: str, names: Sequence[str] | None = None) -> list[Any]:
        """Raises `Unreachable`. An empty list of names is not even asked about."""
        if names is None:
            return self._reader.rows(sql, limit_s=self._request.statement_timeout_s, phase=_PHASE)
        if not names:
            return []
        asked = {"names": json.dumps(names)}
        return self._reader.rows(sql, asked, limit_s=self._request.statement_timeout_s, phase=_PHASE)

    def _rows_or_refusal(self, sql: str, names: Sequence[str]) -> list[Any] | None:
        """As `_rows`; None where the statement itself cannot be answered."""
        asked = {"names": json.dumps(names)}
        try:
            return self._reader.ask(sql, asked, limit_s=self._request.statement_timeout_s, phase=_PHASE)
        except sqlite3.Error as error:
            if errors.is_of_statement(error):
                return None
            raise errors.from_sqlite(error, phase=_PHASE, is_wal=self._reader.header.is_wal) from error


def _why_unreadable(table: Listed, rows: TableRows) -> str | None:
    if not rows.columns and not table.is_fragile:
        return _MALFORMED
    told = {fold(key.index_name) for key in rows.index_keys}
    return None if told.issuperset(rows.indexes) else _MALFORMED_INDEX


def _by_table(rows: Iterable[_Row]) -> dict[str, list[_Row]]:
    grouped: dict[str, list[_Row]] = {}
    for row in rows:
        grouped.setdefault(row.table, []).append(row)
    return grouped


_TOO_LONG = "Its name, or that of something in it, is longer than what Headwater keeps (2,000 bytes with its path)."
_UNUSABLE = "Its name is not valid UTF-8, or holds the character U+0000."
_MALFORMED = "Its entry in the file's schema is malformed: SQLite skips it."
_MALFORMED_INDEX = "The entry of one of its indexes in the file's schema is malformed."
_BROKEN_VIEW = "SQLite cannot work out its columns: it reads something that is not there, or does not fit."
_TOO_NESTED = "Its columns were not worked out: the views that it reads name each other too often."
_NO_MODULE = "Its module is not part of this SQLite, so its columns cannot be told."

_REPAIR = Remedy(
    "Let SQLite name the damage",
    "`PRAGMA integrity_check` tells what is malformed; `.recover` of the sqlite3 shell saves what is readable.",
    statement="PRAGMA integrity_check",
    docs="https://www.sqlite.org/recovery.html",
)
_FIXES: dict[str, tuple[Remedy, ...]] = {
    _MALFORMED: (_REPAIR,),
    _MALFORMED_INDEX: (_REPAIR,),
    _BROKEN_VIEW: (
        Remedy("Drop the view, or create what it reads", "Selecting from the view shows what SQLite misses."),
    ),
}


def _unreadable(name: str, reason: str) -> Unreadable:
    return Unreadable(mapping.path_of(name), reason, _FIXES.get(reason, ()))
