"""Finding what was named on the command line."""

from difflib import get_close_matches
from typing import Any

from api.cli.client import Server
from api.cli.exit_codes import Stop
from api.cli.render import shown

PAGE = 100
MAX_PAGES = 100

_BY_NAME = "query($name: String!) { dataSource(by: { name: $name }) { id name kind } }"
_NAMES = """
query($first: Int!, $after: String) {
  dataSources(first: $first, after: $after) { nodes { name } pageInfo { hasNextPage endCursor } }
}
"""


def find_source(server: Server, name: str) -> dict[str, Any]:
    """Id, name and kind of a source. Raises `Stop` with the names that come nearest."""
    found: dict[str, Any] | None = server.ask(_BY_NAME, name=name)["dataSource"]
    if found is None:
        raise Stop(unknown(name, _names(server)))
    return found


def unknown(name: str, names: list[str]) -> str:
    """That there is no source of this name, and which one may have been meant."""
    said = f"There is no source called {shown(name)}."
    if not names:
        return f"{said} None is registered yet: `headwater sources add` registers one."
    folded = {each.casefold(): each for each in reversed(names)}
    near = [shown(folded[each]) for each in get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)]
    if near:
        said += f" Did you mean {' or '.join(near)}?"
    return f"{said} `headwater sources` lists them."


def _names(server: Server) -> list[str]:
    names: list[str] = []
    after = None
    for _ in range(MAX_PAGES):
        page = server.ask(_NAMES, first=PAGE, after=after)["dataSources"]
        names += [node["name"] for node in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    return names
