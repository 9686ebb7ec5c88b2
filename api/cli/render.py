"""How things look on a terminal, and in a file: tables, times in UTC, numbers with units, JSON.

Without a terminal there are no colours and nothing is cut to a width; `NO_COLOR` and `TERM=dumb` are respected by rich.
"""

import json
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

_UNBOUND = 10_000  # columns of a file
_CHANGE = re.compile(r"(\w+?)s_(added|removed|modified)")

# What separates lines, turns the direction of writing, or is a command to the terminal: names in other people's
# databases may hold it.
_CONTROLS = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

STYLES = {
    **dict.fromkeys(("PASSED", "SUCCEEDED", "HEALTHY", "ACTIVE", "ADDED"), "green"),
    **dict.fromkeys(("WARNED", "PARTIAL", "DEGRADED", "AWAITING_CONFIRMATION", "MODIFIED", "CANCELLED"), "yellow"),
    **dict.fromkeys(("FAILED", "DOWN", "UNREACHABLE", "REMOVED"), "red"),
    **dict.fromkeys(("SKIPPED", "PENDING", "UNKNOWN", "DISABLED", "REGISTERED"), "dim"),
}


class Output(Console):
    """Standard output, or standard error, as rich sees it."""

    def __init__(self, stream: TextIO) -> None:
        self.is_screen = stream.isatty()
        super().__init__(
            file=stream,
            width=None if self.is_screen else _UNBOUND,
            force_terminal=None if self.is_screen else False,  # FORCE_COLOR would also force cursor movements
            highlight=False,
            markup=False,
            emoji=False,
            soft_wrap=True,
        )

    def on_broken_pipe(self) -> NoReturn:
        """Left to whoever ends the command."""
        raise BrokenPipeError

    @property
    def is_live(self) -> bool:
        """Whether a line can be drawn anew."""
        return self.is_screen and not self.is_dumb_terminal

    def say(self, *parts: str | Text) -> None:
        """One line of text; what is not meant as text for a terminal is shown as an escape."""
        self.print(Text.assemble(*(part if isinstance(part, Text) else Text(shown(part)) for part in parts)))

    def json_line(self, value: object) -> None:
        """One JSON document in one line, in ASCII: safe in every locale, on every terminal."""
        self.file.write(json.dumps(value) + "\n")
        self.file.flush()

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[str | Text]], *, right: Iterable[str] = ()) -> None:
        """Columns with headers, those in `right` aligned to the right. Cells that do not fit are folded."""
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
        for header in headers:
            table.add_column(header, justify="right" if header in right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(cell if isinstance(cell, Text) else Text(shown(cell)) for cell in row))
        self.print(table, soft_wrap=False)


def open_outputs() -> tuple[Output, Output]:
    """Standard output and standard error."""
    return Output(sys.stdout), Output(sys.stderr)


def shown(text: str) -> str:
    """Text that does nothing to a terminal: control characters as escapes, such as `\\x1b`."""
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in _CONTROLS else char for char in text
    )


def word(state: str | None) -> Text:
    """A state in words, coloured: `AWAITING_CONFIRMATION` → awaiting confirmation."""
    if state is None:
        return Text("–")
    return Text(shown(state).lower().replace("_", " "), style=STYLES.get(state, ""))


def utc(moment: str | None) -> str:
    """`2026-11-23T08:00:00.25Z` → `2026-11-23 08:00:00 UTC`; what is no moment stays as it is."""
    if moment is None:
        return "–"
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    return f"{parsed.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def number(value: float | None) -> str:
    """With thousands apart; decimals only where there are any."""
    return "–" if value is None else f"{value:,.10g}" if value != int(value) else f"{int(value):,}"


def milliseconds(value: float | None) -> str:
    """A length of time in the unit that suits it."""
    if value is None:
        return "–"
    if value < 1_000:
        return f"{value:.3g} ms" if value < 100 else f"{value:.0f} ms"
    return seconds(value / 1_000)


def seconds(value: float) -> str:
    """`4.2 s`, `3 min 20 s`, `2 h 5 min`."""
    if value < 60:
        return f"{value:.0f} s" if value >= 10 or value == int(value) else f"{value:.1f} s"
    minutes, rest_s = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest_s} s"
    return f"{minutes // 60} h {minutes % 60} min"


def fact(said: Mapping[str, Any]) -> str:
    """`server_version` 15.4 → `server version 15.4`."""
    if said["name"] == "reason":  # why something was left out is a sentence
        return str(said["value"])
    unit = f" {said['unit']}" if said.get("unit") else ""
    return f"{str(said['name']).replace('_', ' ')} {said['value']}{unit}"


def facts(said: Iterable[Mapping[str, Any]]) -> str:
    """All of them in one line."""
    return ", ".join(map(fact, said))


def changes(counts: Iterable[Mapping[str, Any]]) -> str:
    """From counts such as `tables_added`: `12 tables added, 1 column modified`; `no change` without any."""
    told = []
    for count in counts:
        match = _CHANGE.fullmatch(count["name"])
        if match is not None and count["value"] != "0":
            plural = "" if count["value"] == "1" else "s"
            told.append(f"{number(int(count['value']))} {match[1].replace('_', ' ')}{plural} {match[2]}")
    return ", ".join(told) or "no change"
