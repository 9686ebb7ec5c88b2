"""What every command that speaks with a server has in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from api.cli.address import address

if TYPE_CHECKING:
    from api.cli.client import Server
    from api.cli.render import Output

UrlOption = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="The server; else HEADWATER_URL, else http://127.0.0.1:8000."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]


class Session(NamedTuple):
    """A server to ask, and where to say what: answers to `out`, the rest to `err`."""

    server: "Server"
    out: "Output"
    err: "Output"


@contextmanager
def connected(url: str | None) -> Iterator[Session]:
    """A session with the server that the command line or the environment names. Raises `Stop`."""
    from api.cli.client import Server  # loads httpx, which `--help` need not wait for
    from api.cli.render import open_outputs

    out, err = open_outputs()
    server = Server(
        address(url),
        on_lost=lambda reason: err.line(f"The connection was lost ({reason}). Trying again …"),
        on_found=lambda: err.line("Connected again."),
    )
    with server:
        yield Session(server, out, err)
