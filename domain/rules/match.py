"""What `match` means everywhere: case-insensitive; `*` and `?` are wildcards over the whole name, without one: contains."""

import fnmatch
import re

from domain.errors import InvalidInput

MAX_LENGTH = 200


def fold(name: str) -> str:
    """The form in which names are compared: stored beside each name, so that SQL need not fold Unicode."""
    return name.casefold()


def like_pattern(match: str) -> str:
    """A LIKE pattern over folded names, with `\\` as escape. Raises `InvalidInput` when longer than 200 characters."""
    if len(match) > MAX_LENGTH:
        raise InvalidInput(f"A match has at most {MAX_LENGTH} characters.", path=("match",), constraint="maxLength")
    escaped = re.sub(r"([\\%_])", r"\\\1", fold(match))
    if "*" in match or "?" in match:
        return escaped.replace("*", "%").replace("?", "_")
    return f"%{escaped}%"


def in_scope(name: str, include: tuple[str, ...], exclude: tuple[str, ...]) -> bool:
    """Whether a local name such as `public.orders` is included and not excluded; globs, case-sensitive as names are."""
    included = not include or any(fnmatch.fnmatchcase(name, glob) for glob in include)
    return included and not any(fnmatch.fnmatchcase(name, glob) for glob in exclude)
