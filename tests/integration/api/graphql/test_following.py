"""Subscriptions: what was, then what is, each event seen with fresh eyes."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from domain.models.access import Scope, Viewer
from tests.integration.api.graphql.conftest import DISCOVER, Client, MakeShop, Shop

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVENT = """id cursor at replayed event { __typename
  ... on DataSourceEvent { name action dataSource { name owner } }
  ... on RevisionEvent { from to name counts { name value } dataSource { revision } }
  ... on ChangeEvent { fqn happened: action revision change { id before after } dataSource { name } }
  ... on OperationEvent { operationId kind state progress etaSeconds step { name state } counts { name }
                          operation { state } }
  ... on Gap { reason lostFrom lostTo } ... on Heartbeat { latest } }"""


async def take(client: Client, count: int, query: str, **variables: Any) -> list[Any]:
    found: list[Any] = []
    async with asyncio.timeout(20), aclosing(await client.follow(query, **variables)) as results:  # type: ignore[type-var]
        async for result in results:
            assert not result.errors, result.errors
            found.append(next(iter(result.data.values())))
            if len(found) == count:
                break
    return found


async def test_an_operation_is_replayed_to_its_end(client: Client, shop: Shop):
    started = (await client.run(DISCOVER, id=shop.id))["discover"]
    query = f"subscription ($id: ID!) {{ operation(id: $id) {{ {EVENT} }} }}"
    events = await take(client, 1_000, query, id=started["id"])
    assert all(one["replayed"] for one in events)
    assert [one["event"]["step"]["name"] for one in events[:-1]] == ["connect", "read", "publish"]
    assert events[-1]["event"]["state"] == "SUCCEEDED"
    assert events[-1]["event"]["operation"] == {"state": "SUCCEEDED"}
    assert len({one["id"] for one in events}) == len(events)


async def test_events_resume_and_links_are_fresh(client: Client, make_shop: MakeShop):
    start = (await client.run("{ eventLog(first: 100) { next } }"))["eventLog"]["next"]
    seen = await make_shop("seen")
    rename = """mutation ($id: ID!, $to: String!) { updateDataSource(id: $id, patch: {owner: $to}) { __typename } }"""
    query = f"""subscription ($after: Cursor, $id: ID!) {{
      events(after: $after, filter: {{dataSources: [$id], types: [DATA_SOURCE, REVISION]}}) {{ {EVENT} }} }}"""
    async with asyncio.timeout(20), aclosing(await client.follow(query, after=start, id=seen.id)) as results:  # type: ignore[type-var]
        registered = (await anext(results)).data["events"]
        assert registered["event"] == {
            "__typename": "DataSourceEvent",
            "name": "seen",
            "action": "REGISTERED",
            "dataSource": {"name": "seen", "owner": None},
        }
        assert registered["replayed"] is True
        revision = (await anext(results)).data["events"]
        assert (revision["event"]["from"], revision["event"]["to"]) == (0, 1)
        await client.run(rename, id=seen.id, to="ann")
        updated = (await anext(results)).data["events"]
        assert updated["replayed"] is False
        assert updated["event"]["dataSource"]["owner"] == "ann"
        await client.run(rename, id=seen.id, to="bob")
        assert (await anext(results)).data["events"]["event"]["dataSource"]["owner"] == "bob"
    (resumed,) = await take(client, 1, query, after=revision["cursor"], id=seen.id)
    assert resumed["cursor"] == resumed["id"] == updated["cursor"]


async def test_a_discovery_is_followed(client: Client, make_shop: MakeShop):
    new = await make_shop("followed")
    log = "query ($id: ID!) { eventLog(first: 100, filter: {dataSources: [$id]}) { next } }"
    start = await client.run(log, id=new.id)
    new.change("CREATE TABLE extra (id INTEGER PRIMARY KEY)")
    await client.run(DISCOVER, id=new.id)
    query = f"subscription ($id: ID!, $after: Cursor) {{ discovery(dataSource: $id, after: $after) {{ {EVENT} }} }}"
    events: list[Any] = []
    async with (
        asyncio.timeout(20),
        aclosing(await client.follow(query, id=new.id, after=start["eventLog"]["next"])) as results,
    ):  # type: ignore[type-var]
        async for result in results:
            events.append(result.data["discovery"]["event"])
            if events[-1].get("state") == "SUCCEEDED":
                break
    kinds = {event["__typename"] for event in events}
    assert {"OperationEvent", "RevisionEvent", "ChangeEvent"} <= kinds
    (change,) = [event for event in events if event["__typename"] == "ChangeEvent"]
    assert (change["fqn"], change["happened"]) == ("followed.main.extra", "ADDED")
    assert change["change"]["after"]["kind"] == "TABLE"


async def test_health_begins_with_how_it_is(client: Client, shop: Shop):
    for _ in range(100):
        source = (await client.run('{ dataSource(by: {name: "shop"}) { health { checks { at } } } }'))["dataSource"]
        if source["health"]["checks"]:
            break
        await asyncio.sleep(0.1)
    (event,) = await take(
        client,
        1,
        """subscription ($ids: [ID!]) { health(dataSources: $ids) {
             dataSourceId name status at latencyMs score dataSource { name } } }""",
        ids=[f"{shop.id}@1"],
    )
    assert (event["dataSourceId"], event["name"], event["dataSource"]) == (shop.id, "shop", {"name": "shop"})


async def test_the_log_is_read_in_pages(client: Client, shop: Shop):
    query = f"query ($after: Cursor) {{ eventLog(after: $after, first: 2) {{ next behind items {{ {EVENT} }} }} }}"
    first = (await client.run(query, after=None))["eventLog"]
    second = (await client.run(query, after=first["next"]))["eventLog"]
    assert len(first["items"]) == len(second["items"]) == 2
    assert first["behind"] > second["behind"]
    assert first["items"][1]["cursor"] == first["next"]
    under = await client.run(
        'query { eventLog(filter: {under: "followed.main", types: [CHANGE]}) { items { event { __typename } } } }'
    )
    assert {item["event"]["__typename"] for item in under["eventLog"]["items"]} <= {"ChangeEvent"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ('subscription { events(after: "forged") { id } }', "INVALID_CURSOR"),
        ("subscription { events(heartbeatSeconds: 0) { id } }", "INVALID_INPUT"),
        ('subscription { events(filter: {under: "a..b"}) { id } }', "INVALID_INPUT"),
        ('subscription { operation(id: "op_nobody") { id } }', "NOT_FOUND"),
        ('subscription { discovery(dataSource: "junk") { id } }', "INVALID_INPUT"),
        ("subscription { events(after: 7) { id } }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription {", "GRAPHQL_PARSE_FAILED"),
        ("{ dataSources { nodes { id } } }", "BAD_REQUEST"),
    ],
)
async def test_what_cannot_be_followed_is_told(client: Client, query: str, code: str):
    results = [result async for result in await client.follow(query)]
    assert len(results) == 1
    assert [error.extensions["code"] for error in results[0].errors] == [code]


async def test_nobody_follows_without_the_right(client: Client):
    blind = client.seen_by(Viewer(name="eve", kind="key", permissions=frozenset(), scope=Scope()))
    (result,) = [result async for result in await blind.follow("subscription { health { name } }")]
    assert result.errors[0].extensions["code"] == "FORBIDDEN"


async def test_a_heartbeat_when_nothing_happens(client: Client, shop: Shop):
    query = f'subscription {{ events(filter: {{under: "nobody"}}, heartbeatSeconds: 1) {{ {EVENT} }} }}'
    (beat,) = await take(client, 1, query)
    assert beat["event"]["__typename"] == "Heartbeat"
    assert beat["event"]["latest"] == beat["cursor"]
    assert beat["id"] != beat["cursor"]
