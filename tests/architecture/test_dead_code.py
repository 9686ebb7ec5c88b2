"""Code that only tests use, or nobody, is removed."""

import ast
from pathlib import Path

import pytest
import vulture

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("api", "connectors", "domain", "persistence")

# Called by a framework, by what it is decorated with or by its name.
CALLED_BY_DECORATOR = ["@strawberry.*", "@*.command", "@*.callback", "@field_validator", "@model_validator"]
CALLED_BY_NAME: list[str] = [
    *("on_operation", "on_parse", "on_validate", "on_stream_result", "graphql_document", "pre_execution_errors"),
    *("entities_resolver", "process_errors"),  # of a Strawberry extension, and of its Schema
    *("capture_signals", "force_exit", "startup", "shutdown"),  # of uvicorn's Server
    *("handle_ping", "handshake_complete"),  # of its WebSocket protocol
    *("send_400_response", "timeout_keep_alive_handler", "disconnected"),  # of its HTTP protocol
    "redirect_slashes",  # of Starlette's router
    *("load_dialect_impl", "process_result_value", "process_bind_param"),  # of SQLAlchemy's TypeDecorator
    "text_factory",  # of a sqlite3 connection
    *("render", "on_broken_pipe"),  # of rich's ProgressColumn and Console
    "_value_",  # of an enum whose members carry more than their value
    *("PostgresqlConnector", "SqliteConnector"),  # named in the list of connectors, so that no driver is loaded early
]


def test_there_is_no_dead_code(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(REPOSITORY)
    search = vulture.Vulture(ignore_names=CALLED_BY_NAME, ignore_decorators=CALLED_BY_DECORATOR)
    search.scavenge(PACKAGES)
    dead = [
        f"{item.filename.relative_to(REPOSITORY)}:{item.first_lineno}: {item.message}"
        for item in search.get_unused_code(min_confidence=60)
        if item.typ != "variable" or item.first_lineno in _lines_of_constants(item.filename)
    ]
    assert not dead, "\n".join(dead)


def _lines_of_constants(module: Path) -> set[int]:
    """Variables of the module itself. Fields of structs, members of enums and parameters of protocols belong to
    their shape, whoever reads them; local variables are the linter's.
    """
    return {
        statement.lineno
        for statement in ast.parse(module.read_text("utf-8")).body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
    }
