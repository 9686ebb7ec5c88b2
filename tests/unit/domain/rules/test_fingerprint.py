import re
from random import Random

import msgspec
from hypothesis import given

from domain.models.catalog import Column, DataTypeFamily, Table, TableKind
from domain.rules.fingerprint import fingerprint, normalise
from tests import strategies


@given(strategies.two_states)
def test_equal_exactly_when_the_normal_forms_are(states: tuple[Table, Table]) -> None:
    before, after = states
    assert (fingerprint(before) == fingerprint(after)) == (normalise(before) == normalise(after))


@given(strategies.tables, strategies.randoms)
def test_the_normal_form_is_sorted_whatever_the_order_was(table: Table, random: Random) -> None:
    normal, other = normalise(table), strategies.shuffled(table, random)
    assert normalise(other) == normalise(normal) == normal
    assert fingerprint(other) == fingerprint(table)
    places = [(column.ordinal, column.path) for column in normal.columns]
    assert places == sorted(places)
    for members in (normal.indexes, normal.constraints, normal.facts):
        names = [member.name for member in members]
        assert names == sorted(names)


def test_is_32_hexadecimal_digits() -> None:
    assert re.fullmatch("[0-9a-f]{32}", fingerprint(Table(("main", "t"), TableKind.TABLE, ())))


def test_what_a_table_does_not_have_leaves_no_trace() -> None:
    """So that an attribute that is added to the model later changes no fingerprint of a table without it."""
    table = Table(
        ("main", "t"), TableKind.TABLE, (Column(("id",), 1, "INTEGER", DataTypeFamily.INTEGER, nullable=False),)
    )
    assert msgspec.to_builtins(table) == {
        "path": ("main", "t"),
        "kind": "TABLE",
        "columns": (
            {"path": ("id",), "ordinal": 1, "native_type": "INTEGER", "data_type": "INTEGER", "nullable": False},
        ),
    }
