"""Following one operation to its end, and asking for its end."""

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from api.cli.client import Server
from api.cli.exit_codes import Stop
from api.cli.problems import FIELDS, FRAGMENT, stop
from api.cli.render import number

FINAL = ("SUCCEEDED", "PARTIAL", "FAILED", "CANCELLED")
AWAITING = "AWAITING_CONFIRMATION"
CANCEL_WITHIN_S = 10.0  # for the server's word that an operation was cancelled
_LOOK_EVERY_S = 0.2

OPERATION = f"""
fragment Told on Operation {{
  id kind state createdAt startedAt endedAt progress etaSeconds publishedRevision
  counts {{ name value unit }}
  steps {{
    name state mandatory durationMs facts {{ name value unit }}
    problem {{ {FIELDS} }} fix {{ title detail statement docs }}
  }}
  problems {{ {FIELDS} }}
  confirmation {{ token reason wouldRemove expiresAt }}
  dataSource {{ id name revision freshness {{ coverage unread {{ fqn reason }} }} }}
}}
"""
ANSWER = f"__typename ... on Operation {{ ...Told }} {FRAGMENT}"

_FOLLOW = """
subscription($id: ID!) {
  operation(id: $id) { event { __typename ... on OperationEvent {
    state progress etaSeconds counts { name value }
    step { name state durationMs facts { name value unit } problem { message } }
  } } }
}
"""
_READ = "query($id: ID!) { operation(id: $id) { ...Told } }" + OPERATION
_CANCEL = f"mutation($id: ID!) {{ cancelOperation(id: $id) {{ {ANSWER} }} }}" + OPERATION
_CONFIRM = (
    f"mutation($id: ID!, $token: String!) {{ confirmOperation(id: $id, token: $token) {{ {ANSWER} }} }}" + OPERATION
)

Move = dict[str, Any]  # an OperationEvent
Told = dict[str, Any]  # an Operation


def follow(server: Server, id: str, on_move: Callable[[Move], None]) -> Told:
    """Tells every move of the operation, and returns it as soon as nothing more happens by itself.

    After a lost connection all its moves so far are told again. Raises `Stop`.
    """
    with closing(server.follow(_FOLLOW, lambda: {"id": id})) as events:
        for data in events:
            event = data["operation"]["event"]
            if event["__typename"] != "OperationEvent":
                continue
            on_move(event)
            if event["state"] in (*FINAL, AWAITING):
                break
    return read(server, id)


def read(server: Server, id: str) -> Told:
    """The operation as it is. Raises `Stop`, also when it is gone with its source."""
    found: Told | None = server.ask(_READ, id=id)["operation"]
    if found is None:
        raise Stop("The operation is gone: its source was removed meanwhile. `headwater sources` lists those left.")
    return found


def started(answer: Told) -> Told:
    """The operation of a mutation's answer. Raises `Stop` with the problem that is in the way."""
    if answer["__typename"] != "Operation":
        stop(answer)
    return answer


def confirm(server: Server, id: str, token: str) -> Told:
    """Lets an operation that waits for a person go on. Raises `Stop`."""
    return started(server.ask(_CONFIRM, id=id, token=token)["confirmOperation"])


def cancel(server: Server, id: str) -> Told:
    """Asks the operation to stop, and returns it once it has ended, or as it is after 10 s. Raises `Stop`."""
    operation = started(server.ask(_CANCEL, id=id)["cancelOperation"])
    until_s = time.monotonic() + CANCEL_WITHIN_S
    while operation["state"] not in FINAL and time.monotonic() < until_s:
        time.sleep(_LOOK_EVERY_S)
        operation = read(server, id)
    return operation


def counted(operation: Told | Move, name: str) -> int:
    """A count of the operation; 0 where it was not made."""
    return next((int(fact["value"]) for fact in operation["counts"] if fact["name"] == name), 0)


def tables(move: Move) -> str:
    """How many tables of how many, or what is done instead."""
    listed, done = counted(move, "tables_listed"), counted(move, "tables_done")
    if move["state"] == "QUEUED":
        return "waiting for a worker"
    if move["state"] in FINAL:
        return f"{number(done)} tables"
    if not listed:
        return "connecting"
    if done == listed:
        return f"{number(listed)} tables, publishing"
    return f"{number(done)} of {number(listed)} tables"
