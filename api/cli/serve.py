"""`headwater serve`."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli import interrupts
from api.defaults import DATA_DIR, HOST, PORT


def serve(
    host: Annotated[str | None, typer.Option(help=f"Address to serve on ({HOST}).")] = None,
    port: Annotated[int | None, typer.Option(help=f"Port to serve on ({PORT}); 0 takes a free one.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help=f"Folder of the metadata store, its key and the demo (./{DATA_DIR}).")
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Make a demo shop, register and discover it.")] = False,
) -> None:
    """Serve GraphQL at /graphql until stopped by SIGINT or SIGTERM. Every option is also a HEADWATER_… variable."""
    with interrupts.noticed():
        from api import settings
        from api.observability import logs
        from api.serve import serve as run
    interrupts.check()

    loaded = settings.load(host=host, port=port, data_dir=data_dir, demo=demo or None)
    logs.configure(loaded.log_level)
    run(loaded)
