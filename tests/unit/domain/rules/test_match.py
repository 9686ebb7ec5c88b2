import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.models.data_source import DiscoveryScope
from domain.rules import fqn, match
from tests import strategies

_few = st.text(st.sampled_from("abA%_\\*?ßẞſ'\""), max_size=8)


@pytest.fixture(scope="module")
def database() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    yield connection
    connection.close()


def _found_by_sqlite(database: sqlite3.Connection, name: str, wanted: str) -> bool:
    row = database.execute("SELECT ? LIKE ? ESCAPE '\\'", (match.fold(name), match.like_pattern(wanted))).fetchone()
    return bool(row[0])


def _found(name: str, wanted: str) -> bool:
    """What `match` means, said without LIKE."""
    if "*" not in wanted and "?" not in wanted:
        return wanted.casefold() in name.casefold()
    return _covers(name.casefold(), wanted.casefold())


def _covers(name: str, wanted: str) -> bool:
    if not wanted:
        return not name
    if wanted[0] == "*":
        return _covers(name, wanted[1:]) or (bool(name) and _covers(name[1:], wanted))
    return bool(name) and wanted[0] in ("?", name[0]) and _covers(name[1:], wanted[1:])


@given(name=_few, wanted=_few)
def test_sqlite_finds_what_is_meant(database: sqlite3.Connection, name: str, wanted: str) -> None:
    assert _found_by_sqlite(database, name, wanted) == _found(name, wanted)


@given(name=strategies.names)
def test_every_name_finds_itself(database: sqlite3.Connection, name: str) -> None:
    if not {"*", "?"} & set(name):
        assert _found_by_sqlite(database, name, name)
        assert _found_by_sqlite(database, f"x{name}x", name.swapcase() if name.isascii() else name)


@pytest.mark.parametrize(
    ("wanted", "name", "is_found"),
    [
        ("ord", "Orders", True),
        ("ord", "record", True),
        ("ord*", "record", False),
        ("ORD*", "orders", True),
        ("or?ers", "orders", True),
        ("or?ers", "ordders", False),
        ("straße", "STRASSE", True),
        ("50%", "50 percent", False),
        ("a_b", "axb", False),
        ("", "anything", True),
    ],
)
def test_examples(database: sqlite3.Connection, wanted: str, name: str, is_found: bool) -> None:
    assert _found_by_sqlite(database, name, wanted) is is_found


@pytest.mark.parametrize("wanted", ["a" * 201, "a\0b"])
def test_refuses(wanted: str) -> None:
    with pytest.raises(InvalidInput):
        match.like_pattern(wanted)


@pytest.mark.parametrize(
    ("include", "exclude", "chosen"),
    [
        ((), (), {"public.orders", "public.tmp_1", "audit.log"}),
        (("public.*",), (), {"public.orders", "public.tmp_1"}),
        (("shop.public.*",), (), {"public.orders", "public.tmp_1"}),
        (("*.orders", "audit.???"), (), {"public.orders", "audit.log"}),
        ((), ("*.tmp_*",), {"public.orders", "audit.log"}),
        (("public.*",), ("public.tmp_[0-9]",), {"public.orders"}),
        (("Public.*",), (), set()),
        (("orders",), (), set()),
    ],
)
def test_a_scope_chooses_tables(include: tuple[str, ...], exclude: tuple[str, ...], chosen: set[str]) -> None:
    paths = [("shop", "public", "orders"), ("shop", "public", "tmp_1"), ("shop", "audit", "log")]
    scope = DiscoveryScope(include, exclude)
    assert {".".join(path[1:]) for path in paths if match.table_in_scope(path, scope)} == chosen


@given(st.text(st.sampled_from("ab."), max_size=3), st.text(st.sampled_from("ab*?."), max_size=4))
def test_a_glob_covers_the_whole_name(table: str, glob: str) -> None:
    """As a plain matcher says, for globs without brackets."""
    name = fqn.join(("a", table))
    assert match.table_in_scope(("a", table), DiscoveryScope(include=(glob,))) is _covers(name, glob)
    assert match.table_in_scope(("a", table), DiscoveryScope(exclude=(glob,))) is not _covers(name, glob)


def test_a_scope_sees_names_as_they_are_written_in_an_fqn() -> None:
    assert match.table_in_scope(("main", "order lines"), DiscoveryScope(include=('main."order lines"',)))
    assert match.table_in_scope(("main", "a.b"), DiscoveryScope(include=('main."a*',)))


@pytest.mark.parametrize(
    ("include", "exclude", "is_chosen"),
    [
        ((), (), True),
        (("public.*",), (), True),
        (("shop.public.orders",), (), True),
        (("pub*",), (), True),
        (("*.orders",), (), True),
        (("audit.*",), (), False),
        (("public",), (), False),
        (("public2.*",), (), False),
        ((), ("public.*",), False),
        ((), ("*",), False),
        ((), ("public.tmp_*",), True),
        ((), ("*.tmp",), True),
    ],
)
def test_a_scope_chooses_namespaces(include: tuple[str, ...], exclude: tuple[str, ...], is_chosen: bool) -> None:
    assert match.namespace_in_scope(("shop", "public"), DiscoveryScope(include, exclude)) is is_chosen


@given(st.text(st.sampled_from("ab"), max_size=2), st.text(st.sampled_from("ab"), max_size=2), strategies.scopes)
def test_the_namespace_of_a_chosen_table_is_chosen(namespace: str, table: str, scope: DiscoveryScope) -> None:
    if match.table_in_scope((namespace, table), scope):
        assert match.namespace_in_scope((namespace,), scope)
