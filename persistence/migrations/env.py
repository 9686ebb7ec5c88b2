"""Run by Alembic, which loads it as `env_py`: the steps go through the connection that `migrate` hands over."""

from alembic import context

from persistence.migrations import VERSION_TABLE
from persistence.tables import metadata


def run_steps() -> None:
    """Within the transaction that is open on the connection."""
    context.configure(
        connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
    )
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":
    run_steps()
