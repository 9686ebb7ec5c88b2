"""What a viewer may not see is the same as absent, in every service that reads or writes."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from api.bootstrap import open_headwater
from api.services import Services
from api.settings import Settings
from domain.errors import Forbidden, NotFound
from domain.models.access import Permission, Scope, Viewer
from domain.models.data_source import DataSource, DataSourceKind, Sensitivity, SourceEnvironment
from domain.models.event import EventFilter
from domain.models.operation import Operation, OperationState
from domain.models.problem import Problem
from domain.models.registration import ConnectionInput, DataSourceInput, DataSourcePatch, WriteOptions
from domain.models.target import StoredTarget
from domain.ports.repositories.catalog import CatalogFilter, ObjectAt, Pin, RelationshipFilter
from domain.ports.repositories.data_sources import DataSourceFilter
from domain.services.catalog import At
from domain.services.discoveries import DiscoverInput
from domain.services.pages import PageRequest

ALL = frozenset(Permission)
ADMIN = Viewer("admin", "key", ALL, Scope())
ONCE = WriteOptions()


class World:
    """A store with one source, discovered and checked, that some viewers may not see."""

    def __init__(self, services: Services, source: DataSource, operation: Operation, path: Path) -> None:
        self.path = path
        self.services = services
        self.source = source
        self.operation = operation

    async def tables(self, viewer: Viewer) -> list[str]:
        pin = Pin(self.source.id, self.source.revision)
        (window,) = await self.services.catalog.tables(viewer, [pin], CatalogFilter(), PageRequest())
        assert not isinstance(window, Exception)
        return [table.id for table in window.items]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    path = tmp_path / "hidden.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (a_id INTEGER REFERENCES a (id));"
        )
    async with open_headwater(Settings(data_dir=tmp_path), port=1) as headwater:
        services = headwater.services
        patch = DataSourcePatch(
            connection=ConnectionInput(DataSourceKind.SQLITE, {"path": str(path)}),
            environment=SourceEnvironment.PRODUCTION,
            sensitivity=Sensitivity.RESTRICTED,
        )
        (registered,) = await services.data_sources.register(ADMIN, [DataSourceInput("hidden", patch)], ONCE)
        assert not isinstance(registered, Problem)
        started = await services.discoveries.start(ADMIN, DiscoverInput(registered.data_source.id), ONCE)
        operation = await services.operations.wait(ADMIN, started, 10_000)
        assert operation.state is OperationState.SUCCEEDED
        (source,) = await services.data_sources.by_ids(ADMIN, [registered.data_source.id])
        assert source is not None
        yield World(services, source, operation, path)


HIDING = [
    Scope(data_sources=frozenset({"src_other"})),
    Scope(data_sources=frozenset()),
    Scope(environments=frozenset({SourceEnvironment.TEST})),
    Scope(sensitivity_ceiling=Sensitivity.CONFIDENTIAL),
]
SHOWING = [
    Scope(environments=frozenset({SourceEnvironment.PRODUCTION})),
    Scope(sensitivity_ceiling=Sensitivity.RESTRICTED),
]


@pytest.fixture(params=HIDING, ids=["other source", "no source", "environment", "sensitivity"])
def outsider(request: pytest.FixtureRequest) -> Viewer:
    return Viewer("eve", "key", ALL, request.param)


async def test_reads_of_sources(world: World, outsider: Viewer) -> None:
    services, id = world.services.data_sources, world.source.id
    assert await services.by_ids(outsider, [id]) == [None]
    assert await services.by_names(outsider, ["hidden"]) == [None]
    assert (await services.page(outsider, DataSourceFilter(), PageRequest())).items == ()
    assert await services.count(outsider, DataSourceFilter()) == 0
    (freshness,) = await services.freshness(outsider, [id])
    assert freshness.discovered_at is None


async def test_reads_of_the_catalog(world: World, outsider: Viewer) -> None:
    catalog, pin = world.services.catalog, Pin(world.source.id, world.source.revision)
    ids = await world.tables(ADMIN)
    assert len(ids) == 2
    at = [ObjectAt(id, pin) for id in ids]
    for windows in (
        await catalog.namespaces(outsider, [pin], CatalogFilter(), PageRequest()),
        await catalog.tables(outsider, [pin], CatalogFilter(include_removed=True), PageRequest()),
        await catalog.columns(outsider, at, CatalogFilter(), PageRequest()),
        await catalog.relationships(outsider, at, RelationshipFilter(), PageRequest()),
    ):
        assert all(not isinstance(window, Exception) and window.items == () for window in windows)
    assert await catalog.nodes(outsider, [world.source.id, *ids], None) == [None, None, None]
    assert await catalog.by_fqns(outsider, ["hidden", "hidden.main.a"], None) == [None, None]
    assert await catalog.count_tables(outsider, [pin], CatalogFilter()) == [0]
    assert await catalog.columns_named(outsider, [(at[0], ("id",))]) == [()]
    with pytest.raises(NotFound):
        await catalog.schema_diff(outsider, world.source.id, At(revision=0), None)


async def test_operations_events_and_health(world: World, outsider: Viewer) -> None:
    services = world.services
    assert await services.operations.by_ids(outsider, [world.operation.id]) == [None]
    assert (await services.events.page(outsider, None, EventFilter(), 100)).items == ()
    assert len((await services.events.page(ADMIN, None, EventFilter(), 100)).items) > 3
    assert await services.health.checks(outsider, [world.source.id], 5) == [()]
    with pytest.raises(NotFound):
        async with aclosing(services.events.follow_operation(outsider, world.operation.id)) as items:
            await anext(items)


async def test_writes(world: World, outsider: Viewer) -> None:
    services, id = world.services, world.source.id
    with pytest.raises(NotFound):
        await services.data_sources.update(outsider, id, DataSourcePatch(owner="eve"), None, ONCE)
    with pytest.raises(NotFound):
        await services.data_sources.delete(outsider, id, None, ONCE)
    with pytest.raises(NotFound):
        await services.connection_tests.start(outsider, StoredTarget(id), 1_000)
    with pytest.raises(NotFound):
        await services.discoveries.start(outsider, DiscoverInput(id), ONCE)
    with pytest.raises(NotFound):
        await services.operations.cancel(outsider, world.operation.id)
    # The one exception: names are unique, so a name that is in use must be said to be.
    patch = DataSourcePatch(connection=ConnectionInput(DataSourceKind.SQLITE, {"path": str(world.path)}))
    (answer,) = await services.data_sources.register(outsider, [DataSourceInput("hidden", patch)], ONCE)
    assert isinstance(answer, Problem)
    assert answer.code == "NAME_TAKEN"
    assert await services.data_sources.by_ids(ADMIN, [id]) == [world.source]


@pytest.mark.parametrize("scope", SHOWING, ids=["environment", "sensitivity"])
async def test_a_scope_that_allows_it_shows_it(world: World, scope: Scope) -> None:
    insider = Viewer("ann", "key", ALL, scope)
    assert len(await world.tables(insider)) == 2
    assert len((await world.services.events.page(insider, None, EventFilter(), 100)).items) > 3


async def test_without_permission_nothing_is_read_or_written(world: World) -> None:
    nobody = Viewer("nobody", "key", frozenset(), Scope())
    services = world.services
    with pytest.raises(Forbidden):
        await world.tables(nobody)
    with pytest.raises(Forbidden):
        await services.data_sources.register(nobody, [], ONCE)
    with pytest.raises(Forbidden):
        await services.connection_tests.start(nobody, StoredTarget(world.source.id), 1_000)
    with pytest.raises(Forbidden):
        await services.discoveries.start(nobody, DiscoverInput(world.source.id), ONCE)
    with pytest.raises(Forbidden):
        await services.events.page(nobody, None, EventFilter(), 10)
