"""The list of connectors."""

import subprocess
import sys
from pathlib import Path

import pytest

from connectors.registry import ConnectorRegistry
from domain.models.data_source import DataSourceKind

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("kind", sorted(DataSourceKind))
def test_every_kind_has_a_spec(kind: DataSourceKind):
    assert ConnectorRegistry().spec(kind).kind is kind


def loaded(program: str) -> set[str]:
    run = subprocess.run(
        [sys.executable, "-c", f"{program}; import sys; print(*sys.modules)"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(run.stdout.split())


def test_a_spec_loads_no_driver_and_a_connector_only_its_own():
    start = "from connectors.registry import ConnectorRegistry as R, DataSourceKind as K"
    assert not {name for name in loaded(start) if name.startswith(("connectors.sqlite", "connectors.postgresql"))}
    specs = loaded(f"{start}; [R().spec(kind) for kind in K]")
    assert {"connectors.sqlite.spec", "connectors.postgresql.spec"} <= specs
    assert not {"sqlite3", "asyncpg", "connectors.sqlite.connector"} & specs
    assert not {"asyncpg", "connectors.postgresql.spec"} & loaded(f"{start}; R().connector(K.SQLITE)")
