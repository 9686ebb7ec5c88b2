"""`headwater test`: a connection test, step by step as it happens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Annotated, Any

import typer
from rich.text import Text

from api.cli import interrupts
from api.cli.data_source import find_source
from api.cli.exit_codes import ExitCode
from api.cli.operation import ANSWER, OPERATION, Operation, OperationEvent, cancelled_by_interrupt, follow, started
from api.cli.options import JsonOption, UrlOption
from api.cli.problems import advise
from api.cli.render import facts, milliseconds, shown, word
from api.cli.session import Session, connected
from domain.models.operation import OperationState, StepState

_DOCUMENT = (
    "mutation($id: ID!, $budgetMs: Int) { testConnection("
    f"target: {{ dataSource: $id }}, budgetMs: $budgetMs, waitMs: 0) {{ {ANSWER} }} }}" + OPERATION
)


def connection_test(
    name: Annotated[str, typer.Argument(help="The source.")],
    budget: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="How long the whole test may take; the server has a default."),
    ] = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Test the connection of a source, and say what would help. Exit code 0 if it passed, 1 if it failed."""
    with connected(url) as session:
        server, out = session.server, session.out
        source = find_source(server, name)
        asked = {"id": source["id"]}
        if budget is not None:
            asked["budgetMs"] = round(budget * 1_000)
        with interrupts.undisturbed():
            begun = started(server.ask(_DOCUMENT, **asked)["testConnection"])
        with (
            cancelled_by_interrupt(session, begun["id"], "test", outcome="the test has ended."),
            nullcontext(lambda event: None) if json else _steps(session, source["name"]) as show,
        ):
            ended = follow(server, begun["id"], show)
        if json:
            out.json_line(ended)
        else:
            _tell_end(session, ended)
            advise(out, [remedy for step in ended["steps"] for remedy in step["fix"]])
        if ended["state"] != OperationState.SUCCEEDED:
            raise typer.Exit(ExitCode.FAILED)


@contextmanager
def _steps(session: Session, name: str) -> Iterator[Callable[[OperationEvent], None]]:
    """Shows each step once, when it ends; on a terminal, also the one that is under way."""
    from rich.status import Status

    out, err = session.out, session.err
    out.say(f"Testing {name}")
    waiting = Status("", console=err) if err.is_live else None
    told: set[str] = set()

    def show(event: OperationEvent) -> None:
        step = event["step"]
        if step is None or step["name"] in told:
            return
        if waiting is not None:
            waiting.stop()
        if step["state"] not in (StepState.PENDING, StepState.RUNNING):
            told.add(step["name"])
            for line in _lines(step):
                out.print(line)
        elif waiting is not None:
            waiting.update(f"{shown(step['name'])} …")
            waiting.start()

    try:
        yield show
    finally:
        if waiting is not None:
            waiting.stop()


def _lines(step: dict[str, Any]) -> Iterator[Text]:
    """Name, state, duration and what was measured; below it what went wrong."""
    state = word(step["state"])
    state.pad_right(8 - len(state))
    measured = (
        f"{milliseconds(step['durationMs']):>8}  {facts(step['facts'])}" if step["durationMs"] is not None else ""
    )
    line = Text.assemble(f"  {shown(step['name']):<13} ", state, shown(measured or facts(step["facts"])))
    line.rstrip()
    yield line
    if step["problem"] is not None:
        yield Text(f"    {shown(step['problem']['message'])}")


def _tell_end(session: Session, ended: Operation) -> None:
    spent_ms = sum(step["durationMs"] or 0.0 for step in ended["steps"])
    what = {"SUCCEEDED": Text("Passed", "green"), "FAILED": Text("Failed", "red")}.get(
        ended["state"], word(ended["state"])
    )
    session.out.print(Text.assemble(what, f" after {milliseconds(spent_ms)}."))
    told = {(step["problem"] or {}).get("message") for step in ended["steps"]}
    for problem in ended["problems"]:
        if problem["message"] not in told:
            session.out.print(Text(shown(problem["message"])))
