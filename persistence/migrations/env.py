"""Run by Alembic: the steps go through the connection that `migrate` hands over, within its transaction."""

from alembic import context

from persistence.migrations import VERSION_TABLE
from persistence.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
