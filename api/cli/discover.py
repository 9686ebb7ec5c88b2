"""`headwater discover`: reads what is inside a source, with a progress bar, and says what came of it."""

import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from api.cli import interrupts, operation
from api.cli.data_source import find_source
from api.cli.errors import Stop
from api.cli.exit_codes import ExitCode
from api.cli.operation import ANSWER, OPERATION, Operation, cancelled_by_interrupt, counted, started
from api.cli.options import JsonOption, UrlOption, choice, names, spelled
from api.cli.problems import advise
from api.cli.prompt import is_agreed
from api.cli.render import changes, milliseconds, number, utc
from api.cli.session import Session, connected
from domain.models.operation import OperationState, SyncMode
from domain.rules.guard import DEFAULT_MAX_SHARE

_MAX_SHOWN = 50  # of what could not be read
_ENDINGS = {OperationState.SUCCEEDED.value: ExitCode.DONE, OperationState.PARTIAL.value: ExitCode.PARTIAL}
_MODES = (SyncMode.FULL, SyncMode.INCREMENTAL)
_DOCUMENT = f"mutation($input: DiscoverInput!) {{ discover(input: $input) {{ {ANSWER} }} }}" + OPERATION


def discover(
    name: Annotated[str, typer.Argument(help="The source.")],
    mode: Annotated[
        SyncMode,
        typer.Option(
            parser=choice(_MODES),
            metavar=names(_MODES),
            show_default=spelled(SyncMode.INCREMENTAL),
            help="Read everything, or only what changed.",
        ),
    ] = SyncMode.INCREMENTAL,
    budget: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="How long it may take; the server has a default.")
    ] = None,
    max_removal_share: Annotated[
        float, typer.Option(metavar="SHARE", help="Ask when more of the tables than this would go.", min=0, max=1)
    ] = DEFAULT_MAX_SHARE,
    confirm: Annotated[bool, typer.Option("--confirm", help="Agree to removals without being asked.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Start it and do not wait for its end.")] = False,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Discover what is inside a source, and publish it as a new revision where something differs.

    One runs at a time for each source: a second call joins the running one. A first ctrl-C cancels it, a second one
    leaves at once.
    """
    asked: dict[str, Any] = {"mode": mode.name, "maxRemovalShare": max_removal_share}
    if budget is not None:
        asked["budgetMs"] = round(budget * 1_000)
    with connected(url) as session:
        source = find_source(session.server, name)
        asked["dataSource"] = source["id"]
        with interrupts.undisturbed():
            begun = started(session.server.ask(_DOCUMENT, input=asked)["discover"])
        if detach:
            _detached(session, begun, source["name"], json)
            return
        outcome = "nothing was published, the catalog is as it was."
        with cancelled_by_interrupt(session, begun["id"], "discovery", outcome=outcome):
            ended = _through(session, begun, source["name"], confirm=confirm)
        _tell_end(session, ended, source["name"], json)
    code = _ENDINGS.get(ended["state"], ExitCode.FAILED)
    if code is not ExitCode.DONE:
        raise typer.Exit(code)


def _detached(session: Session, begun: Operation, name: str, is_json: bool) -> None:
    if is_json:
        session.out.json_line(begun)
    else:
        session.out.say(f"The discovery goes on in the server as {begun['id']}.")
        session.err.say(f"Watch it: headwater discover {shlex.quote(name)} joins it.")


def _through(session: Session, begun: Operation, name: str, *, confirm: bool) -> Operation:
    """Follows it to its end, over the question whether to remove so much."""
    from api.cli.progress import progress_bar  # imports what only a bar needs

    server = session.server
    if begun["state"] != OperationState.QUEUED:
        session.err.say("A discovery of this source is running already; this joins it.")
    while True:
        with progress_bar(session.err, name) as show:
            reached = operation.follow(server, begun["id"], show)
        if reached["state"] != OperationState.AWAITING_CONFIRMATION:
            return reached
        if not _is_confirmed(session, reached, is_agreed_before=confirm):
            operation.cancel(server, reached["id"])
            raise Stop("Nothing was published: the catalog stays as it was.")
        operation.confirm(server, reached["id"], reached["confirmation"]["token"])


def _is_confirmed(session: Session, reached: Operation, *, is_agreed_before: bool) -> bool:
    wanted = reached["confirmation"]
    session.err.say(wanted["reason"])
    if is_agreed_before:
        return True
    if not sys.stdin.isatty():
        raise Stop(
            f"It waits for somebody's consent until {utc(wanted['expiresAt'])}. Say --confirm to give it from here, or "
            f"use the mutation confirmOperation for {reached['id']}."
        )
    return is_agreed(session.err, "Publish it all the same?", otherwise="Say --confirm to agree beforehand.")


def _tell_end(session: Session, ended: Operation, name: str, is_json: bool) -> None:
    out = session.out
    if is_json:
        out.json_line(ended)
        return
    out.say(_sentence(ended, name))
    for problem in ended["problems"]:
        out.say(f"  {problem['message']}")
    if ended["state"] == OperationState.PARTIAL:
        _tell_unread(session, (ended["dataSource"] or {}).get("freshness", {}).get("unread", ()))
    advise(out, [remedy for problem in ended["problems"] for remedy in problem["fix"]])


def _sentence(ended: Operation, name: str) -> str:
    read = f"{number(counted(ended, 'tables_done'))} tables, {number(counted(ended, 'columns_read'))} columns read"
    spent = _spent(ended)
    match ended["state"]:
        case OperationState.SUCCEEDED | OperationState.PARTIAL if ended["publishedRevision"] is None:
            return f"Nothing changed in {name} ({read}{spent})."
        case OperationState.SUCCEEDED | OperationState.PARTIAL:
            what = f"revision {ended['publishedRevision']} of {name}"
            return f"Published {what}: {changes(ended['counts'])} ({read}{spent})."
        case OperationState.CANCELLED:
            return f"The discovery of {name} was cancelled: nothing was published."
    return f"The discovery of {name} failed{spent}: the catalog stays as it was."


def _spent(ended: Operation) -> str:
    if not (ended["startedAt"] and ended["endedAt"]):
        return ""
    begun, end = (datetime.fromisoformat(ended[key]).astimezone(UTC) for key in ("startedAt", "endedAt"))
    return f", {milliseconds((end - begun).total_seconds() * 1_000)}"


def _tell_unread(session: Session, unread: Sequence[dict[str, Any]]) -> None:
    session.out.say(f"Not read, and left in the catalog as it was ({len(unread)}):")
    for each in unread[:_MAX_SHOWN]:
        session.out.say(f"  {each['fqn']}: {each['reason']}")
    if len(unread) > _MAX_SHOWN:
        session.out.say(f"  … and {len(unread) - _MAX_SHOWN} more: `headwater sources show` lists all.")
