"""Registers, tests and discovers the shop at the first start."""

import asyncio
import logging
from pathlib import Path

from api.demo.shop import write_demo_shop
from api.services import Services
from domain.models.access import system_viewer
from domain.models.data_source import DataSourceKind
from domain.models.problem import Problem
from domain.models.registration import ConnectionInput, DataSourceInput, DataSourcePatch, WriteOptions
from domain.models.target import StoredTarget
from domain.services.discoveries import DiscoverInput

log = logging.getLogger(__name__)


NAME = "demo_shop"
_WAIT_MS = 20_000


def file(data_dir: Path) -> Path:
    """Where the demo's database lies."""
    return data_dir.absolute() / "demo-shop.sqlite"


async def prepare(services: Services, data_dir: Path) -> None:
    """Makes the shop, registers, tests and discovers it, unless an earlier start did."""
    viewer = system_viewer("demo")
    path = file(data_dir)
    if not path.exists():
        await asyncio.to_thread(write_demo_shop, path)
    if (await services.data_sources.by_names(viewer, [NAME]))[0] is not None:
        return
    connection = ConnectionInput(DataSourceKind.SQLITE, {"path": str(path)})
    patch = DataSourcePatch(connection=connection, description="A small shop to look around in.", tags=("demo",))
    (registered,) = await services.data_sources.register(viewer, [DataSourceInput(NAME, patch)], WriteOptions())
    if isinstance(registered, Problem):
        log.error("the demo was not registered: %s", registered.message)
        return
    source_id = registered.data_source.id
    test = await services.connection_tests.start(viewer, StoredTarget(source_id), _WAIT_MS)
    await services.operations.wait(viewer, test, _WAIT_MS)
    discovery = await services.discoveries.start(viewer, DiscoverInput(source_id), WriteOptions())
    await services.operations.wait(viewer, discovery, _WAIT_MS)
