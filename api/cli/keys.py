"""`headwater keys`: makes keys, and checks the one that is configured."""

import base64
import secrets
from pathlib import Path
from typing import Annotated

import typer

from api.cli.exit_codes import ExitCode

_KEY_BYTES = 32

app = typer.Typer(help="Make keys, and check the configured one.", no_args_is_help=True)


@app.command()
def new(
    admin: Annotated[bool, typer.Option("--admin", help="One for HEADWATER_ADMIN_KEY instead.")] = False,
) -> None:
    """Print a fresh key for HEADWATER_ENCRYPTION_KEY. It is kept nowhere: put it where your secrets are."""
    # A bearer key goes into headers and URLs of configuration tools: no `+`, `/` or `=`.
    typer.echo(
        secrets.token_urlsafe(_KEY_BYTES) if admin else base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
    )


@app.command()
def check(
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the metadata store and its key file (./data).")
    ] = None,
) -> None:
    """Say whether the configured key opens what is sealed in the metadata store. Nothing is made or changed."""
    import asyncio

    from api import settings
    from api.bootstrap import check_key

    checked = asyncio.run(check_key(settings.load(data_dir=data_dir)))
    typer.echo(checked.sentence)
    if not checked.opens:
        raise typer.Exit(ExitCode.FAILED)
