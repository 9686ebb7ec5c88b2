"""docs/operations.md names every setting, exit code, error code, status and close code, and none that is not there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import CloseCode

from api.cli.exit_codes import ExitCode
from api.settings import PREFIX, Settings

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "operations.md"
PACKAGES = ("domain", "connectors", "persistence", "api")

_CODE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")
# Calls that take a code, beside those in which its form gives it away.
_MAKERS = {"Unreachable", "Unavailable", "Conflict", "Refused", "error", "Problem", "_Meaning"}
_ONE_WORD = re.compile(r"[A-Z]{4,}")
# What looks like a code and is none: parts of SQL, of the C library, of metavariables, and names of settings.
_NO_CODES = re.compile(r"HEADWATER_.*|ERR_.*|O_[A-Z]+")


def section(title: str) -> str:
    """The text under a heading of the page."""
    return PAGE.read_text("utf-8").split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def first_cells(text: str) -> list[str]:
    """What stands in backquotes at the beginning of each row."""
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def trees() -> Iterator[ast.Module]:
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            if "node_modules" not in path.parts:
                yield ast.parse(path.read_text("utf-8"), str(path))


def values_of_enums(tree: ast.Module) -> set[str]:
    return {
        node.value
        for definition in ast.walk(tree)
        if isinstance(definition, ast.ClassDef) and any("Enum" in ast.unparse(base) for base in definition.bases)
        for node in ast.walk(definition)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def error_codes() -> set[str]:
    """Every code that a client can get: by its form, unless an enumeration has it, or by whom it is given to."""
    enums: set[str] = set()
    alike: set[str] = set()
    given: set[str] = set()
    for tree in trees():
        enums |= values_of_enums(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _CODE.fullmatch(node.value):
                alike.add(node.value)
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in _MAKERS:
                texts = [one.value for one in node.args[:2] if isinstance(one, ast.Constant)]
                given |= {text for text in texts if isinstance(text, str) and _ONE_WORD.fullmatch(text)}
    kinds_of_problems = {"INVALID_INPUT", "NOT_FOUND", "INTERNAL"}
    return {code for code in alike - enums if not _NO_CODES.fullmatch(code)} | given | kinds_of_problems


def close_codes() -> set[str]:
    """Every code that a socket is closed with by us, and the one that the library closes it with."""
    given = first_arguments("CloseSocket")
    named = {CloseCode[ast.unparse(one).rpartition(".")[2]] for one in first_arguments("self._fail")}
    return {str(one.value) for one in given if isinstance(one, ast.Constant)} | {
        str(code.value) for code in (*named, CloseCode.PROTOCOL_ERROR)
    }


def statuses_of_connections() -> set[str]:
    """Every status that a connection itself answers with."""
    return {str(one.value) for one in first_arguments("self._refuse") if isinstance(one, ast.Constant)}


def first_arguments(function: str) -> list[ast.expr]:
    """What stands first in each call of it."""
    return [
        node.args[0]
        for tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == function and node.args
    ]


def shown(value: Any) -> str:
    """A default, as it is written on the page."""
    match value:
        case None:
            return "–"
        case bool():
            return str(value).lower()
        case int():
            return f"{value}"
        case float():
            return f"{value:g}"
    return str(value)


def bounds(field: Any) -> str:
    """What a value must lie between, or look like."""
    low = next((one.ge for one in field.metadata if hasattr(one, "ge")), None)
    high = next((one.le for one in field.metadata if hasattr(one, "le")), None)
    if low is None and high is None:
        return ""
    return f"{shown(low)} to {shown(high)}" if high is not None else f"at least {shown(low)}"


def row(name: str) -> str:
    """The row of a setting, as the page must have it."""
    field = Settings.model_fields[name]
    return f"| `{PREFIX}{name.upper()}` | {shown(field.default)} | {bounds(field)} | {field.description} |"


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_stands_there_as_it_is(name: str):
    assert row(name) in section("Settings"), f"put this row into docs/operations.md:\n{row(name)}"


def test_no_setting_stands_there_that_is_not_read():
    named = set(re.findall(r"`(HEADWATER_[A-Z0-9_]+)`", PAGE.read_text("utf-8")))
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {"HEADWATER_URL"}
    assert not {name for name in named - known if not name.startswith("HEADWATER_SECRET_")}


def test_every_exit_code_stands_there_with_its_meaning():
    rows = {f"| `{code.value}` | {code.meaning} |" for code in ExitCode}
    text = section("Exit codes")
    assert {one for one in rows if one not in text} == set()
    assert first_cells(text) == [str(code.value) for code in ExitCode]


def test_every_error_code_stands_there():
    assert set(first_cells(section("Error codes"))) == error_codes()


def test_every_close_code_stands_there():
    assert set(first_cells(section("Close codes"))) == close_codes()


def test_every_status_of_a_connection_stands_there():
    assert set(first_cells(section("HTTP statuses"))) == statuses_of_connections()


@pytest.mark.parametrize("page", sorted((REPOSITORY / "docs").glob("*.md")), ids=lambda page: page.name)
def test_files_that_pages_name_are_there(page: Path):
    text = page.read_text("utf-8")
    named = re.findall(r"`((?:api|connectors|domain|persistence|tests|docs)/[\w./-]*)`", text)
    linked = [target for target in re.findall(r"\]\(([^)#:]+)\)", text) if not target.startswith("http")]
    missing = [path for path in named if not (REPOSITORY / path).exists()]
    missing += [target for target in linked if not (page.parent / target).exists()]
    assert not missing
