"""Twenty kills at random moments of a discovery of 1,000 tables."""

from pathlib import Path

from tests.faults.killed_discovery import run
from tests.servers.postgresql import PostgresqlDatabase


async def test_twenty_kills_lose_nothing(postgresql_database: PostgresqlDatabase, tmp_path: Path, seed: int) -> None:
    report = await run(postgresql_database, tmp_path, tables=1_000, kills=20, seed=seed)
    print(report)  # noqa: T201  # the figures are what this run is for
    assert report.wrong == []
    assert report.kills == 20
    assert report.interrupted > 0
    assert report.finished + report.failed == 20
