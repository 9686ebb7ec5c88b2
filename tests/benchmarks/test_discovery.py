"""A PostgreSQL database of 1,000 and of 10,000 tables × 12 columns: discovered, stored, and asked meanwhile."""

import asyncio
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.client import GraphqlClient
from tests.faults.killed_discovery import FINAL, create, register_victim
from tests.servers.headwater import HeadwaterServer
from tests.servers.postgresql import PostgresqlDatabase

_ASK = """
{ dataSources { nodes { name revision
    tables(first: 20) { nodes { name kind columns(first: 12) { nodes { name nativeType nullable } } } } } } }
"""
_DISCOVER = """
mutation($id: ID!, $mode: SyncMode!) {
  discover(input: { dataSource: $id, mode: $mode }) { ... on Operation { id } }
}
"""
_OPERATION = """
query($id: ID!) { operation(id: $id) { state counts { name value } steps { name durationMs } problems { message } } }
"""


@pytest.mark.parametrize("tables", [1_000, 10_000])
async def test_discovery(postgresql_database: PostgresqlDatabase, tmp_path: Path, tables: int) -> None:
    for start in range(0, tables, 500):
        await postgresql_database.execute("".join(create(f"t{number:05}") for number in range(start, start + 500)))
    lags = tmp_path / "lags"
    server = HeadwaterServer(
        arguments=["--demo"], program=[sys.executable, "-m", "tests.benchmarks.measured_server", str(lags)]
    )
    await server.start()
    try:
        source_id = await register_victim(server, postgresql_database)
        idle_mib = _peak_mib(server.pid)
        lines = [f"{tables} tables × 12 columns ({os.cpu_count()} cores); {idle_mib:.0f} MiB before"]
        for name, mode in (("first", "FULL"), ("again, FULL", "FULL"), ("again, INCREMENTAL", "INCREMENTAL")):
            lines.append(await _measure(server, source_id, name, mode, lags))
        await postgresql_database.execute("".join(f"ALTER TABLE t{n:05} ADD extra int;" for n in range(10)))
        lines.append(await _measure(server, source_id, "10 changed, INCREMENTAL", "INCREMENTAL", lags))
    finally:
        await server.discard()
    print("\n  ".join(["", *lines]))  # noqa: T201  # the figures are what this run is for


async def _measure(server: HeadwaterServer, source_id: str, name: str, mode: str, lags: Path) -> str:
    asked_ms: list[float] = []
    asking = asyncio.create_task(_ask(server, asked_ms))
    began_s = time.monotonic()
    async with GraphqlClient(server.graphql_url) as client:
        operation_id = (await client.mutate(_DISCOVER, id=source_id, mode=mode))["discover"]["id"]
        operation: dict[str, Any] = {"state": ""}
        while operation["state"] not in FINAL:
            await asyncio.sleep(0.02)
            operation = (await client.query(_OPERATION, id=operation_id))["operation"]
    ended_s = time.monotonic()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert operation["state"] == "SUCCEEDED", operation
    samples = [line.split() for line in lags.read_text().splitlines()]
    lag_ms = [float(lag) for at, lag in samples if began_s <= float(at) <= ended_s + 0.1]
    steps = ", ".join(f"{step['name']} {step['durationMs']:.0f} ms" for step in operation["steps"])
    return (
        f"{name}: {ended_s - began_s:.2f} s ({steps}); peak {_peak_mib(server.pid):.0f} MiB; "
        f"loop lag p50 {statistics.median(lag_ms):.1f} p99 {_p99(lag_ms):.1f} max {max(lag_ms):.1f} ms; "
        f"{len(asked_ms)} queries p50 {statistics.median(asked_ms):.1f} p99 {_p99(asked_ms):.1f} "
        f"max {max(asked_ms):.1f} ms"
    )


async def _ask(server: HeadwaterServer, took_ms: list[float]) -> None:
    async with GraphqlClient(server.graphql_url) as client:
        while True:
            began_s = time.perf_counter()
            await client.query(_ASK)
            took_ms.append((time.perf_counter() - began_s) * 1_000)
            await asyncio.sleep(0.01)


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1_024
