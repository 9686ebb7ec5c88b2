"""A session with a server: what every command that speaks with one has in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from api.cli import interrupts
from api.cli.address import address
from api.cli.client import Server
from api.cli.render import Output, open_outputs


class Session(NamedTuple):
    """A server to ask, and where to say what: answers to `out`, the rest to `err`."""

    server: Server
    out: Output
    err: Output


@contextmanager
def connected(url: str | None) -> Iterator[Session]:
    """A session with the server that the command line or the environment names. Raises `Stop`."""
    out, err = open_outputs()
    server = Server(
        address(url),
        on_lost=lambda reason: err.say(f"The connection was lost ({reason}). Trying again …"),
        on_found=lambda: err.say("Connected again."),
    )
    with interrupts.noticed(), server:
        yield Session(server, out, err)
