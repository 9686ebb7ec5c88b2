"""The main job, through GraphQL alone: register, test, discover, navigate and watch a real database."""

import asyncio
from contextlib import aclosing
from typing import Any

from tests.e2e.client import GraphqlClient
from tests.e2e.waiting import until, until_async
from tests.servers.postgresql import PostgresqlDatabase

_SHOP = """
CREATE SCHEMA sales;
COMMENT ON SCHEMA sales IS 'what is sold';
CREATE TYPE sales.state AS ENUM ('new', 'paid', 'sent');
CREATE TABLE sales.customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email varchar(200) NOT NULL UNIQUE,
    "full name" text NOT NULL,
    tags text[] NOT NULL DEFAULT '{}'
);
CREATE TABLE sales.orders (
    id bigint PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES sales.customers ON DELETE CASCADE,
    state sales.state NOT NULL DEFAULT 'new',
    total numeric(10, 2) CHECK (total >= 0),
    "a""b.c" integer
);
CREATE INDEX orders_open ON sales.orders (customer_id) WHERE state = 'new';
CREATE TABLE sales.lines (
    order_id bigint REFERENCES sales.orders, line_no integer, sku text, PRIMARY KEY (order_id, line_no)
);
CREATE TABLE sales.doomed (id integer);
CREATE VIEW sales.open_orders AS SELECT id FROM sales.orders WHERE state = 'new';
COMMENT ON TABLE sales.orders IS 'placed orders';
COMMENT ON COLUMN sales.orders.total IS 'in euro';
"""
_ALTER = """
ALTER TABLE sales.orders ADD COLUMN note text;
ALTER TABLE sales.customers ALTER COLUMN email TYPE varchar(320);
DROP TABLE sales.doomed;
"""

_REGISTER = """
mutation($input: [DataSourceInput!]!) {
  registerDataSources(input: $input) {
    __typename
    ... on DataSourcePayload { created unchanged dataSource { id fqn version status } }
    ... on Problem { code message path }
  }
}
"""
_TEST = """
mutation($target: TargetInput!) {
  testConnection(target: $target, waitMs: 20000, budgetMs: 10000) {
    __typename
    ... on Operation {
      id state problems { __typename code ... on UnreachableProblem { phase vendorCode } }
      steps { name state durationMs budgetMs facts { name value unit } problem { code } fix { title statement } }
    }
    ... on Problem { code message path }
  }
}
"""
_DISCOVER = """
mutation($input: DiscoverInput!) {
  discover(input: $input, waitMs: 30000) {
    __typename
    ... on Operation { id state publishedRevision problems { code message } counts { name value } }
    ... on Problem { code message path }
  }
}
"""
_DEEP = """
query($name: String!) {
  dataSource(by: { name: $name }) {
    status revision freshness { coverage mode }
    namespaces(match: "sales") { nodes { fqn comment tables(first: 20) { totalCount { value exact } nodes {
      fqn name kind comment definition
      primaryKey { name }
      columns { nodes { name nativeType dataType nullable default comment enumValues isPrimaryKey
        references { to { tableFqn columnNames table { name namespace { name dataSource { name } } } } }
        referencedBy { from { tableFqn columnNames } } } }
      indexes { name unique columns method predicate }
      constraints { name kind columns expression }
      relationships { nodes {
        evidence onDelete from { tableFqn } to { table { columns(first: 1) { nodes { name } } } }
      } }
    } } } }
  }
}
"""
_DIFF = """
query($id: ID!) {
  schemaDiff(dataSource: $id, from: { revision: 1 }, to: { revision: 2 }) {
    from to incomplete { fqn }
    changes(first: 100) { nodes { action fqn revision before after object { __typename fqn } } }
  }
}
"""
_EVENTS = """
subscription($sources: [ID!]) {
  events(filter: { dataSources: $sources }, heartbeatSeconds: 1) {
    cursor replayed
    event {
      __typename
      ... on RevisionEvent { from to counts { name value } dataSource { revision } }
      ... on ChangeEvent { fqn action revision change { action } }
      ... on OperationEvent { operationId kind state step { name state } }
      ... on HealthEvent { status previousStatus }
    }
  }
}
"""


class Watcher:
    """Follows the events of one source meanwhile."""

    def __init__(self, client: GraphqlClient, source_id: str) -> None:
        self._client = client
        self._source_id = source_id
        self.is_following = False
        self.events: list[dict[str, Any]] = []

    async def follow(self) -> None:
        async with aclosing(self._client.subscribe(_EVENTS, sources=[self._source_id])) as results:
            async for result in results:
                self.is_following = True
                self.events.append(result["events"]["event"])

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["__typename"] == kind]


