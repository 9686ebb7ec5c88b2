"""How long staging and publishing a catalog takes, what memory it needs, how long the event loop stands still.

python -m tests.benchmarks.catalog_publish [sqlite] [postgresql] [--tables 1000 10000]
"""

import argparse
import asyncio
import gc
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from domain.models.catalog import (
    Column,
    Constraint,
    ConstraintKind,
    Count,
    DataTypeFamily,
    Index,
    Namespace,
    Statistics,
    Table,
    TableKind,
)
from domain.models.discovery import DiscoveryBatch, FoundTable
from domain.models.page import Page
from domain.models.relationship import Reference
from domain.ports.repositories.catalog import CatalogFilter
from tests.contract.catalog.stores import SYSTEM, CatalogStore, at
from tests.servers.postgresql import PostgresqlServer

_COLUMNS = 12
_BATCH = 200
_TICK_S = 0.002


def _table(number: int, generation: int = 0) -> Table:
    types = (
        ("bigint", DataTypeFamily.INTEGER),
        ("text", DataTypeFamily.TEXT),
        ("timestamptz", DataTypeFamily.TIMESTAMP),
    )
    return Table(
        path=("shop", f"schema_{number // 500:03}", f"table_{number:05}"),
        kind=TableKind.TABLE,
        columns=tuple(
            Column(
                path=(f"column_{at}",),
                ordinal=at,
                native_type=types[at % 3][0] if at < _COLUMNS or not generation else f"numeric({generation})",
                data_type=types[at % 3][1],
                nullable=at > 1,
                comment=f"What column {at} of table {number} holds" if at % 4 == 0 else None,
            )
            for at in range(1, _COLUMNS + 1)
        ),
        indexes=(Index(f"table_{number}_pkey", True, ("column_1",), "btree"),),
        constraints=(
            Constraint("fk", ConstraintKind.FOREIGN_KEY, ("column_3",), references=_reference(number)),
            Constraint("pk", ConstraintKind.PRIMARY_KEY, ("column_1",)),
        ),
        comment=f"Table number {number}",
    )


def _reference(number: int) -> Reference:
    far = number // 2
    return Reference(("shop", f"schema_{far // 500:03}", f"table_{far:05}"), ("column_1",))


def _batches(count: int, changed: int = 0) -> Iterator[DiscoveryBatch]:
    """As a connector streams them."""
    paths = tuple(_table(number).path for number in range(count))
    namespaces = tuple(Namespace(path) for path in dict.fromkeys(path[:-1] for path in paths))
    yield DiscoveryBatch(namespaces=namespaces, listed=paths)
    for start in range(0, count, _BATCH):
        yield DiscoveryBatch(
            found=tuple(
                FoundTable(
                    _table(number, generation=number < changed), f"signature {number}", Statistics(Count(number, False))
                )
                for number in range(start, min(count, start + _BATCH))
            )
        )


class Watch:
    """Time, resident memory and lag of the event loop while it is watched."""

    def __init__(self) -> None:
        self.lags_ms: list[float] = []
        self.peak_mb = 0.0

    @asynccontextmanager
    async def __call__(self, what: str) -> AsyncIterator[None]:
        self.lags_ms.clear()
        gc.collect()
        before_mb = _resident_mb()
        self.peak_mb = before_mb
        task = asyncio.create_task(self._tick())
        await asyncio.sleep(0.05)
        began = time.perf_counter()
        yield
        took_s = time.perf_counter() - began
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        lags = sorted(self.lags_ms)
        sys.stdout.write(
            f"{what:<44} {took_s:7.2f} s   +{self.peak_mb - before_mb:6.1f} MB   "
            f"lag p50 {lags[len(lags) // 2]:5.1f}  p99 {lags[int(len(lags) * 0.99)]:5.1f}  max {lags[-1]:6.1f} ms\n"
        )
        sys.stdout.flush()

    async def _tick(self) -> None:
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(_TICK_S)
            self.lags_ms.append((time.perf_counter() - asked - _TICK_S) * 1000)
            if len(self.lags_ms) % 10 == 0:
                self.peak_mb = max(self.peak_mb, _resident_mb())


def _resident_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def _measure(name: str, url: str, count: int) -> None:
    store = await CatalogStore.create(url)
    source = await store.add_source()
    watch = Watch()
    title = f"{name} {count} × {_COLUMNS}"
    try:
        for run, changed in (("first", 0), ("unchanged", 0), ("10 changed", 10)):
            batches = list(_batches(count, changed))  # made before: that is a connector's work
            async with watch(f"{title} {run}: stage"):
                for batch in batches:
                    await store.stage(batch)
            async with watch(f"{title} {run}: publish"):
                await store.publish(source)
        await _read(store, source, watch, title)
        async with watch(f"{title} all removed: publish"):
            await store.publish(source, DiscoveryBatch())
    finally:
        await store.database.close()


async def _read(store: CatalogStore, source: str, watch: Watch, title: str) -> None:
    pin = await store.pin(source)
    wanted = CatalogFilter()
    (page,) = await store.reader.tables(SYSTEM, [pin], wanted, Page(50))
    parents = [at(entry) for entry in page.items]
    (namespaces,) = await store.reader.namespaces(SYSTEM, [pin], wanted, Page(50))
    reads: dict[str, Callable[[], Awaitable[object]]] = {
        "50 tables": lambda: store.reader.tables(SYSTEM, [pin], wanted, Page(50)),
        "50 tables, last page": lambda: store.reader.tables(SYSTEM, [pin], wanted, Page(50, ("shop.schema_9",))),
        "10 tables of each namespace": lambda: store.reader.tables(
            SYSTEM, [at(entry) for entry in namespaces.items], wanted, Page(10)
        ),
        "12 columns of each of 50 tables": lambda: store.reader.columns(SYSTEM, parents, wanted, Page(100)),
        "count of tables": lambda: store.reader.count_tables(SYSTEM, [pin], wanted),
        "tables that match": lambda: store.reader.tables(SYSTEM, [pin], CatalogFilter(match="e_00999"), Page(50)),
        "changes 1 to 2": lambda: store.reader.changes(SYSTEM, source, 1, 2, Page(50)),
        "signatures": lambda: store.reader.signatures(SYSTEM, source),
    }
    for what, read in reads.items():
        times = []
        for _ in range(20):
            began = time.perf_counter()
            await read()
            times.append((time.perf_counter() - began) * 1000)
        sys.stdout.write(f"    {title} read {what:<34} median {sorted(times)[10]:7.1f} ms\n")


async def _main(databases: list[str], sizes: list[int]) -> None:
    for database in databases:
        for count in sizes:
            if database == "sqlite":
                with tempfile.TemporaryDirectory() as folder:
                    await _measure(database, f"sqlite+aiosqlite:///{folder}/store.db", count)
            else:
                server = PostgresqlServer()
                await server.start()
                try:
                    created = await server.endpoint.create_database()
                    await _measure(database, created.sqlalchemy_url, count)
                finally:
                    await server.discard()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("databases", nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--tables", nargs="*", type=int, default=[1_000, 10_000])
    arguments = parser.parse_args()
    asyncio.run(_main(arguments.databases, arguments.tables))
