"""`headwater discover`: reads what is inside a source, with a progress bar, and says what came of it."""

import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from api.cli import following, interrupts
from api.cli.asking import is_agreed
from api.cli.connecting import JsonOption, Session, UrlOption, connected
from api.cli.exit_codes import ExitCode, Stop
from api.cli.following import ANSWER, FINAL, OPERATION, Told, counted, started
from api.cli.naming import find_source
from api.cli.problems import advise
from api.cli.render import changes, milliseconds, number, utc, word

_MAX_SHOWN = 50  # of what could not be read
_ENDINGS = {"SUCCEEDED": ExitCode.DONE, "PARTIAL": ExitCode.PARTIAL}


class Mode(StrEnum):
    """How much is read."""

    FULL = "full"
    INCREMENTAL = "incremental"


def discover(
    name: Annotated[str, typer.Argument(help="The source.")],
    mode: Annotated[Mode, typer.Option(help="Read everything, or only what changed.")] = Mode.INCREMENTAL,
    budget: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="How long it may take (600).", min=1, max=3_600)
    ] = None,
    max_removal_share: Annotated[
        float, typer.Option(metavar="SHARE", help="Ask when more of the tables than this would go.", min=0, max=1)
    ] = 0.2,
    confirm: Annotated[bool, typer.Option("--confirm", help="Agree to removals without being asked.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Start it and do not wait for its end.")] = False,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Discover what is inside a source, and publish it as a new revision where something differs.

    One runs at a time for each source: a second call joins the running one. A first ctrl-C cancels it, a second one
    leaves at once.
    """
    document = f"mutation($input: DiscoverInput!) {{ discover(input: $input) {{ {ANSWER} }} }}" + OPERATION
    with connected(url) as session:
        source = find_source(session.server, name)
        asked: dict[str, Any] = {
            "dataSource": source["id"],
            "mode": mode.name,
            "maxRemovalShare": max_removal_share,
        }
        if budget is not None:
            asked["budgetMs"] = round(budget * 1_000)
        with interrupts.undisturbed():
            begun = started(session.server.ask(document, input=asked)["discover"])
        if detach:
            _detached(session, begun, source["name"], json)
            return
        if _is_joined(begun):
            session.err.say("A discovery of this source is running already; this joins it.")
        try:
            ended = _through(session, begun, source["name"], confirm=confirm)
        except KeyboardInterrupt:
            interrupts.handled()
            _cancel(session, begun["id"])
            raise
        _tell_end(session, ended, source["name"], json)
        code = _ENDINGS.get(ended["state"], ExitCode.FAILED)
        if code is not ExitCode.DONE:
            raise typer.Exit(code)


def _detached(session: Session, begun: Told, name: str, is_json: bool) -> None:
    if is_json:
        session.out.json_line(begun)
    else:
        session.out.say(f"The discovery goes on in the server as {begun['id']}.")
        session.err.say(f"Watch it: headwater discover {shlex.quote(name)} joins it.")


def _is_joined(begun: Told) -> bool:
    return bool(begun["state"] != "QUEUED")


def _through(session: Session, begun: Told, name: str, *, confirm: bool) -> Told:
    """Follows it to its end, over the question whether to remove so much."""
    from api.cli.progress import progress_bar  # imports what only a bar needs

    server = session.server
    while True:
        with progress_bar(session.err, name) as show:
            operation = following.follow(server, begun["id"], show)
        if operation["state"] != following.AWAITING:
            return operation
        wanted = operation["confirmation"]
        if not _is_confirmed(session, operation, is_agreed_before=confirm):
            following.cancel(server, operation["id"])
            raise Stop("Nothing was published: the catalog stays as it was.")
        following.confirm(server, operation["id"], wanted["token"])


def _is_confirmed(session: Session, operation: Told, *, is_agreed_before: bool) -> bool:
    wanted = operation["confirmation"]
    session.err.say(wanted["reason"])
    if is_agreed_before:
        return True
    if not sys.stdin.isatty():
        raise Stop(
            f"It waits for somebody's consent until {utc(wanted['expiresAt'])}. Say --confirm to give it from here, or "
            f"use the mutation confirmOperation for {operation['id']}."
        )
    return is_agreed(session.err, "Publish it all the same?", otherwise="Say --confirm to agree beforehand.")


def _cancel(session: Session, id: str) -> None:
    """After a ctrl-C. What the server said last; a second ctrl-C does not wait for it."""
    session.err.say("Cancelling the discovery; ctrl-C again leaves at once.")
    try:
        ended = following.cancel(session.server, id)
    except Stop as stop:
        session.err.say(stop.message, f" The discovery {id} may go on.")
        return
    except KeyboardInterrupt:
        session.err.say(f"The discovery {id} was asked to end, and may go on for a moment.")
        raise
    if ended["state"] == "CANCELLED":
        session.err.say("Cancelled: nothing was published, the catalog is as it was.")
    elif ended["state"] in FINAL:
        session.err.say("It had ended before: ", word(ended["state"]), ".")
    else:
        session.err.say(f"The discovery {id} was asked to end, and has not yet.")


def _tell_end(session: Session, ended: Told, name: str, is_json: bool) -> None:
    out = session.out
    if is_json:
        out.json_line(ended)
        return
    out.say(_sentence(ended, name))
    for problem in ended["problems"]:
        out.say(f"  {problem['message']}")
    if ended["state"] == "PARTIAL":
        _tell_unread(session, (ended["dataSource"] or {}).get("freshness", {}).get("unread", ()))
    advise(out, [remedy for problem in ended["problems"] for remedy in problem["fix"]])


def _sentence(ended: Told, name: str) -> str:
    read = f"{number(counted(ended, 'tables_done'))} tables, {number(counted(ended, 'columns_read'))} columns read"
    spent = _spent(ended)
    match ended["state"]:
        case "SUCCEEDED" | "PARTIAL" if ended["publishedRevision"] is None:
            return f"Nothing changed in {name} ({read}{spent})."
        case "SUCCEEDED" | "PARTIAL":
            what = f"revision {ended['publishedRevision']} of {name}"
            return f"Published {what}: {changes(ended['counts'])} ({read}{spent})."
        case "CANCELLED":
            return f"The discovery of {name} was cancelled: nothing was published."
    return f"The discovery of {name} failed{spent}: the catalog stays as it was."


def _spent(ended: Told) -> str:
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
