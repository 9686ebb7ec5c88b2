"""Asking the person at the terminal."""

import sys

from api.cli.errors import Stop
from api.cli.exit_codes import ExitCode
from api.cli.render import Output, shown


def is_agreed(err: Output, question: str, *, otherwise: str) -> bool:
    """Whether the answer is yes. Raises `Stop` with `otherwise` where there is nobody to ask."""
    if not sys.stdin.isatty():
        raise Stop(f"There is no terminal to ask at. {otherwise}", ExitCode.USAGE)
    err.print(f"{shown(question)} [y/N] ", end="")
    err.file.flush()
    return sys.stdin.readline(100).strip().casefold() in ("y", "yes")
