"""`headwater keys`: makes keys, and checks the one that is configured."""

import base64
import secrets
from pathlib import Path
from typing import Annotated

import typer

from api.cli.errors import Stop
from api.defaults import DATA_DIR

_KEY_BYTES = 32

app = typer.Typer(rich_markup_mode="markdown", help="Make keys, and check the configured one.", no_args_is_help=True)


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
        Path | None, typer.Option(help=f"Folder of the metadata store and its key file (./{DATA_DIR}).")
    ] = None,
) -> None:
    """Say whether the configured key opens what is sealed in the metadata store. Nothing is made or changed."""
    import asyncio

    from api import settings
    from api.bootstrap import check_key

    checked = asyncio.run(check_key(settings.load(data_dir=data_dir)))
    if not checked.has_key:
        typer.echo("Nothing is sealed yet, and no key is configured: the first start makes a key file.")
    elif not checked.sealed:
        typer.echo("The key is sound. Nothing is sealed yet: the first start seals the store under it.")
    elif checked.fits:
        typer.echo(f"The key opens all that is sealed in the metadata store ({checked.sealed} keys and secrets).")
    elif not checked.is_the_stores:
        raise Stop(
            "The configured key is not the one that the metadata store is sealed under. Put the right one into "
            "HEADWATER_ENCRYPTION_KEY or the key file in the data folder; nothing was changed."
        )
    else:
        raise Stop(
            f"The key is the store's, but opens only {checked.opened} of {checked.sealed} keys and secrets: the others "
            "were sealed under another key or were touched. Give those secrets again, or restore the store."
        )
