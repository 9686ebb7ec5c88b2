"""What differs between two states of an object: values that are equal when their normal forms are equal.

A change belongs to the outermost object that changed: a new table is one `AddTable`, not one `AddColumn` per column.
Columns are the same when their paths are, indexes and constraints when their names are. Where a foreign system lets a
name repeat within a table, the first is compared with the first, the second with the second.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar

from domain.models.catalog import Namespace, Table
from domain.models.change import (
    AddColumn,
    AddConstraint,
    AddIndex,
    AddNamespace,
    AddTable,
    Change,
    ChangeAction,
    ChangePart,
    DropColumn,
    DropConstraint,
    DropIndex,
    DropNamespace,
    DropTable,
    ModifyColumn,
    ModifyConstraint,
    ModifyIndex,
    ModifyNamespace,
    ModifyTable,
)
from domain.rules import fqn
from domain.rules.fingerprint import normalise

_Member = TypeVar("_Member")
_Name = TypeVar("_Name")

_KINDS: dict[type[Change], tuple[ChangePart, ChangeAction]] = {
    AddNamespace: (ChangePart.NAMESPACE, ChangeAction.ADDED),
    DropNamespace: (ChangePart.NAMESPACE, ChangeAction.REMOVED),
    ModifyNamespace: (ChangePart.NAMESPACE, ChangeAction.MODIFIED),
    AddTable: (ChangePart.TABLE, ChangeAction.ADDED),
    DropTable: (ChangePart.TABLE, ChangeAction.REMOVED),
    ModifyTable: (ChangePart.TABLE, ChangeAction.MODIFIED),
    AddColumn: (ChangePart.COLUMN, ChangeAction.ADDED),
    DropColumn: (ChangePart.COLUMN, ChangeAction.REMOVED),
    ModifyColumn: (ChangePart.COLUMN, ChangeAction.MODIFIED),
    AddIndex: (ChangePart.INDEX, ChangeAction.ADDED),
    DropIndex: (ChangePart.INDEX, ChangeAction.REMOVED),
    ModifyIndex: (ChangePart.INDEX, ChangeAction.MODIFIED),
    AddConstraint: (ChangePart.CONSTRAINT, ChangeAction.ADDED),
    DropConstraint: (ChangePart.CONSTRAINT, ChangeAction.REMOVED),
    ModifyConstraint: (ChangePart.CONSTRAINT, ChangeAction.MODIFIED),
}


def diff(before: Table | None, after: Table | None) -> tuple[Change, ...]:
    """The changes that make `after` of `before` (one table: their paths are equal), in the order of `sort_key`."""
    if before is None or after is None:
        if after is not None:
            return (AddTable(normalise(after)),)
        return () if before is None else (DropTable(normalise(before)),)
    old, new = normalise(before), normalise(after)
    if old == new:
        return ()
    table = new.path
    changes: list[Change] = []
    if _own_attributes(old) != _own_attributes(new):
        changes.append(ModifyTable(old, new))
    for was_column, is_column in _paired(old.columns, new.columns, lambda column: column.path):
        if was_column is None and is_column is not None:
            changes.append(AddColumn(table, is_column))
        elif was_column is not None and is_column is None:
            changes.append(DropColumn(table, was_column))
        elif was_column is not None and is_column is not None:
            changes.append(ModifyColumn(table, was_column, is_column))
    for was_index, is_index in _paired(old.indexes, new.indexes, lambda index: index.name):
        if was_index is None and is_index is not None:
            changes.append(AddIndex(table, is_index))
        elif was_index is not None and is_index is None:
            changes.append(DropIndex(table, was_index))
        elif was_index is not None and is_index is not None:
            changes.append(ModifyIndex(table, was_index, is_index))
    for was, is_now in _paired(old.constraints, new.constraints, lambda constraint: constraint.name):
        if was is None and is_now is not None:
            changes.append(AddConstraint(table, is_now))
        elif was is not None and is_now is None:
            changes.append(DropConstraint(table, was))
        elif was is not None and is_now is not None:
            changes.append(ModifyConstraint(table, was, is_now))
    return tuple(sorted(changes, key=sort_key))


def diff_namespace(before: Namespace | None, after: Namespace | None) -> tuple[Change, ...]:
    """As `diff`, for a namespace's own attributes; its tables have changes of their own."""
    if before == after:
        return ()
    if before is None:
        return () if after is None else (AddNamespace(after),)
    return (DropNamespace(before),) if after is None else (ModifyNamespace(before, after),)


def sort_key(change: Change) -> tuple[str, str]:
    """Where a change stands in any list of changes: by the local name of its object, then by the kind of part."""
    return fqn.join(path_of(change)), part_of(change).value


def action_of(change: Change) -> ChangeAction:
    """What happened to the object."""
    return _KINDS[type(change)][1]


def part_of(change: Change) -> ChangePart:
    """What kind of object changed."""
    return _KINDS[type(change)][0]


def path_of(change: Change) -> tuple[str, ...]:
    """The full path below the source of the object that changed: an index's is its table's path and its name."""
    match change:
        case AddColumn(table, column) | DropColumn(table, column) | ModifyColumn(table, _, column):
            return table + column.path
        case AddIndex(table, index) | DropIndex(table, index) | ModifyIndex(table, _, index):
            return (*table, index.name)
        case (
            AddConstraint(table, constraint)
            | DropConstraint(table, constraint)
            | ModifyConstraint(table, _, constraint)
        ):
            return (*table, constraint.name)
        case DropNamespace(before) | DropTable(before):
            return before.path
        case _:
            return change.after.path


def _own_attributes(table: Table) -> tuple[object, ...]:
    return table.path, table.kind, table.comment, table.definition, table.facts


def _paired(
    before: Iterable[_Member], after: Iterable[_Member], name: Callable[[_Member], _Name]
) -> list[tuple[_Member | None, _Member | None]]:
    """What differs, by name: (gone, None), (None, new) or (as it was, as it is)."""
    old, new = _by_name(before, name), _by_name(after, name)
    pairs = [(member, new.get(key)) for key, member in old.items() if new.get(key) != member]
    return pairs + [(None, member) for key, member in new.items() if key not in old]


def _by_name(members: Iterable[_Member], name: Callable[[_Member], _Name]) -> dict[tuple[_Name, int], _Member]:
    seen: Counter[_Name] = Counter()
    numbered: dict[tuple[_Name, int], _Member] = {}
    for member in members:
        key = name(member)
        numbered[key, seen[key]] = member
        seen[key] += 1
    return numbered
