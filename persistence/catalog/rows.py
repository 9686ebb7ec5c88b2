"""Found values as rows of the temporal tables (in the order of their columns), and rows as found values and entries."""

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Row

from domain.models.catalog import (
    Column,
    ColumnEntry,
    Constraint,
    ConstraintKind,
    Count,
    Namespace,
    NamespaceEntry,
    Statistics,
    Table,
    TableEntry,
)
from domain.models.relationship import (
    Cardinality,
    Evidence,
    ReferentialAction,
    RelationshipEnd,
    RelationshipEntry,
    Verdict,
)
from domain.rules import fqn
from domain.rules.match import fold

encode_document = msgspec.msgpack.Encoder().encode
decode_document = msgspec.msgpack.Decoder(Table).decode
_encode_json = msgspec.json.Encoder().encode


class Identity(Struct, frozen=True):
    """What stays of an object over its rows. `first_seen_at` is as the store keeps times."""

    id: str
    first_seen_at: Any


class Opening(Struct, frozen=True):
    """What all rows that a publish opens have in common."""

    data_source_id: str
    revision: int
    at: Any  # as the store keeps times

    def identity(self, prefix: str) -> Identity:
        """That of an object never seen before."""
        return Identity(f"{prefix}_{secrets.token_hex(12)}", self.at)


class ForeignKey(Struct, frozen=True):
    """What a relationship's row says, derived from the constraints of one table."""

    name: str
    columns: tuple[str, ...]
    to_path: tuple[str, ...]
    to_columns: tuple[str, ...]
    cardinality: Cardinality
    on_delete: ReferentialAction | None
    on_update: ReferentialAction | None


def foreign_keys(table: Table) -> tuple[ForeignKey, ...]:
    """The references that a table declares, in the order of its constraints."""
    keys: frozenset[frozenset[str]] | None = None
    found = []
    for constraint in table.constraints:
        if constraint.kind is not ConstraintKind.FOREIGN_KEY or constraint.references is None:
            continue
        keys = _unique_keys(table) if keys is None else keys
        reference = constraint.references
        found.append(
            ForeignKey(
                name=constraint.name,
                columns=constraint.columns,
                to_path=reference.table_path,
                to_columns=reference.columns,
                cardinality=(
                    Cardinality.ONE_TO_ONE if frozenset(constraint.columns) in keys else Cardinality.MANY_TO_ONE
                ),
                on_delete=reference.on_delete,
                on_update=reference.on_update,
            )
        )
    return tuple(found)


def _unique_keys(table: Table) -> frozenset[frozenset[str]]:
    """The sets of columns whose values occur once: those of a partial index do so only in some of the rows."""
    unique = (ConstraintKind.PRIMARY_KEY, ConstraintKind.UNIQUE)
    declared = {frozenset(constraint.columns) for constraint in table.constraints if constraint.kind in unique}
    indexed = {frozenset(index.columns) for index in table.indexes if index.unique and index.predicate is None}
    return frozenset(declared | indexed)


def primary_key(constraints: Iterable[Constraint]) -> tuple[str, ...]:
    """The names of the primary key's columns, in key order."""
    return next((found.columns for found in constraints if found.kind is ConstraintKind.PRIMARY_KEY), ())


# ── found → row ──────────────────────────────────────────────────────────────────────────────────────────────────────


def namespace_row(opening: Opening, identity: Identity, namespace: Namespace) -> tuple[Any, ...]:
    """For `catalog_namespaces`."""
    path = namespace.path
    return (
        *_temporal(opening, identity),
        fqn.join(path),
        fold(path[-1]) if path else "",
        _json(path),
        namespace.comment,
    )


def table_row(
    opening: Opening, identity: Identity, namespace_id: str, local_name: str, fingerprint: str, table: Table
) -> tuple[Any, ...]:
    """For `catalog_tables`."""
    return (
        *_temporal(opening, identity),
        namespace_id,
        local_name,
        fold(table.path[-1]),
        _json(table.path),
        table.kind.value,
        table.comment,
        table.definition,
        _json(table.facts),
        _json(table.indexes),
        _json(table.constraints),
        _json(primary_key(table.constraints)),
        fingerprint,
    )


def column_row(opening: Opening, identity: Identity, table_id: str, local_name: str, column: Column) -> tuple[Any, ...]:
    """For `catalog_columns`."""
    return (
        *_temporal(opening, identity),
        table_id,
        local_name,
        fold(column.path[-1]),
        _json(column.path),
        column.ordinal,
        column.native_type,
        column.data_type.value,
        column.nullable,
        column.default,
        column.generated,
        column.comment,
        None if column.enum_values is None else _json(column.enum_values),
    )


def relationship_row(
    opening: Opening,
    identity: Identity,
    table_id: str,
    local_name: str,
    path: tuple[str, ...],
    key: ForeignKey,
) -> tuple[Any, ...]:
    """For `catalog_relationships`."""
    return (
        *_temporal(opening, identity),
        table_id,
        local_name,
        _json(path),
        _json(key.columns),
        key.name,
        fqn.join(key.to_path),
        _json(key.to_path),
        _json(key.to_columns),
        Evidence.DECLARED.value,
        1.0,
        Verdict.CONFIRMED.value,
        key.cardinality.value,
        None if key.on_delete is None else key.on_delete.value,
        None if key.on_update is None else key.on_update.value,
        f"Declared in the database as the foreign key {fqn.quote(key.name)} of {local_name}.",
    )


