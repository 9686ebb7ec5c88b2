"""How the store's tables came to be: one file per step in `versions/`, written out for both databases.

A step that was released is never edited. `migrate` brings a store up to date, and lets no process near
one that it does not understand. A new step: add a file with the next number, `down_revision` the one before; a test
compares the migrated schema with `persistence.tables` on both databases.
"""

from pathlib import Path
from typing import NamedTuple

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import StartRefused
from persistence.database import Database

VERSION_TABLE = "schema_version"

# One migration at a time, whoever starts it. SQLite has one writer anyway.
_LOCK = text("SELECT pg_advisory_xact_lock(1212503096, hashtext(current_schema()))")


class Migration(NamedTuple):
    """From which step to which a store is brought; both are the same where there is nothing to do."""

    before: str | None  # None: an empty store
    after: str


async def migrate(database: Database) -> Migration:
    """Brings the store up to date, in one transaction.

    Raises `StartRefused`, with nothing touched, for a store of a newer version.
    """
    pending = await pending_migration(database)
    if pending.before == pending.after:
        return pending
    async with database.write() as connection:
        return await _migrate(connection, database)


async def pending_migration(database: Database) -> Migration:
    """What `migrate` would do; it only reads. Raises `StartRefused` for a store of a newer version."""
    async with database.read() as connection:
        return await connection.run_sync(_pending)


def newest_step() -> str:
    """The step that an up-to-date store is at."""
    return _newest(ScriptDirectory.from_config(_config(None)))


async def _migrate(connection: AsyncConnection, database: Database) -> Migration:
    if database.dialect == "postgresql":
        await connection.execute(_LOCK)
    pending = await connection.run_sync(_pending)  # another process may have been first
    await connection.run_sync(lambda sync: command.upgrade(_config(sync), "head"))
    return pending


def _pending(connection: Connection) -> Migration:
    stored = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_heads()
    scripts = ScriptDirectory.from_config(_config(connection))
    if not {script.revision for script in scripts.walk_revisions()}.issuperset(stored):
        raise _newer()
    return Migration(before=", ".join(stored) or None, after=_newest(scripts))


def _newest(scripts: ScriptDirectory) -> str:
    return ", ".join(scripts.get_heads())


def _config(connection: Connection | None) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _newer() -> StartRefused:
    return StartRefused(
        "The metadata store was written by a newer version of Headwater. "
        "Start that version, or give this one a store of its own; nothing was changed."
    )
