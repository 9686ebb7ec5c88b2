"""`headwater watch`: events as they happen, a line each."""

import shlex
from collections.abc import Callable
from contextlib import closing
from typing import Annotated, Any

import typer
from rich.text import Text

from api.cli import interrupts
from api.cli.data_source import find_source
from api.cli.errors import Stop
from api.cli.exit_codes import ExitCode
from api.cli.operation import tables
from api.cli.options import JsonOption, UrlOption, choice, names, spelled
from api.cli.render import changes, milliseconds, number, shown, utc, word
from api.cli.session import Session, connected
from domain.models.event import EventType
from domain.models.operation import OperationKind, OperationState

_HEARTBEAT_S = 10  # how old the cursor is at most that one goes on with

_EVENTS = """
subscription($after: Cursor, $filter: EventFilter, $heartbeat: Int) {
  events(after: $after, filter: $filter, heartbeatSeconds: $heartbeat) {
    cursor at replayed
    event {
      __typename
      ... on DataSourceEvent { dataSourceId name sourceAction: action }
      ... on RevisionEvent { dataSourceId name from to counts { name value unit } }
      ... on ChangeEvent { dataSourceId fqn revision changeAction: action }
      ... on OperationEvent {
        operationId kind state progress etaSeconds counts { name value unit }
        step { name state durationMs problem { code message } }
        operation { dataSource { id name } }
      }
      ... on HealthEvent { dataSourceId name status previousStatus score latencyMs }
      ... on Gap { reason lostFrom lostTo }
      ... on Heartbeat { latest }
    }
  }
}
"""
_HEALTH = """
subscription($dataSources: [ID!]) {
  health(dataSources: $dataSources) { dataSourceId name status previousStatus score latencyMs at }
}
"""


def watch(
    source: Annotated[list[str] | None, typer.Option(help="Only of this source; may be repeated.")] = None,
    type_: Annotated[
        list[EventType] | None,
        typer.Option(
            "--type", parser=choice(EventType), metavar=names(EventType), help="Only about this; may be repeated."
        ),
    ] = None,
    after: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Go on right behind this event, with nothing left out.")
    ] = None,
    health: Annotated[bool, typer.Option("--health", help="Every health check as it is made, instead.")] = False,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Follow events as they happen, a line each, until ctrl-C (exit code 130).

    After a lost connection it goes on where it was. At the end it says the command that goes on behind the last event.
    """
    if health and (type_ or after is not None):
        raise Stop("--health shows the checks as they are made: it has no --type and no --after.", ExitCode.USAGE)
    with connected(url) as session:
        ids = [find_source(session.server, name)["id"] for name in source or ()]
        if health:
            _follow_health(session, ids, json)
        else:
            _follow_events(session, ids, type_ or [], after, source or [], json)


def _follow_health(session: Session, ids: list[str], is_json: bool) -> None:
    variables = {"dataSources": ids or None}
    show = session.out.json_line if is_json else lambda sample: session.out.print(health_line(sample["at"], sample))
    with closing(session.server.follow(_HEALTH, lambda: variables)) as samples:
        for data in samples:
            show(data["health"])


def _follow_events(
    session: Session, ids: list[str], types: list[EventType], after: str | None, names: list[str], is_json: bool
) -> None:
    cursor: str | None = after
    filter_ = {"dataSources": ids or None, "types": [each.name for each in types] or None}

    def variables() -> dict[str, Any]:
        return {"after": cursor, "filter": filter_, "heartbeat": _HEARTBEAT_S}

    show: Callable[[Any], None] = session.out.json_line if is_json else lambda told: session.out.print(event_line(told))
    try:
        with closing(session.server.follow(_EVENTS, variables)) as events:
            for data in events:
                envelope = data["events"]
                with interrupts.undisturbed():  # what was shown is not asked for again
                    if envelope["event"]["__typename"] != "Heartbeat":
                        show(envelope)
                    cursor = envelope["cursor"]
                interrupts.check()
    finally:
        if cursor not in (None, after):
            session.err.say(f"Go on with: {_again(names, types, cursor)}")


def _again(names: list[str], types: list[EventType], cursor: str) -> str:
    """The command that goes on behind the cursor."""
    chosen = [part for name in names for part in ("--source", name)] + [
        part for each in types for part in ("--type", spelled(each))
    ]
    return shlex.join(["headwater", "watch", *chosen, "--after", cursor])


def event_line(envelope: dict[str, Any]) -> Text:
    """What happened, in one line: when, of what, what."""
    event = envelope["event"]
    match event["__typename"]:
        case "HealthEvent":
            return health_line(envelope["at"], event)
        case "DataSourceEvent":
            return _line(envelope["at"], event["name"], event["sourceAction"].lower())
        case "RevisionEvent":
            revision = f"revision {event['from']} → {event['to']}: {changes(event['counts'])}"
            return _line(envelope["at"], event["name"], revision)
        case "ChangeEvent":
            return _line(
                envelope["at"], event["fqn"], f"{event['changeAction'].lower()} in revision {event['revision']}"
            )
        case "OperationEvent":
            return _operation_line(envelope["at"], event)
        case "Gap":
            return _line(
                envelope["at"], "events were lost to this watcher", _GAPS.get(event["reason"], event["reason"])
            )
    return _line(envelope["at"], event["__typename"], "not known to this command; a newer one may be")


_GAPS = {
    "RETENTION": "they are older than what the log keeps",
    "LOG_RESET": "the cursor belongs to an earlier life of the log",
}


def health_line(at: str, sample: dict[str, Any]) -> Text:
    """How a source is doing, and how it did before."""
    before = sample["previousStatus"]
    turned = Text.assemble(word(before), " → ") if before not in (None, sample["status"]) else Text()
    score = "" if sample["score"] is None else f", score {number(sample['score'])}"
    latency = "" if sample["latencyMs"] is None else f", {milliseconds(sample['latencyMs'])}"
    return _line(at, sample["name"], turned, word(sample["status"]), score, latency)


def _operation_line(at: str, event: dict[str, Any]) -> Text:
    operation = event["operation"] or {}
    name = (operation.get("dataSource") or {}).get("name") or event["operationId"]
    kind = event["kind"].lower().replace("_", " ")
    step = event["step"]
    if step is not None:
        spent = "" if step["durationMs"] is None else f" after {milliseconds(step['durationMs'])}"
        trouble = "" if step["problem"] is None else f": {step['problem']['message']}"
        return _line(at, name, f"{kind}, {step['name']} ", word(step["state"]), f"{spent}{trouble}")
    is_reading = (
        event["kind"] == OperationKind.DISCOVERY and event["state"] == OperationState.RUNNING and event["progress"]
    )
    return _line(at, name, f"{kind} ", word(event["state"]), f", {tables(event)}" if is_reading else "")


def _line(at: str, name: str, *told: str | Text) -> Text:
    parts = [part if isinstance(part, Text) else shown(part) for part in told]
    return Text.assemble((utc(at), "dim"), "  ", (shown(name), "bold"), "  ", *parts)
