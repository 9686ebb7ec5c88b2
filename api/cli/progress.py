"""The progress of a discovery: a bar that moves where there is a terminal, else a line now and then."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

from api.cli.operation import OperationEvent, tables
from api.cli.render import Output, seconds, shown

LINE_EVERY_S = 5.0
_NARROW = 60  # columns


@contextmanager
def progress_bar(err: Output, name: str) -> Iterator[Callable[[OperationEvent], None]]:
    """A function that shows an event of the discovery of this source. The bar goes away at the end of the block."""
    if not err.is_live:
        yield _Lines(err, name).show
        return
    with Progress(*_columns(name, err.width), console=err, transient=True, expand=False) as progress:
        task = progress.add_task("", total=None, tables="waiting for a worker", eta=None)
        furthest = 0.0

        def show(event: OperationEvent) -> None:
            nonlocal furthest
            # Told again after a lost connection, it would go back.
            furthest = max(furthest, event["progress"] or 0.0)
            progress.update(
                task,
                total=1.0 if furthest else None,
                completed=furthest,
                tables=tables(event),
                eta=event["etaSeconds"],
            )

        yield show


class _Eta(ProgressColumn):
    """The server's estimate: it knows the pace of reading, not of the bar."""

    def render(self, task: Task) -> Text:
        eta_s = task.fields["eta"]
        return Text("" if eta_s is None else f"{seconds(eta_s)} to go", style="dim")


def _columns(name: str, width: int) -> list[ProgressColumn]:
    count = TextColumn("{task.fields[tables]}", markup=False)
    if width < _NARROW:
        return [BarColumn(bar_width=max(4, width - 30)), count]
    label = shown(name)
    if len(label) > width // 4:
        label = label[: width // 4] + "…"
    # As text, not as a format: a name may hold braces.
    title = _Fixed(label)
    return [SpinnerColumn(), title, BarColumn(bar_width=max(8, width // 4)), _Percent(), count, _Eta()]


class _Fixed(ProgressColumn):
    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = Text(text)

    def render(self, task: Task) -> Text:
        return self._text


class _Percent(ProgressColumn):
    """How far it is."""

    def render(self, task: Task) -> Text:
        return Text("" if task.total is None else f"{task.percentage:3.0f} %")


class _Lines:
    """For a file: a line when there is something new, at most every 5 s."""

    def __init__(self, err: Output, name: str) -> None:
        self._err = err
        self._name = name
        self._said = ""
        self._said_s = time.monotonic()  # what takes no longer needs no line

    def show(self, event: OperationEvent) -> None:
        """Says how far it is, unless that was said a moment ago."""
        text, now_s = tables(event), time.monotonic()
        if text != self._said and now_s - self._said_s >= LINE_EVERY_S:
            eta = "" if event["etaSeconds"] is None else f", {seconds(event['etaSeconds'])} to go"
            self._err.say(f"{self._name}: {text}{eta}")
            self._said, self._said_s = text, now_s
