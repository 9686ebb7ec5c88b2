"""The command line.

Exit codes: 0 ended in order, 2 wrong usage, 69 a service that we need is away, 78 may not start as configured.
"""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from api import settings
from api.observability import logs
from domain.errors import ProblemError, StartRefused

# sysexits.h: what supervisors already understand.
EX_UNAVAILABLE = 69
EX_CONFIG = 78

app = typer.Typer(
    name="headwater",
    help="Every data source, one live graph.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def headwater() -> None:
    """Every data source, one live graph. Settings are read from HEADWATER_… variables; options go before them."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to serve on (127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to serve on (8000); 0 takes a free one.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the metadata store, its key and the demo (./data).")
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Make a demo shop, register and discover it.")] = False,
) -> None:
    """Serve GraphQL at /graphql until stopped by SIGINT or SIGTERM."""
    from api.serve import serve as run

    loaded = settings.load(host=host, port=port, data_dir=data_dir, demo=demo or None)
    logs.configure(loaded.log_level)
    run(loaded)


@app.command()
def schema() -> None:
    """Print the GraphQL schema."""
    from api.graphql.schema import schema_text

    sys.stdout.write(schema_text())


def main() -> None:
    """The entry point: what stops us on purpose is a sentence on standard error, never a traceback."""
    try:
        app()
    except StartRefused as error:
        _refuse(str(error), EX_CONFIG)
    except ProblemError as error:
        _refuse(error.problem.message, EX_UNAVAILABLE)
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise SystemExit(130) from None


def _refuse(message: str, code: int) -> None:
    typer.echo(f"headwater: {message}", err=True)
    raise SystemExit(code)
