"""What was read from one database is never published as another's."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from api.bootstrap import open_headwater
from api.settings import Settings
from domain.errors import Superseded
from domain.models.access import system_viewer
from domain.models.data_source import DataSourceKind
from domain.models.operation import OperationState, SyncMode
from domain.models.problem import Problem
from domain.models.registration import ConnectionInput, DataSourceInput, DataSourcePatch, WriteOptions
from domain.services.discoveries import DiscoverInput

ADMIN = system_viewer("admin")
ONCE = WriteOptions()


def database(path: Path, tables: int) -> DataSourcePatch:
    with closing(sqlite3.connect(path)) as connection:
        for number in range(tables):
            connection.execute(f"CREATE TABLE {path.stem}_{number} (id INTEGER PRIMARY KEY)")
    return DataSourcePatch(connection=ConnectionInput(DataSourceKind.SQLITE, {"path": str(path)}))


async def test_a_connection_that_changed_before_the_confirmation(tmp_path: Path) -> None:
    before, other = database(tmp_path / "before.sqlite", 20), database(tmp_path / "other.sqlite", 1)
    async with open_headwater(Settings(data_dir=tmp_path), port=1) as headwater:
        services = headwater.services
        (registered,) = await services.data_sources.register(ADMIN, [DataSourceInput("moved", before)], ONCE)
        assert not isinstance(registered, Problem)
        id = registered.data_source.id
        first = await services.discoveries.start(ADMIN, DiscoverInput(id), ONCE)
        assert (await services.operations.wait(ADMIN, first, 10_000)).state is OperationState.SUCCEEDED
        with closing(sqlite3.connect(tmp_path / "before.sqlite")) as connection:
            for number in range(15):
                connection.execute(f"DROP TABLE before_{number}")
        guarded = await services.discoveries.start(ADMIN, DiscoverInput(id), ONCE)
        waiting = await services.operations.wait(ADMIN, guarded, 10_000)
        assert waiting.state is OperationState.AWAITING_CONFIRMATION
        assert waiting.confirmation is not None
        await services.data_sources.update(ADMIN, id, other, None, ONCE)
        confirmed = await services.operations.confirm(ADMIN, waiting.id, waiting.confirmation.token)
        ended = await services.operations.wait(ADMIN, confirmed, 10_000)
        assert ended.state is OperationState.FAILED
        assert [problem.code for problem in ended.problems] == ["CONNECTION_CHANGED"]
        (source,) = await services.data_sources.by_ids(ADMIN, [id])
        assert source is not None
        assert source.revision == 1


async def test_a_worker_that_is_taken_over_adds_nothing_more(tmp_path: Path) -> None:
    shop = database(tmp_path / "shop.sqlite", 1_000)
    async with open_headwater(Settings(data_dir=tmp_path), port=1) as headwater:
        services = headwater.services
        (registered,) = await services.data_sources.register(ADMIN, [DataSourceInput("shop", shop)], ONCE)
        assert not isinstance(registered, Problem)
        id = registered.data_source.id
        started = await services.discoveries.start(ADMIN, DiscoverInput(id, mode=SyncMode.FULL), ONCE)
        ended = await services.operations.wait(ADMIN, started, 20_000)
        with closing(sqlite3.connect(tmp_path / "headwater.sqlite")) as store:
            store.execute(  # another worker takes over as soon as the first table is staged
                "CREATE TRIGGER take_over AFTER INSERT ON staged_tables BEGIN "
                "UPDATE operations SET fence = fence + 1 WHERE id = NEW.operation_id; END"
            )
        with pytest.raises(Superseded):
            await services.discoveries.run(ended)
        with closing(sqlite3.connect(tmp_path / "headwater.sqlite")) as store:
            (found,) = store.execute("SELECT count(*) FROM staged_tables WHERE outcome = 'FOUND'").fetchone()
        assert found < 1_000
        (source,) = await services.data_sources.by_ids(ADMIN, [id])
        assert source is not None
        assert source.revision == 1
