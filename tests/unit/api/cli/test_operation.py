from typing import Any

import pytest

from api.cli.operation import counted, tables


def event(state: str, **counts: int) -> dict[str, Any]:
    return {"state": state, "counts": [{"name": name, "value": str(value)} for name, value in counts.items()]}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (event("QUEUED"), "waiting for a worker"),
        (event("RUNNING"), "connecting"),
        (event("RUNNING", tables_listed=1_000, tables_done=430), "430 of 1,000 tables"),
        (event("RUNNING", tables_listed=1_000, tables_done=1_000), "1,000 tables, publishing"),
        (event("SUCCEEDED", tables_listed=1_000, tables_done=1_000), "1,000 tables"),
    ],
)
def test_how_far_a_discovery_is(said: dict[str, Any], told: str):
    assert tables(said) == told


def test_what_was_not_counted_is_none():
    assert counted(event("RUNNING"), "tables_done") == 0
