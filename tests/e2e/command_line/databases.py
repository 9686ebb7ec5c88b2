"""Databases to discover from the command line."""

import sqlite3
from pathlib import Path

from tests.servers.postgresql import PostgresqlDatabase

TABLES, COLUMNS = 1_000, 12


def sqlite_file(path: Path, tables: int, columns: int = COLUMNS) -> Path:
    """A file with so many tables."""
    with sqlite3.connect(path) as connection:
        for number in range(tables):
            connection.execute(_create(f"t{number:04}", columns))
    connection.close()
    return path


async def fill(database: PostgresqlDatabase, tables: int = TABLES, columns: int = COLUMNS) -> None:
    """So many tables in `public`."""
    await database.execute(";\n".join(_create(f"t{number:04}", columns) for number in range(tables)))


def _create(name: str, columns: int) -> str:
    return f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, {', '.join(f'c{n:02} TEXT' for n in range(1, columns))})"
