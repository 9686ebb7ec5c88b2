"""docs/dependencies.md gives a reason for each package, and for none that is not there."""

import json
import re
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "dependencies.md"
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
NPM = ("api/web/graphiql/package.json", "tests/e2e/clients/package.json")


def named() -> set[str]:
    """The packages in the first cells of the page's tables."""
    cells = re.findall(r"^\| ([^|]+) \| (?!why)", PAGE.read_text("utf-8"), re.MULTILINE)
    return {name for cell in cells for name in cell.split(", ") if not cell.startswith("-")}


def wanted() -> set[str]:
    """The packages that we ask for by name, from PyPI and npm."""
    lines = [*PROJECT["project"]["dependencies"]]
    for group in PROJECT["dependency-groups"].values():
        lines += [line for line in group if isinstance(line, str)]
    packages = {re.split(r"[\[<>=;~! ]", line, maxsplit=1)[0] for line in lines}
    for path in NPM:
        package = json.loads((REPOSITORY / path).read_text("utf-8"))
        packages |= {*package.get("dependencies", {}), *package.get("devDependencies", {})}
    return packages


def test_each_package_has_its_reason():
    assert wanted() - named() == set()


def test_no_reason_is_left_of_what_is_gone():
    assert named() - wanted() == set()
