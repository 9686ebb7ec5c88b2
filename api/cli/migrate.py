"""`headwater migrate`."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.exit_codes import ExitCode
from api.defaults import DATA_DIR


def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether there is something to do: exit code 0 if not, else 1.")
    ] = False,
    data_dir: Annotated[
        Path | None, typer.Option(help=f"Folder of the embedded metadata store (./{DATA_DIR}).")
    ] = None,
) -> None:
    """Bring the metadata store up to date. Doing it again changes nothing."""
    import asyncio

    from api import settings
    from api.bootstrap import migrate_store, pending_migration

    loaded = settings.load(data_dir=data_dir)
    if check:
        pending = asyncio.run(pending_migration(loaded))
        typer.echo(f"The metadata store {_from(pending.before, pending.after)}.")
        if pending.before != pending.after:
            raise typer.Exit(ExitCode.FAILED)
        return
    done = asyncio.run(migrate_store(loaded))
    typer.echo(
        f"The metadata store is up to date already ({done.after})."
        if done.before == done.after
        else f"The metadata store was brought from {done.before or 'nothing'} to {done.after}."
    )


def _from(before: str | None, after: str) -> str:
    if before == after:
        return f"is up to date ({after})"
    return f"is at {before or 'nothing'} and has to be brought to {after}: run `headwater migrate`"
