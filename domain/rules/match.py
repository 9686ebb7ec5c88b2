"""What `match` and the globs of a scope mean, everywhere.

`match` finds names: case-insensitive; `*` and `?` are wildcards over the whole name, without one: contains.
A scope's globs choose what is discovered: case-sensitive, as names are; `*`, `?` and `[…]` over the whole name.
"""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from domain.errors import InvalidInput
from domain.models.data_source import DiscoveryScope
from domain.rules import fqn

MAX_LENGTH = 200


def fold(name: str) -> str:
    """The form in which names are compared: stored beside each name, so that SQL need not fold Unicode."""
    return name.casefold()


def like_pattern(match: str) -> str:
    """A LIKE pattern over folded names, with `\\` as escape. Raises `InvalidInput` when longer than 200 characters."""
    if len(match) > MAX_LENGTH:
        raise InvalidInput(f"A match has at most {MAX_LENGTH} characters.", path=("match",), constraint="maxLength")
    if "\0" in match:  # which no store keeps in a text, and SQLite takes for the pattern's end
        raise InvalidInput("No name holds the character U+0000.", path=("match",), constraint="pattern")
    escaped = re.sub(r"([\\%_])", r"\\\1", fold(match))
    if "*" in match or "?" in match:
        return escaped.replace("*", "%").replace("?", "_")
    return f"%{escaped}%"


def table_in_scope(path: Sequence[str], scope: DiscoveryScope) -> bool:
    """Whether a table is discovered: included (an empty `include` includes all) and not excluded.

    Globs see `namespace.table` and the whole local name, each quoted as in an fqn: `public.*` and `shop.public.*` both
    choose the tables of `("shop", "public")`.
    """
    names = {fqn.join(path[-2:]), fqn.join(path)}
    return (not scope.include or _matches(names, scope.include)) and not _matches(names, scope.exclude)


def namespace_in_scope(path: Sequence[str], scope: DiscoveryScope) -> bool:
    """Whether a namespace can hold a table that is discovered: one is included, and not every one is excluded."""
    beginnings = {f"{fqn.join(path[-1:])}.", f"{fqn.join(path)}."}
    if scope.include and not any(_matches_beginning(beginnings, glob) for glob in scope.include):
        return False
    return not any(glob.endswith("*") and _matches(beginnings, (glob,)) for glob in scope.exclude)


def _matches(names: Sequence[str] | set[str], globs: Sequence[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs for name in names)


def _matches_beginning(beginnings: set[str], glob: str) -> bool:
    """Whether the glob matches some name that begins so: then one of its own beginnings matches that beginning."""
    return any(_matches(beginnings, (glob[:length],)) for length in range(1, len(glob) + 1))
