"""Changes as JSON, in the words of the schema."""

from datetime import UTC, datetime

import pytest

from api.graphql.types.change import change
from domain.models import change as domain
from domain.models.catalog import Column, DataTypeFamily, Index, Namespace, Table, TableKind
from domain.models.change import ChangeEntry

COLUMN = Column(("id",), 1, "int4", DataTypeFamily.INTEGER, False)
TABLE = Table(("s", "t"), TableKind.TABLE, (COLUMN,), indexes=(Index("i", True, ("id",)),), comment="old")


def shown(value: domain.Change):
    entry = ChangeEntry(
        id="chg_1",
        data_source_id="src_1",
        revision=2,
        at=datetime(2026, 11, 23, tzinfo=UTC),
        path=("s", "t"),
        change=value,
        object_id=None,
    )
    window = change("a b", entry)
    return window.before(), window.after(), window.action.value, window.fqn  # type: ignore[operator]


def test_a_changed_table_shows_its_own_attributes_only():
    before, after, action, fqn = shown(domain.ModifyTable(TABLE, Table(TABLE.path, TableKind.VIEW, ())))
    assert before == {"path": ["s", "t"], "kind": "TABLE", "comment": "old", "definition": None, "facts": []}
    assert after["kind"] == "VIEW"
    assert (action, fqn) == ("MODIFIED", '"a b".s.t')


def test_a_new_table_is_shown_whole():
    before, after, action, _ = shown(domain.AddTable(TABLE))
    assert before is None
    assert action == "ADDED"
    assert after["columns"] == [
        {"path": ["id"], "ordinal": 1, "nativeType": "int4", "dataType": "INTEGER", "nullable": False}
    ]


@pytest.mark.parametrize(
    ("value", "before", "after"),
    [
        (domain.DropColumn(TABLE.path, COLUMN), True, False),
        (domain.AddIndex(TABLE.path, TABLE.indexes[0]), False, True),
        (domain.ModifyNamespace(Namespace(("s",)), Namespace(("s",), "new")), True, True),
    ],
)
def test_sides(value: domain.Change, before: bool, after: bool):
    shown_before, shown_after, _, _ = shown(value)
    assert (shown_before is not None, shown_after is not None) == (before, after)
