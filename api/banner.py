"""What the person at the terminal reads first: where it is, and, with the demo, three commands worth pasting."""

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
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{port}/graphql"
    lines = [f"Headwater serves {url} (ctrl-C stops it); explore it at http://{host}:{port}/graphiql."]
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


def _curl(
    settings: Settings, url: str, query: str, variables: dict[str, str] | None = None, *, stream: bool = False
) -> str:
    body = {"query": query} if variables is None else {"query": query, "variables": variables}
    parts = ["curl", "-sN" if stream else "-s", url, "-H", "content-type: application/json"]
    if stream:
        parts += ["-H", "accept: text/event-stream"]
    key = "" if settings.admin_key is None else ' -H "authorization: Bearer $HEADWATER_ADMIN_KEY"'
    return shlex.join(parts) + key + " -d " + shlex.quote(json.dumps(body))
