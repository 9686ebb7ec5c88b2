"""`headwater test`: a connection test, step by step as it happens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.text import Text

from api.cli import following, interrupts
from api.cli.connecting import JsonOption, Session, UrlOption, connected
from api.cli.exit_codes import ExitCode, Stop
from api.cli.following import ANSWER, FINAL, OPERATION, Move, Told, follow, started
from api.cli.naming import find_source
from api.cli.problems import advise
from api.cli.render import facts, milliseconds, shown, word

_ENDED = ("PASSED", "WARNED", "FAILED", "SKIPPED")


def connection_test(
    name: Annotated[str, typer.Argument(help="The source.")],
    budget: Annotated[
        float, typer.Option(metavar="SECONDS", help="How long the whole test may take.", min=0.1, max=120)
    ] = 30.0,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Test the connection of a source, and say what would help. Exit code 0 if it passed, 1 if it failed."""
    document = (
        "mutation($id: ID!, $budgetMs: Int!) { testConnection("
        f"target: {{ dataSource: $id }}, budgetMs: $budgetMs, waitMs: 0) {{ {ANSWER} }} }}" + OPERATION
    )
    with connected(url) as session:
        server, out = session.server, session.out
        source = find_source(server, name)
        with interrupts.undisturbed():
            answer = server.ask(document, id=source["id"], budgetMs=round(budget * 1_000))
            begun = started(answer["testConnection"])
        try:
            if json:
                ended = follow(server, begun["id"], lambda move: None)
            else:
                with _steps(session, source["name"]) as show:
                    ended = follow(server, begun["id"], show)
        except KeyboardInterrupt:
            interrupts.handled()
            _cancel(session, begun["id"])
            raise
        if json:
            out.json_line(ended)
        else:
            _tell_end(session, ended)
            advise(out, [remedy for step in ended["steps"] for remedy in step["fix"]])
        if ended["state"] != "SUCCEEDED":
            raise typer.Exit(ExitCode.FAILED)


@contextmanager
def _steps(session: Session, name: str) -> Iterator[Callable[[Move], None]]:
    """Shows each step once, when it ends; on a terminal, also the one that is under way."""
    from rich.status import Status

    out, err = session.out, session.err
    out.say(f"Testing {name}")
    waiting = Status("", console=err) if err.is_live else None
    told: set[str] = set()

    def show(move: Move) -> None:
        step = move["step"]
        if step is None or step["name"] in told:
            return
        if waiting is not None:
            waiting.stop()
        if step["state"] in _ENDED:
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


def _lines(step: Move) -> Iterator[Text]:
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


def _tell_end(session: Session, ended: Told) -> None:
    spent_ms = sum(step["durationMs"] or 0.0 for step in ended["steps"])
    what = {"SUCCEEDED": Text("Passed", "green"), "FAILED": Text("Failed", "red")}.get(
        ended["state"], word(ended["state"])
    )
    session.out.print(Text.assemble(what, f" after {milliseconds(spent_ms)}."))
    told = {(step["problem"] or {}).get("message") for step in ended["steps"]}
    for problem in ended["problems"]:
        if problem["message"] not in told:
            session.out.print(Text(shown(problem["message"])))


def _cancel(session: Session, id: str) -> None:
    """After a ctrl-C: whether the test has ended. A second ctrl-C does not wait."""
    session.err.say("Cancelling the test; ctrl-C again leaves at once.")
    try:
        ended = following.cancel(session.server, id)
    except Stop as stop:
        session.err.say(stop.message)
        return
    if ended["state"] in FINAL:
        session.err.say("The test has ended.")
    else:
        session.err.say("The test was asked to end, and has not yet.")
