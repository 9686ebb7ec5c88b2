"""From every node to every neighbour, a bounded number of calls whatever the number of nodes."""

from dataclasses import replace
from typing import Any

import pytest

from api.limits import DocumentLimits
from tests.integration.api.graphql.conftest import DISCOVER, Client, MakeShop, Shop

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_all_of_a_table(client: Client, shop: Shop):
    data = await client.run(
        """{ table(fqn: "shop.main.\\"order lines\\"") {
          __typename name fqn kind comment definition removedAt
          dataSource { name revision } namespace { fqn path name }
          rowCount { value exact } primaryKey { name }
          indexes { name unique columns }
          constraints { kind columns expression }
          columns { nodes { name ordinal nativeType dataType nullable default isPrimaryKey path enumValues } }
        } }"""
    )
    table = data["table"]
    assert table["name"] == "order lines"
    assert table["fqn"] == 'shop.main."order lines"'
    assert table["kind"] == "TABLE"
    assert table["dataSource"] == {"name": "shop", "revision": 1}
    assert table["namespace"] == {"fqn": "shop.main", "path": ["main"], "name": "main"}
    assert table["rowCount"] == {"value": 0, "exact": True}
    assert table["primaryKey"] == [{"name": "id"}]
    assert {"name": "lines_of_customer", "unique": False, "columns": ["customer"]} in table["indexes"]
    assert {"kind": "CHECK", "columns": ["quantity"], "expression": "quantity > 0"} in table["constraints"]
    assert [column["name"] for column in table["columns"]["nodes"]] == ["id", "customer", "next line", "quantity"]
    assert table["columns"]["nodes"][3]["default"] == "1"


async def test_relationships_both_ways(client: Client, shop: Shop):
    data = await client.run(
        """{ customers: table(fqn: "shop.main.customers") {
          relationships(direction: DOWNSTREAM) { totalCount { value } nodes {
            evidence verdict confidence cardinality onDelete why
            from { tableFqn columnNames table { name } columns { fqn } } to { tableFqn columnNames }
          } }
          columns(match: "id") { nodes {
            name referencedBy { from { columns { name table { name } } } } references { id }
          } }
        }
        lines: table(fqn: "shop.main.\\"order lines\\"") {
          up: relationships(direction: UPSTREAM) { nodes { to { table { name } } } }
          columns { nodes { name references { to { tableFqn } } referencedBy { from { columnNames } } } }
        } }"""
    )
    (one,) = data["customers"]["relationships"]["nodes"]
    assert data["customers"]["relationships"]["totalCount"] == {"value": 1}
    assert (one["evidence"], one["verdict"], one["confidence"], one["onDelete"]) == (
        "DECLARED",
        "CONFIRMED",
        1.0,
        "CASCADE",
    )
    assert one["from"]["table"] == {"name": "order lines"}
    assert one["from"]["columns"] == [{"fqn": 'shop.main."order lines".customer'}]
    assert one["to"] == {"tableFqn": "shop.main.customers", "columnNames": ["id"]}
    (id_column,) = data["customers"]["columns"]["nodes"]
    assert id_column["references"] == []
    assert id_column["referencedBy"] == [
        {"from": {"columns": [{"name": "customer", "table": {"name": "order lines"}}]}}
    ]
    assert len(data["lines"]["up"]["nodes"]) == 2
    by_name = {column["name"]: column for column in data["lines"]["columns"]["nodes"]}
    assert by_name["id"]["referencedBy"] == [{"from": {"columnNames": ["next line"]}}]
    assert by_name["next line"]["references"] == [{"to": {"tableFqn": 'shop.main."order lines"'}}]
    assert by_name["quantity"]["references"] == []


async def test_one_call_for_each_level(client: Client, make_shop: MakeShop):
    # Of our own sources only: in those of other tests a table may lead to one that is not on the same page.
    await make_shop("counted one")
    client.calls.clear()
    deep = """{ dataSources(match: "counted*") { nodes { namespaces { totalCount { value } nodes {
      tables { totalCount { value } nodes {
      namespace { name } primaryKey { name } relationships { nodes { id } }
      columns { totalCount { value } nodes {
        table { name dataSource { name } } references { to { table { name columns { nodes { name } } } } }
      } } } } } } health { status checks { at } } freshness { coverage } operations { nodes { state } } } } }"""
    await client.run(deep)
    once = dict(client.calls)
    await make_shop("counted two")
    client.calls.clear()
    await client.run(deep)
    assert dict(client.calls) == once
    assert {name: calls for name, calls in once.items() if calls != 1} == {}


