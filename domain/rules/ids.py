"""Global ids: `<prefix>_<random>`, with `@<revision>` behind it when the object was read through `at`.

The prefix tells the kind, so that any id can be looked up; to clients an id is opaque.
"""

import re

from domain.errors import InvalidInput

DATA_SOURCE = "src"
NAMESPACE = "nsp"
TABLE = "tbl"
COLUMN = "col"
RELATIONSHIP = "rel"
OPERATION = "op"
CHANGE = "chg"

_PREFIXES = frozenset({DATA_SOURCE, NAMESPACE, TABLE, COLUMN, RELATIONSHIP, OPERATION, CHANGE})
_REVISION = re.compile(r"0|[1-9][0-9]{0,8}")  # as `pinned` writes it, and within the store's integers
MAX_LENGTH = 3_000  # a change's id holds the name of what changed


def pinned(id: str, revision: int, *, is_pinned: bool) -> str:
    """The id as clients see it."""
    return f"{id}@{revision}" if is_pinned else id


def parse(global_id: str) -> tuple[str, str, int | None]:
    """Prefix, stable id, and the revision it is pinned to. Raises `InvalidInput` for what was never an id of ours."""
    prefix, _, rest = global_id.partition("_")
    if len(global_id) > MAX_LENGTH or prefix not in _PREFIXES or not rest:
        raise _unknown()
    if prefix == CHANGE:  # names its revisions itself, and may hold an @ in the name of what changed
        return prefix, global_id, None
    stable, at, revision = global_id.partition("@")
    if not at:
        return prefix, stable, None
    if len(stable) == len(prefix) + 1 or not _REVISION.fullmatch(revision):
        raise _unknown()
    return prefix, stable, int(revision)


def _unknown() -> InvalidInput:
    return InvalidInput("This is not an id that Headwater gave out.", path=("id",))