async def test_from_registration_to_the_last_change(client: GraphqlClient, postgresql_database: PostgresqlDatabase):
    await postgresql_database.execute(_SHOP)
    source_id = await _register(client, postgresql_database, "wrong")
    await _refused_with_the_wrong_password(client, source_id)
    assert await _register(client, postgresql_database, postgresql_database.password) == source_id
    await _tested_step_by_step(client, source_id)

    watcher = Watcher(client, source_id)
    watching = asyncio.create_task(watcher.follow())
    try:
        await until(lambda: watcher.is_following)
        assert (await _discover(client, source_id, "FULL"))["publishedRevision"] == 1
        await _navigated(client)
        await postgresql_database.execute(_ALTER)
        assert (await _discover(client, source_id, "INCREMENTAL"))["publishedRevision"] == 2
        await _compared(client, source_id)
        await _looked_back(client, postgresql_database)
        # Nothing changed: nothing is published.
        assert (await _discover(client, source_id, "INCREMENTAL"))["state"] == "SUCCEEDED"
        await until(lambda: len(watcher.of("RevisionEvent")) == 2)
        await until(lambda: len(watcher.of("ChangeEvent")) == 3)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert [(event["from"], event["to"]) for event in watcher.of("RevisionEvent")] == [(0, 1), (1, 2)]
    assert {event["action"] for event in watcher.of("ChangeEvent")} == {"ADDED", "MODIFIED", "REMOVED"}
    assert "SUCCEEDED" in {event["state"] for event in watcher.of("OperationEvent")}
    await _healthy(client, source_id)
    await _deleted(client, source_id)


async def _register(client: GraphqlClient, database: PostgresqlDatabase, password: str) -> str:
    connection = {
        "host": database.host,
        "port": database.port,
        "database": database.name,
        "user": database.user,
        "password": {"literal": password},
    }
    answer = await client.mutate(
        _REGISTER, input=[{"name": "shop", "owner": "Ada", "connection": {"postgresql": connection}}]
    )
    (result,) = answer["registerDataSources"]
    assert result["__typename"] == "DataSourcePayload", result
    assert password not in str(answer)
    source_id: str = result["dataSource"]["id"]
    return source_id


async def _refused_with_the_wrong_password(client: GraphqlClient, source_id: str) -> None:
    operation = (await client.mutate(_TEST, target={"dataSource": source_id}))["testConnection"]
    assert operation["state"] == "FAILED", operation
    steps = {step["name"]: step for step in operation["steps"]}
    assert steps["connect"]["state"] == "PASSED"
    assert steps["authenticate"]["state"] == "FAILED"
    assert steps["authenticate"]["problem"]["code"] == "AUTHENTICATION_FAILED"
    assert operation["problems"][0]["phase"] == "authenticate"
    assert operation["problems"][0]["vendorCode"] == "28P01"


async def _tested_step_by_step(client: GraphqlClient, source_id: str) -> None:
    operation = (await client.mutate(_TEST, target={"dataSource": source_id}))["testConnection"]
    assert operation["state"] == "SUCCEEDED", operation
    states = {step["name"]: step["state"] for step in operation["steps"]}
    assert list(states) == ["resolve", "connect", "tls", "authenticate", "authorize", "read_catalog", "latency"]
    assert set(states.values()) <= {"PASSED", "WARNED", "SKIPPED"}
    assert all(step["durationMs"] is not None for step in operation["steps"] if step["state"] != "SKIPPED")
    facts = {fact["name"] for step in operation["steps"] for fact in step["facts"]}
    assert {"latency_p50", "latency_p95", "latency_jitter", "address", "server_version"} <= facts


async def _discover(client: GraphqlClient, source_id: str, mode: str) -> dict[str, Any]:
    operation: dict[str, Any] = (await client.mutate(_DISCOVER, input={"dataSource": source_id, "mode": mode}))[
        "discover"
    ]
    assert operation.get("state") == "SUCCEEDED", operation
    return operation


