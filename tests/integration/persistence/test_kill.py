"""Kill -9: what was acknowledged is there afterwards, what was not is either there whole or not at all."""

import asyncio
import sys

import pytest
from sqlalchemy import text

from persistence.database import open_database

# Writes pairs, one transaction each, and says so once they are committed.
WRITER = """
import asyncio, sys
from sqlalchemy import text
from persistence.database import open_database

async def main():
    database = await open_database(sys.argv[1])
    async with database.write() as connection:
        await connection.execute(text("CREATE TABLE IF NOT EXISTS pairs (n INTEGER, half INTEGER)"))
    n = int(sys.argv[2])
    while True:
        n += 1
        async with database.write() as connection:
            for half in (1, 2):
                await connection.execute(text("INSERT INTO pairs VALUES (:n, :half)"), {"n": n, "half": half})
        print(n, flush=True)

asyncio.run(main())
"""


@pytest.mark.timeout(120)
async def test_acknowledged_writes_outlive_a_kill(store_url: str) -> None:
    acknowledged = 0
    for round_number in range(4):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, store_url, str(acknowledged + 1_000), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            for _ in range(5 + 7 * round_number):
                acknowledged = int(await process.stdout.readline())
        finally:
            process.kill()
        # Also what it wrote between the last line that we waited for and its end.
        for line in (await process.stdout.read()).split():
            acknowledged = int(line)
        await process.wait()
        database = await open_database(store_url)
        async with database.read() as connection:
            rows = await connection.execute(text("SELECT n, count(*) FROM pairs GROUP BY n"))
            found = {row[0]: row[1] for row in rows}
        await database.close()
        assert acknowledged in found
        assert set(found.values()) == {2}
