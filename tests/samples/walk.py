"""A source as Headwater tells it: everything that there is, page by page, through GraphQL alone."""

from collections.abc import AsyncIterator
from typing import Any

from tests.e2e.client import GraphqlClient
from tests.samples.statements import Path, Statement, Statements, without_parentheses

# Pages are small, so that every list has several.
_NAMESPACES = 7
_TABLES = 9
_COLUMNS = 40
_RELATIONSHIPS = 3

_COLUMN_FIELDS = """
  name ordinal nativeType dataType nullable default generated comment enumValues isPrimaryKey
  references { ...Key } referencedBy { ...Key }
"""
_FRAGMENTS = """
fragment Key on Relationship {
  id from { tableFqn columnNames columns { name } } to { tableFqn columnNames columns { name } } onDelete onUpdate
}
"""
_NAMESPACE_PAGE = """
query($source: ID!, $after: String, $first: Int!) {
  dataSource(by: { id: $source }) { page: namespaces(first: $first, after: $after) {
    totalCount { value exact } pageInfo { hasNextPage endCursor } nodes { id path comment }
  } }
}
"""
_TABLE_PAGE = """
query($id: ID!, $after: String, $first: Int!) {
  node(id: $id) { ... on Namespace { page: tables(first: $first, after: $after) {
    totalCount { value exact } pageInfo { hasNextPage endCursor }
    nodes {
      id fqn name kind comment definition rowCount { value exact } facts { name value }
      primaryKey { name }
      constraints { name kind columns expression }
      indexes { name unique columns method predicate }
    }
  } } }
}
"""
_COLUMN_PAGE = (
    """
query($id: ID!, $after: String, $first: Int!) {
  node(id: $id) { ... on Table { page: columns(first: $first, after: $after) {
    totalCount { value exact } pageInfo { hasNextPage endCursor } nodes { """
    + _COLUMN_FIELDS
    + """ }
  } } }
}
"""
    + _FRAGMENTS
)
_RELATIONSHIP_PAGE = (
    """
query($id: ID!, $after: String, $first: Int!) {
  node(id: $id) { ... on Table { page: relationships(first: $first, after: $after) {
    totalCount { value exact } pageInfo { hasNextPage endCursor } nodes { ...Key evidence }
  } } }
}
"""
    + _FRAGMENTS
)


class Found:
    """What the walk brought home; `unknown_types` are those of which no family is known."""

    def __init__(self) -> None:
        self.statements = Statements()
        self.unknown_types: set[str] = set()

    def say(self, what: str, where: Path, value: Any) -> None:
        self.statements[Statement(what, where, value)] += 1


async def walk(client: GraphqlClient, source_id: str) -> Found:
    """Namespaces, then tables, then what belongs to each."""
    found = Found()
    async for namespace in _pages(client, _NAMESPACE_PAGE, _NAMESPACES, source=source_id):
        name = namespace["path"][-1]
        found.say("comment", (name,), namespace["comment"])
        async for table in _pages(client, _TABLE_PAGE, _TABLES, id=namespace["id"]):
            where = (name, table["name"])
            _say_table(found, where, table)
            async for column in _pages(client, _COLUMN_PAGE, _COLUMNS, id=table["id"]):
                _say_column(found, (*where, column["name"]), column)
            async for key in _pages(client, _RELATIONSHIP_PAGE, _RELATIONSHIPS, id=table["id"]):
                found.say("relationship", where, (key["evidence"], *_key(key)))
    return found


async def _pages(client: GraphqlClient, document: str, first: int, **variables: Any) -> AsyncIterator[dict[str, Any]]:
    """All nodes of a connection; the last page must have brought as many as the connection counted."""
    after, seen = None, 0
    while True:
        (owner,) = (await client.query(document, first=first, after=after, **variables)).values()
        page = owner["page"]
        for node in page["nodes"]:
            yield node
        seen += len(page["nodes"])
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            assert page["totalCount"] == {"value": seen, "exact": True}
            return


def _say_table(found: Found, where: Path, table: dict[str, Any]) -> None:
    found.say("kind", where, table["kind"])
    found.say("comment", where, table["comment"])
    found.say("definition", where, table["definition"])
    found.say("primary key", where, tuple(column["name"] for column in table["primaryKey"]))
    if table["rowCount"] is not None:
        found.say("rows", where, table["rowCount"]["value"])
    for one in table["constraints"]:
        # The columns of a check have no order that means anything.
        columns = sorted(one["columns"]) if one["kind"] == "CHECK" else one["columns"]
        found.say("constraint", where, (one["kind"], one["name"], tuple(columns), one["expression"]))
    for one in table["indexes"]:
        value = (one["name"], one["unique"], tuple(one["columns"]), one["method"], one["predicate"])
        found.say("index", where, value)
    for one in table["facts"]:
        found.say("fact", where, (one["name"], one["value"]))


def _say_column(found: Found, where: Path, column: dict[str, Any]) -> None:
    if column["dataType"] == "UNKNOWN":
        found.unknown_types.add(column["nativeType"])
    found.say("ordinal", where, column["ordinal"])
    found.say("type", where, column["nativeType"])
    found.say("nullable", where, column["nullable"])
    found.say("default", where, column["default"])
    found.say("generated", where, bare_generated(column["generated"]))
    found.say("comment", where, column["comment"])
    found.say("in primary key", where, column["isPrimaryKey"])
    values = column["enumValues"]
    found.say("enum values", where, None if values is None else tuple(values))
    for key in column["references"]:
        found.say("reference", where, _key(key))
    for key in column["referencedBy"]:
        found.say("referenced by", where, _key(key))


def bare_generated(generated: str | None) -> str | None:
    """`ALWAYS AS ((a + b)) STORED` → `ALWAYS AS a + b STORED`: parentheses around the whole mean nothing."""
    if generated is None or not generated.startswith("ALWAYS AS ("):
        return generated
    expression, _, kind = generated.removeprefix("ALWAYS AS ").rpartition(" ")
    return f"ALWAYS AS {without_parentheses(expression)} {kind}"


def _key(key: dict[str, Any]) -> tuple[Any, ...]:
    """A foreign key; of each end the table, the names of the columns, and which of them are there."""
    return (_end(key["from"]), _end(key["to"]), key["onDelete"], key["onUpdate"])


def _end(end: dict[str, Any]) -> tuple[Any, ...]:
    there = end["columns"]
    names = None if there is None else tuple(column["name"] for column in there)
    return (end["tableFqn"], tuple(end["columnNames"]), names)
