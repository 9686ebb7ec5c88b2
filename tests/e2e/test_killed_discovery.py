"""A few kills in the middle of a discovery; `make faults` makes twenty on a larger database."""

from pathlib import Path

from tests.faults.killed_discovery import run
from tests.servers.postgresql import PostgresqlDatabase


async def test_kills_lose_nothing(postgresql_database: PostgresqlDatabase, tmp_path: Path, seed: int) -> None:
    report = await run(postgresql_database, tmp_path, tables=300, kills=3, seed=seed)
    assert report.wrong == []
    assert report.finished + report.failed == report.kills == 3