def _temporal(opening: Opening, identity: Identity) -> tuple[Any, ...]:
    return (identity.id, opening.revision, None, opening.data_source_id, identity.first_seen_at, None, None)


def encode_path(path: tuple[str, ...]) -> str:
    """As the store keeps paths."""
    return _json(path)


def _json(value: Any) -> str:
    return _encode_json(value).decode()


# ── row → found ──────────────────────────────────────────────────────────────────────────────────────────────────────


def column_of(row: Row[Any]) -> Column:
    """The column in a row of `catalog_columns`."""
    return Column(
        path=row.path,
        ordinal=row.ordinal,
        native_type=row.native_type,
        data_type=row.data_type,
        nullable=row.nullable,
        default=row.default_expression,
        generated=row.generated,
        comment=row.comment,
        enum_values=row.enum_values,
    )


def table_of(row: Row[Any], columns: Sequence[Column]) -> Table:
    """The table in a row of `catalog_tables`, with its columns."""
    return Table(
        path=row.path,
        kind=row.kind,
        columns=tuple(columns),
        indexes=row.indexes,
        constraints=row.constraints,
        comment=row.comment,
        definition=row.definition,
        facts=row.facts,
    )


def foreign_key_of(row: Row[Any]) -> ForeignKey:
    """What a row of `catalog_relationships` says."""
    return ForeignKey(
        name=row.name,
        columns=row.from_columns,
        to_path=row.to_path,
        to_columns=row.to_columns,
        cardinality=row.cardinality,
        on_delete=row.on_delete,
        on_update=row.on_update,
    )


# ── row → entry ──────────────────────────────────────────────────────────────────────────────────────────────────────


def removed_at(row: Row[Any], revision: int) -> datetime | None:
    """When the object went away, if it is gone at the revision."""
    at: datetime | None = row.removed_at
    return at if row.until_revision is not None and row.until_revision <= revision else None


def namespace_entry(row: Row[Any], revision: int, is_pinned: bool, last_seen_at: datetime) -> NamespaceEntry:
    """From a row of `catalog_namespaces`."""
    return NamespaceEntry(
        id=row.id,
        data_source_id=row.data_source_id,
        path=row.path,
        revision=revision,
        is_pinned=is_pinned,
        first_seen_at=row.first_seen_at,
        last_seen_at=last_seen_at,
        removed_at=removed_at(row, revision),
        comment=row.comment,
    )


def table_entry(
    row: Row[Any], revision: int, is_pinned: bool, last_seen_at: datetime, statistics: Statistics | None
) -> TableEntry:
    """From a row of `catalog_tables`."""
    return TableEntry(
        id=row.id,
        data_source_id=row.data_source_id,
        path=row.path,
        revision=revision,
        is_pinned=is_pinned,
        first_seen_at=row.first_seen_at,
        last_seen_at=last_seen_at,
        removed_at=removed_at(row, revision),
        namespace_id=row.namespace_id,
        kind=row.kind,
        comment=row.comment,
        definition=row.definition,
        facts=row.facts,
        indexes=row.indexes,
        constraints=row.constraints,
        statistics=statistics,
    )


def column_entry(
    row: Row[Any],
    revision: int,
    is_pinned: bool,
    last_seen_at: datetime,
    table_path: tuple[str, ...],
    key: tuple[str, ...],
) -> ColumnEntry:
    """From a row of `catalog_columns`; `key`: the names of its table's primary key."""
    column = column_of(row)
    return ColumnEntry(
        id=row.id,
        data_source_id=row.data_source_id,
        path=table_path + column.path,
        revision=revision,
        is_pinned=is_pinned,
        first_seen_at=row.first_seen_at,
        last_seen_at=last_seen_at,
        removed_at=removed_at(row, revision),
        table_id=row.table_id,
        column=column,
        is_primary_key=len(column.path) == 1 and column.path[0] in key,
    )


def relationship_entry(row: Row[Any], revision: int, is_pinned: bool) -> RelationshipEntry:
    """From a row of `catalog_relationships` with the `to_table_id` it resolves to."""
    return RelationshipEntry(
        id=row.id,
        data_source_id=row.data_source_id,
        revision=revision,
        is_pinned=is_pinned,
        name=row.name,
        from_end=RelationshipEnd(row.from_path, row.from_columns, row.from_table_id),
        to_end=RelationshipEnd(row.to_path, row.to_columns, row.to_table_id),
        evidence=row.evidence,
        confidence=row.confidence,
        verdict=row.verdict,
        cardinality=row.cardinality,
        on_delete=row.on_delete,
        on_update=row.on_update,
        why=row.why,
    )


def statistics_row(statistics: Statistics) -> tuple[Any, ...]:
    """`row_count`, `row_count_exact`, `size_bytes`, `size_bytes_exact`."""
    rows, size = statistics.row_count, statistics.size_bytes
    return (
        None if rows is None else rows.value,
        None if rows is None else rows.exact,
        None if size is None else size.value,
        None if size is None else size.exact,
    )


def statistics_of(row: Row[Any]) -> Statistics | None:
    """What was observed of the table; None when nothing was."""
    if row.row_count is None and row.size_bytes is None:
        return None
    return Statistics(
        None if row.row_count is None else Count(row.row_count, row.row_count_exact),
        None if row.size_bytes is None else Count(row.size_bytes, row.size_bytes_exact),
    )
