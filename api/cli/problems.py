"""What a mutation says is in the way, as a sentence."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from api.cli.errors import Stop
from api.cli.exit_codes import ExitCode
from api.cli.render import Output, shown

FIELDS = "code message fix { title detail statement docs }"
FRAGMENT = f"... on Problem {{ {FIELDS} path }}"

_CODES = {"ForbiddenProblem": ExitCode.NOT_PERMITTED, "UnavailableProblem": ExitCode.UNAVAILABLE}


def stop(problem: Mapping[str, Any]) -> NoReturn:
    """Ends the command with a problem that was the answer. `path` leads into the request, not the command line."""
    advice = [f"{each['title']}: {each['detail']}" for each in problem["fix"]]
    code = _CODES.get(problem["__typename"], ExitCode.FAILED)
    raise Stop(shown(" ".join([problem["message"], *advice])), code)


def advise(out: Output, remedies: Sequence[Mapping[str, Any]]) -> None:
    """What would help, with the statement to run on a line of its own."""
    if not remedies:
        return
    out.say("")
    out.say("Advice:")
    for remedy in remedies:
        out.say(f"  {remedy['title']}")
        out.say(f"    {remedy['detail']}")
        for statement in (remedy["statement"] or "").splitlines():
            out.say(f"    {statement}")
        if remedy["docs"]:
            out.say(f"    See {remedy['docs']}")
