"""What the person at the terminal reads first: where it is, and, with the demo, three commands worth pasting."""

import ipaddress
import json
import shlex
from pathlib import Path

from api.settings import Settings

_QUERY = "{ dataSources { nodes { name status tables { nodes { fqn kind rowCount { value } } } } } }"
_SUBSCRIPTION = "subscription { health { name status score latencyMs at } }"
_MUTATION = """
mutation($path: String!) {
  testConnection(target: { draft: { name: "draft", connection: { sqlite: { path: $path } } } }) {
    ... on Operation { state steps { name state durationMs facts { name value unit } } }
  }
}
"""


def text(settings: Settings, port: int, demo_file: Path | None) -> str:
    """The greeting. With an admin key it says how to give one, and never shows it."""
    origin = f"http://{_reachable(settings.host)}:{port}"
    url = f"{origin}/graphql"
    lines = [f"Headwater serves {url} (ctrl-C stops it); explore it at {origin}/graphiql."]
    if demo_file is not None:
        variables = {"path": str(demo_file)}
        lines += [
            "Paste one of these into another terminal:",
            "",
            f"  # ask\n  {_curl(settings, url, _QUERY)}\n",
            f"  # change: test a connection\n  {_curl(settings, url, ' '.join(_MUTATION.split()), variables)}\n",
            f"  # watch\n  {_curl(settings, url, _SUBSCRIPTION, stream=True)}\n",
        ]
    return "\n".join(lines)


def _reachable(host: str) -> str:
    """The host as a URL has it: where one serves on every address, the one of this machine."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "localhost"
    return host if address.version == 4 else f"[{host}]"


def _curl(
    settings: Settings, url: str, query: str, variables: dict[str, str] | None = None, *, stream: bool = False
) -> str:
    body = {"query": query} if variables is None else {"query": query, "variables": variables}
    parts = ["curl", "-sN" if stream else "-s", url, "-H", "content-type: application/json"]
    if stream:
        parts += ["-H", "accept: text/event-stream"]
    if settings.admin_key is None:
        return f"{shlex.join(parts)} -d {shlex.quote(json.dumps(body))}"
    # Everybody on this machine can read curl's arguments, but not what the shell itself pipes into it.
    key = """printf 'authorization: Bearer %s\\n' "$HEADWATER_ADMIN_KEY" | """
    return f"{key}{shlex.join(parts)} -H @- -d {shlex.quote(json.dumps(body))}"
