"""Hypothesis strategies for values of the domain: awkward names, whole tables, two states of one table.

Tables are made from a drawn seed: drawing each attribute of each column would take ten milliseconds a table, and a
failing example prints whole in any case.
"""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar

from hypothesis import strategies as st
from msgspec.structs import replace

from domain.models.catalog import Column, Constraint, ConstraintKind, DataTypeFamily, Index, Namespace, Table, TableKind
from domain.models.data_source import DiscoveryScope
from domain.models.discovery import Coverage, Unreadable
from domain.models.fact import Fact
from domain.models.operation import SyncMode
from domain.models.relationship import Reference, ReferentialAction

T = TypeVar("T")

AWKWARD = ("id", "orders", "Order Lines", 'a"b', "a.b", "a'b", "", "ü", "ſ", "ß", "%_\\", "*", "1st", "日本", "\n", "a")

# What PostgreSQL, SQLite and JSON all can carry: no U+0000, no half of a surrogate pair.
text = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=12)
names = st.one_of(st.sampled_from(AWKWARD), text)
paths = st.lists(names, min_size=1, max_size=5).map(tuple)


def _name(random: Random) -> str:
    return random.choice(AWKWARD)


def _names(random: Random) -> tuple[str, ...]:
    return tuple(_name(random) for _ in range(random.randint(1, 3)))


def _maybe(random: Random, value: T) -> T | None:
    return random.choice((None, value))


def _column(random: Random) -> Column:
    return Column(
        path=_names(random)[: random.choice((1, 1, 3))],
        ordinal=random.randint(1, 6),
        native_type=random.choice(("bigint", "numeric(10,2)", "", "my type")),
        data_type=random.choice(list(DataTypeFamily)),
        nullable=random.random() < 0.5,
        default=_maybe(random, _name(random)),
        generated=_maybe(random, "ALWAYS AS IDENTITY"),
        comment=_maybe(random, _name(random)),
        enum_values=_maybe(random, _names(random)),
    )


def _index(random: Random) -> Index:
    return Index(
        _name(random), random.random() < 0.5, _names(random), _maybe(random, "btree"), _maybe(random, "total > 0")
    )


def _constraint(random: Random) -> Constraint:
    reference = Reference(_names(random), _names(random), _maybe(random, random.choice(list(ReferentialAction))))
    return Constraint(
        _name(random),
        random.choice(list(ConstraintKind)),
        _names(random),
        _maybe(random, _name(random)),
        _maybe(random, reference),
    )


def _fact(random: Random) -> Fact:
    return Fact(_name(random), _name(random), _maybe(random, "ms"))


def _table(random: Random) -> Table:
    return Table(
        path=_names(random),
        kind=random.choice(list(TableKind)),
        columns=tuple(_column(random) for _ in range(random.randint(0, 6))),
        indexes=tuple(_index(random) for _ in range(random.randint(0, 3))),
        constraints=tuple(_constraint(random) for _ in range(random.randint(0, 3))),
        comment=_maybe(random, _name(random)),
        definition=_maybe(random, _name(random)),
        facts=tuple(_fact(random) for _ in range(random.randint(0, 2))),
    )


def _two_states(random: Random) -> tuple[Table, Table]:
    before, other = _table(random), _table(random)
    after = replace(random.choice((before, other)), path=before.path)
    if random.random() < 0.8:
        after = replace(
            after,
            columns=_some(random, before.columns + other.columns),
            indexes=_some(random, before.indexes + other.indexes),
            constraints=_some(random, before.constraints + other.constraints),
        )
    return before, after


def _some(random: Random, members: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(random.sample(members, random.randint(0, len(members))))


def shuffled(table: Table, random: Random) -> Table:
    """The same table as somebody else would list it."""

    def mixed(members: tuple[T, ...]) -> tuple[T, ...]:
        return tuple(random.sample(members, len(members)))

    return replace(
        table,
        columns=mixed(table.columns),
        indexes=mixed(table.indexes),
        constraints=mixed(table.constraints),
        facts=mixed(table.facts),
    )


randoms = st.integers(0, 2**32).map(Random)
tables = randoms.map(_table)
two_states = randoms.map(_two_states)  # of one table: parts of it stay, go, come, change places or differ
namespaces = st.builds(Namespace, path=randoms.map(_names), comment=st.none() | st.sampled_from(AWKWARD))


def _scope(random: Random) -> DiscoveryScope:
    def globs() -> tuple[str, ...]:
        return tuple("".join(random.choices("ab.*?[]!-", k=random.randint(0, 5))) for _ in range(random.randint(0, 2)))

    return DiscoveryScope(globs(), globs())


def _coverage(random: Random) -> Coverage:
    return Coverage(
        at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=random.randint(0, 10_000)),
        mode=random.choice(list(SyncMode)),
        scope=_scope(random),
        unread=tuple(
            Unreadable(_names(random)[: random.randint(0, 3)], "permission denied") for _ in range(random.randint(0, 2))
        ),
        share=random.random(),
    )


scopes = randoms.map(_scope)
coverages = randoms.map(_coverage)
