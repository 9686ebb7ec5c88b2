"""Options that several commands have, and options that choose among the members of an enumeration."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Annotated, TypeVar

import typer

from api.cli.address import DEFAULT_URL, URL_VARIABLE

E = TypeVar("E", bound=StrEnum)

UrlOption = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help=f"The server; else {URL_VARIABLE}, else {DEFAULT_URL}."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]


def spelled(member: str) -> str:
    """A member as it is written on the command line: `VERIFY_CA` → verify-ca."""
    return member.lower().replace("_", "-")


def names(members: Iterable[StrEnum]) -> str:
    """All that may be chosen, for the help."""
    return f"[{'|'.join(map(spelled, members))}]"


def choice(members: Iterable[E]) -> Callable[[str], E]:
    """Finds the member that was written, in any case."""
    by_name = {spelled(member): member for member in members}

    def parse(text: str) -> E:
        member = by_name.get(spelled(text))
        if member is None:
            raise typer.BadParameter(f"{text!r} is not one of {', '.join(by_name)}.")
        return member

    return parse
