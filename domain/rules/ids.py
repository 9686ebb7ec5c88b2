"""Global ids: `<prefix>_<random>`, with `@<revision>` behind it when the object was read through `at`.

The prefix tells the kind, so that any id can be looked up; to clients an id is opaque.
"""

from domain.errors import InvalidInput

DATA_SOURCE = "src"
NAMESPACE = "nsp"
TABLE = "tbl"
COLUMN = "col"
RELATIONSHIP = "rel"
OPERATION = "op"
CHANGE = "chg"

_PREFIXES = frozenset({DATA_SOURCE, NAMESPACE, TABLE, COLUMN, RELATIONSHIP, OPERATION, CHANGE})
MAX_LENGTH = 3_000  # a change's id holds the name of what changed


def pinned(id: str, revision: int, *, is_pinned: bool) -> str:
    """The id as clients see it."""
    return f"{id}@{revision}" if is_pinned else id


def parse(global_id: str) -> tuple[str, str, int | None]:
    """Prefix, stable id, and the revision it is pinned to. Raises `InvalidInput` for what was never an id of ours."""
    stable, at, revision = global_id.partition("@")
    prefix, _, rest = stable.partition("_")
    is_number = revision.isascii() and revision.isdigit() and len(revision) < 10  # fits the store's integers
    if len(global_id) > MAX_LENGTH or prefix not in _PREFIXES or not rest or (at and not is_number):
        raise InvalidInput("This is not an id that Headwater gave out.", path=("id",))
    return prefix, stable, int(revision) if at else None
