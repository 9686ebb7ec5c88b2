"""Small requests whose answers would be huge: they end as one error, and nobody else waits for long."""

import asyncio
import time
from typing import Any

import pytest

from tests.e2e.client import GraphqlClient
from tests.servers.clients import http_client
from tests.servers.headwater import HeadwaterServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

OTHERS_WAIT_S = 1.0  # at most; alone on the machine it is 0.2 s


def aliased(count: int, field: str) -> str:
    return " ".join(f"a{number}: {field}" for number in range(count))


DEMO = {"__typename": "DataSource", "fqn": "demo_shop"}
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "entities": (
        f"query ($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on DataSource {{"
        f" {aliased(20, 'capabilities { name available reason }')} }} }} }}",
        {"r": [DEMO] * 1_000},
    ),
    "pages of entities": (
        "query ($r: [_Any!]!) { _entities(representations: $r) { ... on DataSource {"
        " tables { nodes { columns { nodes { name fqn nativeType comment } } } } } } }",
        {"r": [DEMO] * 1_000},
    ),
    "lists that are no pages": (
        f"query ($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on DataSource {{"
        f" tables {{ nodes {{ {aliased(90, 'constraints { name columns }')} }} }} }} }} }}",
        {"r": [DEMO] * 100},
    ),
}


@pytest.mark.parametrize("name", list(REQUESTS))
async def test_it_ends_as_one_error(demo_server: HeadwaterServer, name: str):
    document, variables = REQUESTS[name]
    waits_s: list[float] = []

    async def ask_for_little() -> None:
        async with http_client(timeout=30) as other:
            while True:
                began_s = time.perf_counter()
                assert (await other.get(f"{demo_server.url}/livez")).status_code == 200
                waits_s.append(time.perf_counter() - began_s)
                await asyncio.sleep(0.01)

    other = asyncio.create_task(ask_for_little())
    async with GraphqlClient(demo_server.graphql_url) as client:
        answer = (await client.request(document, variables)).json()
    other.cancel()
    assert answer.get("data") is None
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "TOO_COMPLEX"
    assert max(waits_s, default=0) < OTHERS_WAIT_S


async def test_long_texts_count_by_their_size():
    server = HeadwaterServer()
    await server.start()
    try:
        async with GraphqlClient(server.graphql_url) as client:
            entry = {"name": "long", "connection": {"sqlite": {"path": "/nowhere"}}, "properties": {"x": "y" * 60_000}}
            registered = await client.mutate(
                "mutation ($i: [DataSourceInput!]!) { registerDataSources(input: $i) { __typename } }", i=[entry]
            )
            assert registered == {"registerDataSources": [{"__typename": "DataSourcePayload"}]}
            fields = aliased(60, "properties")
            few = await client.query("{ dataSources { nodes { properties } } }")
            assert len(few["dataSources"]["nodes"][0]["properties"]["x"]) == 60_000
            ids = await client.query("{ dataSources { nodes { id } } }")
            each = [ids["dataSources"]["nodes"][0]["id"]] * 3
            refused = await client.request(
                "query ($i: [ID!]!) { nodes(ids: $i) { ... on DataSource {" + fields + "} } }", {"i": each}
            )
            assert refused.json()["errors"][0]["extensions"]["code"] == "TOO_COMPLEX"
    finally:
        await server.discard()
