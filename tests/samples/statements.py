"""What is said of a catalog, one statement at a time, so that two descriptions compare as sets."""

from collections import Counter
from collections.abc import Hashable
from typing import NamedTuple

Path = tuple[str, ...]  # below the namespace: ("public", "film", "title")


class Statement(NamedTuple):
    """One thing that holds: `Statement("type", ("public", "film", "title"), "text")`."""

    what: str
    where: Path
    value: Hashable


Statements = Counter[Statement]

_MAX_TOLD = 60


def differences(found: Statements, expected: Statements) -> str:
    """Every statement that only one side makes, in the order of places; empty when there is none."""
    told = [(each, "only the database says") for each in (expected - found).elements()]
    told += [(each, "only Headwater says") for each in (found - expected).elements()]
    told.sort(key=lambda one: (one[0].where, one[0].what, one[1]))
    lines = [f"{'.'.join(each.where)}: {who} {each.what} = {_short(each.value)}" for each, who in told]
    rest = [f"… and {len(lines) - _MAX_TOLD} more"] if len(lines) > _MAX_TOLD else []
    return "\n".join(lines[:_MAX_TOLD] + rest)


def counts(statements: Statements, unknown_types: int) -> dict[str, int]:
    """How much of everything there is, as people count it."""
    of = Counter({"unknown types": unknown_types})
    for each, times in statements.items():
        match each.what, each.value:
            case "kind", kind:
                of["tables" if kind in ("TABLE", "FOREIGN_TABLE") else "views"] += times
            case "ordinal", _:
                of["columns"] += times
            case "constraint", (kind, *_):
                of[_CONSTRAINTS[str(kind)]] += times
            case "index", _:
                of["indexes"] += times
            case "comment", str():
                of["comments"] += times
    return {name: of[name] for name in COUNTED}


_CONSTRAINTS = {
    "PRIMARY_KEY": "primary keys",
    "UNIQUE": "unique",
    "FOREIGN_KEY": "foreign keys",
    "CHECK": "checks",
    "EXCLUSION": "exclusions",
}
COUNTED = ("tables", "views", "columns", *_CONSTRAINTS.values(), "indexes", "comments", "unknown types")


def fqn(*parts: str) -> str:
    """As Headwater writes a name: quoted where it is anything but letters, digits and underscores."""
    return ".".join(
        part if part.replace("_", "a").isalnum() and not part[0].isdecimal() else '"' + part.replace('"', '""') + '"'
        for part in parts
    )


def _short(value: Hashable) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:200]}…{text[-99:]}"


def without_parentheses(expression: str) -> str:
    """`((a + b))` → `a + b`, `(a) + (b)` as it is: what encloses the whole means nothing."""
    while expression.startswith("(") and closing(expression, 0) == len(expression) - 1:
        expression = expression[1:-1].strip()
    return expression


def closing(text: str, opening: int) -> int:
    """The place of the parenthesis that closes the one at `opening`; text in quotes is passed over."""
    depth, at = 0, opening
    while at < len(text):
        if text[at] in "'\"`":
            at = text.index(text[at], at + 1)
        elif text[at] == "(":
            depth += 1
        elif text[at] == ")":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    raise ValueError(f"no parenthesis closes that at {opening}: {text}")


def split_top(text: str) -> list[str]:
    """What stands between the commas outside of parentheses and quotes, without white space around."""
    parts, start, at = [], 0, 0
    while at < len(text):
        if text[at] in "'\"`":
            at = text.index(text[at], at + 1)
        elif text[at] == "(":
            at = closing(text, at)
        elif text[at] == ",":
            parts.append(text[start:at].strip())
            start = at + 1
        at += 1
    return [*parts, text[start:].strip()]
