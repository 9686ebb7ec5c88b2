"""Sources: all of them, and the one that was named on the command line."""

from difflib import get_close_matches
from typing import Any

from api.cli.client import Server
from api.cli.errors import Stop
from api.cli.render import shown

PAGE = 100
MAX_PAGES = 100

_BY_NAME = "query($name: String!) { dataSource(by: { name: $name }) { id name kind } }"


def find_source(server: Server, name: str) -> dict[str, Any]:
    """Id, name and kind of a source. Raises `Stop` with the names that come nearest."""
    found: dict[str, Any] | None = server.ask(_BY_NAME, name=name)["dataSource"]
    if found is None:
        sources, _ = all_sources(server, "name")
        raise Stop(unknown(name, [each["name"] for each in sources]))
    return found


def all_sources(server: Server, fields: str) -> tuple[list[dict[str, Any]], bool]:
    """These fields of the first 10,000 sources, and whether these are all. Raises `Stop`."""
    document = (
        "query($first: Int!, $after: String) { dataSources(first: $first, after: $after) {"
        f" nodes {{ {fields} }} pageInfo {{ hasNextPage endCursor }} }} }}"
    )
    found: list[dict[str, Any]] = []
    after = None
    for _ in range(MAX_PAGES):
        page = server.ask(document, first=PAGE, after=after)["dataSources"]
        found += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return found, True
        after = page["pageInfo"]["endCursor"]
    return found, False


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
