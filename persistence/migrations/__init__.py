"""How the store's tables came to be: one file per step in `versions/`, written out for both databases.

A step that was released is never edited. `migrate` brings a store up to date, and lets no process near
one that it does not understand. A new step: add a file with the next number, `down_revision` the one before; a test
compares the migrated schema with `persistence.tables` on both databases.
"""

from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import StartRefused
from persistence.database import Database

VERSION_TABLE = "schema_version"

State = Literal["new", "older", "current", "newer"]

# One migration at a time, whoever starts it. SQLite has one writer anyway.
_LOCK = text("SELECT pg_advisory_xact_lock(1212503096, hashtext(current_schema()))")


async def migrate(database: Database) -> None:
    """Brings the store up to date, in one transaction.

    Raises `StartRefused`, with nothing touched, for a store of a newer version.
    """
    async with database.read() as connection:
        state = await connection.run_sync(_state)
    if state == "newer":
        raise _newer()
    if state != "current":
        async with database.write() as connection:
            await _migrate(connection, database)


async def _migrate(connection: AsyncConnection, database: Database) -> None:
    if database.dialect == "postgresql":
        await connection.execute(_LOCK)
    state = await connection.run_sync(_state)  # another process may have been first
    if state == "newer":
        raise _newer()
    await connection.run_sync(lambda sync: command.upgrade(_config(sync), "head"))


def _state(connection: Connection) -> State:
    stored = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_heads()
    scripts = ScriptDirectory.from_config(_config(connection))
    if not stored:
        return "new"
    if stored == tuple(scripts.get_heads()):
        return "current"
    known = {script.revision for script in scripts.walk_revisions()}
    return "older" if known.issuperset(stored) else "newer"


def _config(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _newer() -> StartRefused:
    return StartRefused(
        "The metadata store was written by a newer version of Headwater. "
        "Start that version, or give this one a store of its own; nothing was changed."
    )
