"""The normal form of a table, and a short value that is equal exactly when two normal forms are."""

from collections.abc import Callable
from hashlib import blake2b
from itertools import pairwise
from typing import Any, TypeVar

import msgspec

from domain.models.catalog import Column, Constraint, Index, Table
from domain.models.fact import Fact

_Member = TypeVar("_Member", Column, Index, Constraint, Fact)

_ENCODER = msgspec.msgpack.Encoder()
_SIZE_BYTES = 16


def normalise(table: Table) -> Table:
    """The same table with its sequences sorted: columns by ordinal, then path; facts, indexes, constraints by name."""
    columns = _sorted(table.columns, _place)
    indexes = _sorted(table.indexes, _name)
    constraints = _sorted(table.constraints, _name)
    facts = _sorted(table.facts, _name)
    if (
        columns is table.columns
        and indexes is table.indexes
        and constraints is table.constraints
        and facts is table.facts
    ):
        return table
    return msgspec.structs.replace(table, columns=columns, indexes=indexes, constraints=constraints, facts=facts)


def fingerprint(table: Table) -> str:
    """32 hexadecimal digits over everything that is part of the schema's history. Statistics are not in a `Table`."""
    return blake2b(_ENCODER.encode(normalise(table)), digest_size=_SIZE_BYTES).hexdigest()


def _place(column: Column) -> tuple[int, tuple[str, ...]]:
    return column.ordinal, column.path


def _name(member: Index | Constraint | Fact) -> str:
    return member.name


def _sorted(members: tuple[_Member, ...], key: Callable[[_Member], Any]) -> tuple[_Member, ...]:
    """Sorted by key, and among equal keys (which well-behaved systems do not have) by all that they hold."""
    keys = [key(member) for member in members]
    if all(first < second for first, second in pairwise(keys)):
        return members  # the usual case: connectors read in order
    return tuple(sorted(members, key=lambda member: (key(member), _ENCODER.encode(member))))