async def _navigated(client: GraphqlClient) -> None:
    source = (await client.query(_DEEP, name="shop"))["dataSource"]
    assert source["revision"] == 1
    assert source["freshness"]["coverage"] == 1
    (namespace,) = source["namespaces"]["nodes"]
    assert namespace["comment"] == "what is sold"
    assert namespace["tables"]["totalCount"] == {"value": 5, "exact": True}
    tables = {table["name"]: table for table in namespace["tables"]["nodes"]}
    orders = tables["orders"]
    columns = {column["name"]: column for column in orders["columns"]["nodes"]}
    assert list(columns) == ["id", "customer_id", "state", "total", 'a"b.c']
    assert (orders["kind"], orders["comment"]) == ("TABLE", "placed orders")
    assert orders["primaryKey"] == [{"name": "id"}]
    assert columns["total"]["nativeType"] == "numeric(10,2)"
    assert (columns["total"]["dataType"], columns["total"]["comment"]) == ("DECIMAL", "in euro")
    assert columns["state"]["enumValues"] == ["new", "paid", "sent"]
    assert not columns["customer_id"]["nullable"]
    (reference,) = columns["customer_id"]["references"]
    assert reference["to"]["table"]["name"] == "customers"
    assert reference["to"]["table"]["namespace"]["dataSource"]["name"] == "shop"
    assert [end["from"]["columnNames"] for end in columns["id"]["referencedBy"]] == [["order_id"]]
    assert {index["name"]: index["predicate"] is not None for index in orders["indexes"]} == {
        "orders_pkey": False,
        "orders_open": True,
    }
    assert {"PRIMARY_KEY", "FOREIGN_KEY", "CHECK"} == {constraint["kind"] for constraint in orders["constraints"]}
    assert {"CASCADE"} <= {each["onDelete"] for each in orders["relationships"]["nodes"]}
    assert tables["open_orders"]["kind"] == "VIEW"
    assert "SELECT" in tables["open_orders"]["definition"]
    # By its name, however it is spelled.
    quoted = await client.query("query($f: String!) { byFqn(fqn: $f) { __typename fqn name } }", f=orders["fqn"])
    assert quoted["byFqn"] == {"__typename": "Table", "fqn": orders["fqn"], "name": "orders"}


async def _compared(client: GraphqlClient, source_id: str) -> None:
    diff = (await client.query(_DIFF, id=source_id))["schemaDiff"]
    assert (diff["from"], diff["to"], diff["incomplete"]) == (1, 2, [])
    changes = {change["fqn"].rpartition("sales.")[2]: change for change in diff["changes"]["nodes"]}
    assert {name: change["action"] for name, change in changes.items()} == {
        "orders.note": "ADDED",
        "customers.email": "MODIFIED",
        "doomed": "REMOVED",
    }


async def _looked_back(client: GraphqlClient, database: PostgresqlDatabase) -> None:
    document = """
    query($orders: String!, $doomed: String!) {
      past: table(fqn: $orders, at: { revision: 1 }) { id columns { nodes { name } } current { id } }
      present: table(fqn: $orders) { id columns { nodes { name } } }
      lost: table(fqn: $doomed, at: { revision: 1 }) { removedAt }
      source: dataSource(by: { name: "shop" }) {
        without: tables(match: "*doomed") { nodes { name } }
        with: tables(match: "*doomed", includeRemoved: true) { nodes { name removedAt } }
      }
    }
    """
    names = await client.query(
        '{ dataSource(by: { name: "shop" }) { tables(first: 100, includeRemoved: true) { nodes { fqn name } } } }'
    )
    fqns = {table["name"]: table["fqn"] for table in names["dataSource"]["tables"]["nodes"]}
    seen = await client.query(document, orders=fqns["orders"], doomed=fqns["doomed"])
    assert "note" not in [column["name"] for column in seen["past"]["columns"]["nodes"]]
    assert "note" in [column["name"] for column in seen["present"]["columns"]["nodes"]]
    assert seen["past"]["id"] != seen["present"]["id"]
    assert seen["past"]["current"] == {"id": seen["present"]["id"]}
    assert seen["lost"] is not None
    assert seen["source"]["without"]["nodes"] == []
    (tombstone,) = seen["source"]["with"]["nodes"]
    assert tombstone["removedAt"] is not None
    node = await client.query("query($id: ID!) { node(id: $id) { __typename id } }", id=seen["past"]["id"])
    assert node["node"] == {"__typename": "Table", "id": seen["past"]["id"]}


async def _healthy(client: GraphqlClient, source_id: str) -> None:
    document = """
    query($id: ID!) {
      dataSource(by: { id: $id }) {
        status health { status score parts { name weight score why } checks(last: 5) { ok latencyMs } }
      }
    }
    """

    async def ask() -> dict[str, Any]:
        found: dict[str, Any] = (await client.query(document, id=source_id))["dataSource"]
        return found

    source = await until_async(ask, lambda found: found["health"]["status"] == "HEALTHY", timeout_s=30)
    assert source["status"] == "ACTIVE"
    assert source["health"]["checks"][0]["ok"]
    # Parts appear once there is enough to measure them by; the score is made of them alone.
    assert (source["health"]["score"] is None) == (source["health"]["parts"] == [])
    (sample,) = await client.collect(
        "subscription($s: [ID!]) { health(dataSources: $s) { name status } }", 1, s=[source_id]
    )
    assert sample["health"]["name"] == "shop"


async def _deleted(client: GraphqlClient, source_id: str) -> None:
    document = "mutation($id: ID!) { deleteDataSource(id: $id) { ... on DeletePayload { deleted } } }"
    assert (await client.mutate(document, id=source_id))["deleteDataSource"] == {"deleted": True}
    gone = await client.query("query($id: ID!) { node(id: $id) { id } }", id=source_id)
    assert gone["node"] is None
