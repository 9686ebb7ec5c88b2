"""Fully qualified names: the parts of a path, each quoted when needed, joined by dots. `split(join(p)) == p` for every path."""

import re
from collections.abc import Sequence

from domain.errors import InvalidInput

# A part that cannot be mistaken for anything else stands as it is; all others are quoted, with quotes doubled.
_PLAIN = re.compile(r"[^\W\d]\w*", re.UNICODE)
_PART = re.compile(r'"((?:[^"]|"")*)"|([^\W\d]\w*)', re.UNICODE)

MAX_PARTS = 32
MAX_LOCAL_BYTES = 2_000  # of a joined path: an index row of the metadata store holds no more


def quote(part: str) -> str:
    """`orders` → `orders`, `a.b` → `"a.b"`, `a"b` → `"a""b"`, the empty name → `""`."""
    return part if _PLAIN.fullmatch(part) else '"' + part.replace('"', '""') + '"'


def join(path: Sequence[str]) -> str:
    """`("shop", "public", "order lines")` → `shop.public."order lines"`."""
    return ".".join(quote(part) for part in path)


def split(fqn: str) -> tuple[str, ...]:
    """The parts of a name made by `join`. Raises `InvalidInput` for anything else."""
    parts: list[str] = []
    at = 0
    while True:
        found = _PART.match(fqn, at)
        if found is None or len(parts) == MAX_PARTS:
            raise InvalidInput(
                'This is no fully qualified name: write parts joined by dots, and quote a part with "…" when it holds '
                "anything but letters, digits and underscores.",
                path=("fqn",),
            )
        quoted, plain = found.groups()
        parts.append(plain if quoted is None else quoted.replace('""', '"'))
        at = found.end()
        if at == len(fqn):
            return tuple(parts)
        if fqn[at] != ".":
            at = len(fqn)  # lets the next match fail with the one message
            continue
        at += 1


def is_at_or_below(path: Sequence[str], ancestor: Sequence[str]) -> bool:
    """Whether `path` is `ancestor` or lies under it."""
    return tuple(path[: len(ancestor)]) == tuple(ancestor)
