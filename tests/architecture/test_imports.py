"""Rules about imports that the contracts of import-linter in pyproject.toml cannot say."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

# Modules of the standard library that reach outside the process.
OUTWARD = {
    "ftplib",
    "http",
    "imaplib",
    "multiprocessing",
    "os",
    "poplib",
    "shutil",
    "smtplib",
    "socket",
    "socketserver",
    "sqlite3",
    "subprocess",
    "tempfile",
    "urllib.request",
}
ALLOWED_IN_DOMAIN = sys.stdlib_module_names | {"domain", "msgspec"}

DRIVERS = ("aiosqlite", "asyncpg", "redis", "sqlalchemy", "sqlite3")


def _imports(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text("utf-8"), str(module))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports by a relative name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_outward(name: str) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in OUTWARD)


@pytest.mark.parametrize(
    "module", [str(path.relative_to(REPOSITORY)) for path in sorted((REPOSITORY / "domain").rglob("*.py"))]
)
def test_the_domain_leans_on_the_standard_library_and_msgspec_only(module: str):
    foreign = [
        name
        for name in _imports(REPOSITORY / module)
        if name.split(".")[0] not in ALLOWED_IN_DOMAIN or _is_outward(name)
    ]
    assert not foreign, f"{module} imports {foreign}: the domain knows no framework and does no I/O"


def test_the_registry_of_connectors_loads_no_driver():
    program = f"import connectors.registry, sys; print(*[name for name in {DRIVERS} if name in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == [], "a driver is loaded when its connector is asked for, not before"


@pytest.mark.parametrize("package", ["api", "connectors", "domain", "persistence"])
def test_importing_a_package_does_no_work(package: str):
    """No engine, client or event loop comes into being by an import."""
    program = f"""
import importlib, pkgutil, socket, sqlite3, sys, threading, {package}

def refused(*arguments, **options):
    raise RuntimeError("opened at import time")

socket.socket.connect = socket.socket.bind = refused
sqlite3.connect = refused
for module in pkgutil.walk_packages({package}.__path__, "{package}."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(threading.active_count())
"""
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["1"], "a thread was started by an import"
