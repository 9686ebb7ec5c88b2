"""One operation: followed to its end, confirmed, cancelled."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from api.cli import interrupts
from api.cli.client import Server
from api.cli.errors import Stop
from api.cli.problems import FIELDS, FRAGMENT, stop
from api.cli.render import number, word
from api.cli.session import Session
from domain.models.operation import OperationState

CANCEL_WITHIN_S = 10.0  # for the server's word that an operation was cancelled
_LOOK_EVERY_S = 0.2
_FINAL = frozenset(state for state in OperationState if state.is_final)

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

# As the server tells them.
Operation = dict[str, Any]
OperationEvent = dict[str, Any]


def is_final(operation: Operation | OperationEvent) -> bool:
    """Whether nothing more will happen."""
    return operation["state"] in _FINAL


def follow(server: Server, id: str, on_event: Callable[[OperationEvent], None]) -> Operation:
    """Tells every event of the operation, and returns it as soon as nothing more happens by itself.

    After a lost connection all its events so far are told again. Raises `Stop`.
    """
    with closing(server.follow(_FOLLOW, lambda: {"id": id})) as events:
        for data in events:
            event = data["operation"]["event"]
            if event["__typename"] != "OperationEvent":
                continue
            on_event(event)
            if is_final(event) or event["state"] == OperationState.AWAITING_CONFIRMATION:
                break
    return read(server, id)


def read(server: Server, id: str) -> Operation:
    """The operation as it is. Raises `Stop`, also when it is gone with its source."""
    found: Operation | None = server.ask(_READ, id=id)["operation"]
    if found is None:
        raise Stop("The operation is gone: its source was removed meanwhile. `headwater sources` lists those left.")
    return found


def started(answer: Operation) -> Operation:
    """The operation of a mutation's answer. Raises `Stop` with the problem that is in the way."""
    if answer["__typename"] != "Operation":
        stop(answer)
    return answer


def confirm(server: Server, id: str, token: str) -> Operation:
    """Lets an operation that waits for a person go on. Raises `Stop`."""
    return started(server.ask(_CONFIRM, id=id, token=token)["confirmOperation"])


def cancel(server: Server, id: str) -> Operation:
    """Asks the operation to stop, and returns it once it has ended, or as it is after 10 s. Raises `Stop`."""
    operation = started(server.ask(_CANCEL, id=id)["cancelOperation"])
    until_s = time.monotonic() + CANCEL_WITHIN_S
    while not is_final(operation) and time.monotonic() < until_s:
        time.sleep(_LOOK_EVERY_S)
        operation = read(server, id)
    return operation


@contextmanager
def cancelled_by_interrupt(session: Session, id: str, noun: str, *, outcome: str) -> Iterator[None]:
    """In this block a ctrl-C cancels the operation; a second one does not wait for that.

    `noun` is what a person calls it, `outcome` what being cancelled means.
    """
    try:
        yield
    except KeyboardInterrupt:
        interrupts.handled()
        _cancel(session, id, noun, outcome)
        raise


def _cancel(session: Session, id: str, noun: str, outcome: str) -> None:
    session.err.say(f"Cancelling the {noun}; ctrl-C again leaves at once.")
    try:
        operation = cancel(session.server, id)
    except Stop as stop:
        session.err.say(stop.message, f" The {noun} {id} may go on.")
        return
    except KeyboardInterrupt:
        session.err.say(f"The {noun} {id} was asked to end, and may go on for a moment.")
        raise
    if operation["state"] == OperationState.CANCELLED:
        session.err.say(f"Cancelled: {outcome}")
    elif is_final(operation):
        session.err.say("It had ended before: ", word(operation["state"]), ".")
    else:
        session.err.say(f"The {noun} {id} was asked to end, and has not yet.")


def counted(operation: Operation | OperationEvent, name: str) -> int:
    """A count of the operation; 0 where it was not made."""
    return next((int(fact["value"]) for fact in operation["counts"] if fact["name"] == name), 0)


def tables(event: OperationEvent) -> str:
    """How many tables of how many, or what is done instead."""
    listed, done = counted(event, "tables_listed"), counted(event, "tables_done")
    if event["state"] == OperationState.QUEUED:
        return "waiting for a worker"
    if is_final(event):
        return f"{number(done)} tables"
    if not listed:
        return "connecting"
    if done == listed:
        return f"{number(listed)} tables, publishing"
    return f"{number(done)} of {number(listed)} tables"