async def test_pages_of_every_list_meet(client: Client, shop: Shop):
    walk = """query ($after: String) { dataSource(by: {name: "shop"}) { tables(first: 1, after: $after) {
      totalCount { value exact } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      edges { cursor node { name } }
    } } }"""
    names: list[str] = []
    after = None
    for turn in range(3):
        page = (await client.run(walk, after=after))["dataSource"]["tables"]
        assert page["totalCount"] == {"value": 3, "exact": True}
        assert page["pageInfo"]["hasPreviousPage"] is (turn > 0)
        assert page["pageInfo"]["hasNextPage"] is (turn < 2)
        assert page["edges"][0]["cursor"] == page["pageInfo"]["startCursor"] == page["pageInfo"]["endCursor"]
        names += [edge["node"]["name"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
    assert sorted(names) == ["big lines", "customers", "order lines"]
    empty = (await client.run(walk, after=after))["dataSource"]["tables"]
    assert empty["edges"] == []
    assert empty["pageInfo"]["startCursor"] is None


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ('{ dataSources(after: "forged") { nodes { id } } }', "INVALID_CURSOR"),
        ("{ dataSources(first: 101) { nodes { id } } }", "INVALID_INPUT"),
        ("{ dataSources(first: -1) { nodes { id } } }", "INVALID_INPUT"),
        ('{ table(fqn: "a..b") { id } }', "INVALID_INPUT"),
        ('{ node(id: "junk") { id } }', "INVALID_INPUT"),
        ('{ dataSource(by: {name: "shop"}) { tables(at: {revision: 99}) { nodes { id } } } }', "UNKNOWN_REVISION"),
        ('{ dataSource(by: {name: "shop"}) { health { checks(last: -1) { at } } } }', "INVALID_INPUT"),
        ('{ dataSource(by: {name: "shop"}) { health { checks(last: "x") { at } } } }', "GRAPHQL_VALIDATION_FAILED"),
    ],
)
async def test_bad_arguments_are_told(client: Client, shop: Shop, query: str, code: str):
    assert await client.code(query) == code


async def test_a_cursor_of_another_list_is_refused(client: Client, shop: Shop):
    page = await client.run('{ dataSource(by: {name: "shop"}) { tables { pageInfo { endCursor } } } }')
    cursor = page["dataSource"]["tables"]["pageInfo"]["endCursor"]
    answer = await client.ask("query ($after: String) { dataSources(after: $after) { nodes { id } } }", after=cursor)
    assert answer.data == {"dataSources": None}
    assert answer.errors is not None
    assert answer.errors[0].extensions["code"] == "INVALID_CURSOR"
    assert answer.errors[0].extensions["inputPath"] == ["after"]


async def test_what_is_not_there_is_null(client: Client, shop: Shop):
    data = await client.run(
        """{ a: dataSource(by: {name: "nobody"}) { id } b: dataSource(by: {id: "src_nobody"}) { id }
             c: table(fqn: "shop.main.nothing") { id } d: table(fqn: "shop.main") { id }
             e: node(id: "tbl_nothing") { id }
             f: operation(id: "op_nothing") { id } g: byFqn(fqn: "nobody.at.home") { id } }"""
    )
    assert set(data.values()) == {None}


async def test_every_kind_of_node_is_found_by_its_id(client: Client, shop: Shop):
    found = await client.run(
        """{ dataSource(by: {name: "shop"}) { id namespaces { nodes { id } } operations { nodes { id } }
             tables(match: "order") { nodes { id columns { nodes { id } } relationships { nodes { id } } } } } }"""
    )
    ids = sorted(set(_ids(found)))
    data = await client.run("query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }", ids=[*ids, "tbl_nothing"])
    assert [node and node["id"] for node in data["nodes"]] == [*ids, None]
    assert {node["__typename"] for node in data["nodes"] if node} == {
        "DataSource",
        "Namespace",
        "Table",
        "Column",
        "Relationship",
        "Operation",
    }
    one = await client.run("query ($id: ID!) { node(id: $id) { __typename } }", id=ids[0])
    assert one["node"] is not None


def _ids(found: Any) -> list[str]:
    if isinstance(found, dict):
        return [id for name, part in found.items() for id in ([part] if name == "id" else _ids(part))]
    return [id for part in found for id in _ids(part)] if isinstance(found, list) else []


