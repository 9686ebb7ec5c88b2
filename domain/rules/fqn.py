"""Fully qualified names: the parts of a path, each quoted when needed, joined by dots. `split(join(path)) == path`."""

import re
from collections.abc import Sequence

from domain.errors import InvalidInput

# A part that cannot be mistaken for anything else stands as it is; all others are quoted, with quotes doubled.
_PLAIN = re.compile(r"[^\W\d]\w*")
_PART = re.compile(r'"((?:[^"]|"")*+)"|([^\W\d]\w*)')

MAX_PARTS = 32
MAX_LOCAL_BYTES = 2_000  # of a joined path: an index row of the metadata store holds no more


def quote(part: str) -> str:
    """`orders` → `orders`, `a.b` → `"a.b"`, `a"b` → `"a""b"`, the empty name → `""`."""
    return part if _PLAIN.fullmatch(part) else '"' + part.replace('"', '""') + '"'


def join(path: Sequence[str]) -> str:
    """`("shop", "public", "order lines")` → `shop.public."order lines"`."""
    return ".".join(quote(part) for part in path)


def split(fqn: str) -> tuple[str, ...]:
    """The 1 to 32 parts of a name, in linear time. Plain parts may be quoted too. Raises `InvalidInput`."""
    parts: list[str] = []
    at = 0
    while len(parts) < MAX_PARTS:
        found = _PART.match(fqn, at)
        if found is None:
            break
        quoted, plain = found.groups()
        parts.append(plain if quoted is None else quoted.replace('""', '"'))
        at = found.end()
        if at == len(fqn):
            return tuple(parts)
        if fqn[at] != ".":
            break
        at += 1
    raise InvalidInput(
        'This is no fully qualified name: write parts joined by dots, and quote a part with "…" when it holds anything '
        "but letters, digits and underscores.",
        path=("fqn",),
    )
