"""Rules about the files of the repository."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("api", "connectors", "domain", "persistence")
LOCK_FILES = (
    "requirements.lock",
    "requirements-dev.lock",
    "requirements-node.lock",
    "api/web/graphiql/package-lock.json",
    "tests/e2e/clients/package-lock.json",
)


def _folders_with_code(root: str) -> list[Path]:
    return sorted({module.parent for module in (REPOSITORY / root).rglob("*.py")})


def test_tests_are_no_packages():
    """`tests/unit/domain/__init__.py` would hide the real `domain`."""
    packages = [str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "tests").rglob("__init__.py")]
    assert not packages, f"remove {packages}"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_with_code_is_a_package(package: str):
    bare = [
        str(folder.relative_to(REPOSITORY))
        for folder in _folders_with_code(package)
        if not (folder / "__init__.py").exists()
    ]
    assert not bare, f"add an __init__.py to {bare}"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_is_empty(package: str):
    """A room appears with the first code that lives in it."""
    empty = [
        str(folder.relative_to(REPOSITORY))
        for folder in _folders_with_code(package)
        if not any(module.name != "__init__.py" or not _is_only_a_docstring(module) for module in folder.rglob("*.py"))
    ]
    assert not empty, f"{empty} hold no code"


def _is_only_a_docstring(module: Path) -> bool:
    return re.fullmatch(r'\s*("""(?:[^"]|"(?!""))*""")?\s*', module.read_text("utf-8")) is not None


@pytest.mark.parametrize("lock_file", LOCK_FILES)
def test_lock_files_name_no_host(lock_file: str):
    """Where packages come from is for the machine that installs them to say."""
    text = (REPOSITORY / lock_file).read_text("utf-8")
    if lock_file.endswith(".json"):
        text = json.dumps(_without_funding(json.loads(text)))
    addresses = re.findall(r"\w+://[^\s\"']+", text)
    assert not addresses, f"{lock_file} names {addresses}"
    assert '"resolved"' not in text


def _without_funding(lock: dict[str, Any]) -> list[dict[str, Any]]:
    """What is said of each package, without the pages that ask for money for it: npm copies them into its lock file."""
    return [
        {name: value for name, value in package.items() if name != "funding"} for package in lock["packages"].values()
    ]


@pytest.mark.parametrize("lock_file", [name for name in LOCK_FILES if name.endswith(".lock")])
def test_every_locked_package_has_a_hash(lock_file: str):
    text = (REPOSITORY / lock_file).read_text("utf-8")
    entries = re.split(r"\n(?=[a-z0-9])", text)
    assert len(entries) == len(re.findall(r"^[a-z0-9]\S*==", text, re.MULTILINE))
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_run_and_the_tests_use_the_same_versions():
    pins = {
        name: dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", (REPOSITORY / name).read_text("utf-8"), re.MULTILINE))
        for name in ("requirements.lock", "requirements-node.lock", "requirements-dev.lock")
    }
    for name, pinned in pins.items():
        assert pinned
        assert pinned.items() <= pins["requirements-dev.lock"].items(), name


def test_scripts_are_executable():
    listed = subprocess.run(
        ["git", "ls-files", "--stage", ".ci/run", "tests/servers/setup"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["100755", "100755"]
