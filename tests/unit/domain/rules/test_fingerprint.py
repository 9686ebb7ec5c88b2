import string
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
def test_the_order_of_sequences_does_not_matter(table: Table, random: Random) -> None:
    other = strategies.shuffled(table, random)
    assert normalise(other) == normalise(table)
    assert fingerprint(other) == fingerprint(table)


@given(strategies.tables)
def test_the_normal_form_is_sorted_and_final(table: Table) -> None:
    normal = normalise(table)
    assert normalise(normal) == normal
    places = [(column.ordinal, column.path) for column in normal.columns]
    assert places == sorted(places)
    for members in (normal.indexes, normal.constraints, normal.facts):
        members_names = [member.name for member in members]
        assert members_names == sorted(members_names)


@given(strategies.tables)
def test_is_32_hexadecimal_digits(table: Table) -> None:
    value = fingerprint(table)
    assert len(value) == 32
    assert set(value) <= set(string.hexdigits.lower())


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