async def test_the_past_is_inherited_and_leads_back(client: Client, make_shop: MakeShop):
    old = await make_shop("old")
    old.change('DROP VIEW "big lines"; ALTER TABLE customers ADD COLUMN born TEXT; DROP TABLE "order lines";')
    await client.run(DISCOVER, id=old.id)
    data = await client.run(
        """{ dataSource(by: {name: "old"}) { revision
               then: tables(at: {revision: 1}) { nodes { name id dataSource { id revision } namespace { id }
                 current { id name columns { nodes { name } } } columns { nodes { id name table { id } } } } }
               now: tables(includeRemoved: true) { nodes { name removedAt } } } }"""
    )
    source = data["dataSource"]
    assert source["revision"] == 2
    then = {table["name"]: table for table in source["then"]["nodes"]}
    customers = then["customers"]
    assert customers["id"].endswith("@1")
    assert customers["dataSource"] == {"id": f"{old.id}@1", "revision": 1}
    assert customers["namespace"]["id"].endswith("@1")
    assert [column["name"] for column in customers["columns"]["nodes"]] == ["id", "e.mail"]
    assert all(column["id"].endswith("@1") for column in customers["columns"]["nodes"])
    assert [column["name"] for column in customers["current"]["columns"]["nodes"]] == ["id", "e.mail", "born"]
    assert then["order lines"]["current"] is None
    removed = {table["name"] for table in source["now"]["nodes"] if table["removedAt"]}
    assert removed == {"order lines", "big lines"}

    again = await client.run(
        "query ($id: ID!) { node(id: $id) { ... on Table { id columns { nodes { name } } } } }", id=customers["id"]
    )
    assert [column["name"] for column in again["node"]["columns"]["nodes"]] == ["id", "e.mail"]

    diff = (
        await client.run(
            """query ($id: ID!) { schemaDiff(dataSource: $id, from: {revision: 1}) { from to incomplete { fqn }
             changes { totalCount { value exact } nodes {
               id action fqn revision before after object { __typename fqn } } } } }""",
            id=old.id,
        )
    )["schemaDiff"]
    assert (diff["from"], diff["to"], diff["incomplete"]) == (1, 2, [])
    changes = {change["fqn"]: change for change in diff["changes"]["nodes"]}
    assert diff["changes"]["totalCount"] == {"value": len(changes), "exact": True}
    born = changes["old.main.customers.born"]
    assert (born["action"], born["before"], born["revision"]) == ("ADDED", None, 2)
    assert born["after"]["nativeType"] == "TEXT"
    assert born["object"] == {"__typename": "Column", "fqn": "old.main.customers.born"}
    gone = changes['old.main."order lines"']
    assert (gone["action"], gone["after"]) == ("REMOVED", None)
    assert [column["path"] for column in gone["before"]["columns"]][:1] == [["id"]]
    node = await client.run("query ($id: ID!) { node(id: $id) { ... on Change { fqn action } } }", id=born["id"])
    assert node["node"] == {"fqn": "old.main.customers.born", "action": "ADDED"}


async def test_a_source_in_all_its_attributes(client: Client, shop: Shop):
    data = await client.run(
        """{ dataSource(by: {name: "shop"}) {
          fqn name dataSource { id } firstSeenAt lastSeenAt removedAt createdAt updatedAt
          kind status version location environment criticality sensitivity scanFrequency
          cloudProvider region owner team description tags properties createdBy lastTestedAt lastDiscoveredAt
          connection { endpoint database username tls options { name value unit } replicas }
          credential { store } pool { mode size maxOverflow timeoutSeconds }
          capabilities { name available reason fix { title } }
          health { status score since parts { name weight score why } latencyP50Ms latencyP95Ms availability24h
                   checks(last: 1) { at ok latencyMs problem { code } } }
          freshness { discoveredAt mode coverage unread { fqn reason fix { title } } }
          operations(kinds: [DISCOVERY]) { totalCount { value }
            nodes { kind state actor dryRun progress steps { name state } } }
        } }"""
    )
    source = data["dataSource"]
    assert source["dataSource"] == {"id": shop.id}
    assert source["kind"] == "SQLITE"
    assert source["credential"] is None
    assert source["pool"] == {"mode": "DIRECT", "size": 5, "maxOverflow": 5, "timeoutSeconds": 30.0}
    assert source["freshness"]["coverage"] == 1.0
    assert source["lastSeenAt"] >= source["firstSeenAt"] == source["createdAt"]
    assert source["createdAt"].endswith("Z")
    assert source["operations"]["totalCount"] == {"value": len(source["operations"]["nodes"])}
    assert source["operations"]["nodes"][0]["actor"] == "ada"
    assert all(one["reason"] for one in source["capabilities"] if not one["available"])


async def test_a_document_that_leads_in_circles_ends_while_it_is_answered(client: Client, shop: Shop):
    client = replace(client, limits=DocumentLimits(max_cost=10**18, max_answer_values=500))
    turns = 7
    query = "columns { nodes { table { " * turns + "name" + " } } }" * turns
    answer = await client.ask(f'{{ table(fqn: "shop.main.\\"order lines\\"") {{ {query} }} }}')
    assert answer.data is None
    (error,) = answer.errors or ()
    assert error.extensions["code"] == "TOO_COMPLEX"
    assert error.path[:3] == ["table", "columns", "nodes"]


async def test_a_source_without_a_name_is_not_there(client: Client, shop: Shop):
    assert (await client.run('{ dataSource(by: {name: ""}) { id } }'))["dataSource"] is None
