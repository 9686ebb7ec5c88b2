from collections.abc import Iterable
from random import Random
from typing import TypeVar

from hypothesis import given
from msgspec.structs import replace

from domain.models.catalog import Column, DataTypeFamily, Index, Namespace, Table, TableKind
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
from domain.rules.diff import action_of, diff, diff_namespace, part_of, path_of, sort_key
from domain.rules.fingerprint import normalise
from tests import strategies
from tests.strategies import shuffled

_Member = TypeVar("_Member")

ORDERS = Table(
    ("shop", "public", "orders"),
    TableKind.TABLE,
    (
        Column(("id",), 1, "bigint", DataTypeFamily.INTEGER, nullable=False),
        Column(("total",), 2, "numeric(10,2)", DataTypeFamily.DECIMAL, nullable=True),
    ),
    (Index("by_total", unique=False, columns=("total",)),),
)


def apply(table: Table | None, changes: Iterable[Change]) -> Table | None:
    """What a reader who has only the changes would make of the table: each `before` is found by its whole value."""
    for change in changes:
        table = _applied(table, change)
    return None if table is None else normalise(table)


def _applied(table: Table | None, change: Change) -> Table | None:
    match change:
        case AddTable(after):
            assert table is None
            return after
        case DropTable(before):
            assert table is not None
            assert normalise(table) == before
            return None
    assert table is not None
    match change:
        case ModifyTable(_, after):
            return replace(after, columns=table.columns, indexes=table.indexes, constraints=table.constraints)
        case AddColumn(_, after_column):
            return replace(table, columns=(*table.columns, after_column))
        case DropColumn(_, before_column):
            return replace(table, columns=_without(table.columns, before_column))
        case ModifyColumn(_, before_column, after_column):
            return replace(table, columns=(*_without(table.columns, before_column), after_column))
        case AddIndex(_, after_index):
            return replace(table, indexes=(*table.indexes, after_index))
        case DropIndex(_, before_index):
            return replace(table, indexes=_without(table.indexes, before_index))
        case ModifyIndex(_, before_index, after_index):
            return replace(table, indexes=(*_without(table.indexes, before_index), after_index))
        case AddConstraint(_, after_constraint):
            return replace(table, constraints=(*table.constraints, after_constraint))
        case DropConstraint(_, before_constraint):
            return replace(table, constraints=_without(table.constraints, before_constraint))
        case ModifyConstraint(_, before_constraint, after_constraint):
            return replace(table, constraints=(*_without(table.constraints, before_constraint), after_constraint))
    raise AssertionError(change)


def _without(members: tuple[_Member, ...], gone: _Member) -> tuple[_Member, ...]:
    at = members.index(gone)
    return members[:at] + members[at + 1 :]


@given(strategies.two_states)
def test_applying_what_differs_gives_the_later_state(states: tuple[Table, Table]) -> None:
    before, after = states
    changes = diff(before, after)
    assert apply(before, changes) == normalise(after)
    assert [sort_key(change) for change in changes] == sorted(sort_key(change) for change in changes)
    assert all(path_of(change)[: len(before.path)] == before.path for change in changes)


@given(strategies.tables)
def test_a_whole_table_comes_and_goes_as_one_change(table: Table) -> None:
    assert diff(table, table) == ()
    assert diff(None, table) == (AddTable(normalise(table)),)
    assert diff(table, None) == (DropTable(normalise(table)),)
    assert apply(None, diff(None, table)) == normalise(table)
    assert apply(table, diff(table, None)) is None
    assert diff(None, None) == ()


@given(strategies.two_states, strategies.randoms)
def test_the_order_of_sequences_does_not_matter(states: tuple[Table, Table], random: Random) -> None:
    before, after = states
    assert diff(shuffled(before, random), shuffled(after, random)) == diff(before, after)


@given(strategies.two_states)
def test_going_back_undoes_each_change(states: tuple[Table, Table]) -> None:
    before, after = states
    opposite = {
        ChangeAction.ADDED: ChangeAction.REMOVED,
        ChangeAction.REMOVED: ChangeAction.ADDED,
        ChangeAction.MODIFIED: ChangeAction.MODIFIED,
    }
    there = sorted((path_of(c), part_of(c), opposite[action_of(c)]) for c in diff(before, after))
    back = sorted((path_of(c), part_of(c), action_of(c)) for c in diff(after, before))
    assert there == back


def test_a_change_belongs_to_the_object_that_changed() -> None:
    identifier, total = ORDERS.columns
    wider = replace(total, native_type="numeric(12,2)")
    note = Column(("note",), 3, "text", DataTypeFamily.TEXT, nullable=True)
    later = replace(ORDERS, comment="What people bought", columns=(wider, note), indexes=())
    assert diff(ORDERS, later) == (
        ModifyTable(ORDERS, later),
        DropIndex(ORDERS.path, ORDERS.indexes[0]),
        DropColumn(ORDERS.path, identifier),
        AddColumn(ORDERS.path, note),
        ModifyColumn(ORDERS.path, total, wider),
    )


def test_a_moved_column_is_modified() -> None:
    moved = replace(ORDERS, columns=(replace(ORDERS.columns[0], ordinal=2), replace(ORDERS.columns[1], ordinal=1)))
    assert [action_of(change) for change in diff(ORDERS, moved)] == [ChangeAction.MODIFIED, ChangeAction.MODIFIED]


def test_an_index_called_like_a_column_is_another_object() -> None:
    index = Index("id", unique=True, columns=("id",))
    (change,) = diff(ORDERS, replace(ORDERS, indexes=(*ORDERS.indexes, index)))
    assert change == AddIndex(ORDERS.path, index)
    assert path_of(change) == ("shop", "public", "orders", "id")
    assert part_of(change) is ChangePart.INDEX


def test_names_that_repeat_are_compared_in_turn() -> None:
    first, second = (Index("twice", unique=False, columns=(column,)) for column in ("id", "total"))
    both = replace(ORDERS, indexes=(second, first))
    assert diff(both, replace(ORDERS, indexes=(first,))) == (DropIndex(ORDERS.path, second),)
    assert diff(both, replace(ORDERS, indexes=(first, second))) == ()


def test_a_namespace_changes_as_a_whole() -> None:
    public, renamed = Namespace(("shop", "public")), Namespace(("shop", "public"), "The standard schema")
    assert diff_namespace(None, public) == (AddNamespace(public),)
    assert diff_namespace(public, None) == (DropNamespace(public),)
    assert diff_namespace(public, renamed) == (ModifyNamespace(public, renamed),)
    assert diff_namespace(public, public) == ()
    assert diff_namespace(None, None) == ()
    assert path_of(DropNamespace(public)) == path_of(ModifyNamespace(public, renamed)) == ("shop", "public")
    assert part_of(AddNamespace(public)) is ChangePart.NAMESPACE
