"""The tables of a new metadata store."""

from sqlalchemy import insert

from persistence.database import Database
from persistence.tables import metadata
from persistence.tables.events import empty_log, event_log
from persistence.tables.secrets import instance, new_instance


async def create_schema(database: Database) -> None:
    async with database.write() as connection:
        await connection.run_sync(metadata.create_all)
        await connection.execute(insert(event_log).values(empty_log()))
        await connection.execute(insert(instance).values(new_instance()))
