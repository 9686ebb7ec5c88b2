"""What a gateway asks of a subgraph."""

from collections import Counter

import pytest

from api.graphql.schema import MAX_ENTITIES
from tests.integration.api.graphql.conftest import Client, Shop

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENTITIES = """query ($of: [_Any!]!) { _entities(representations: $of) { __typename
  ... on DataSource { name } ... on Namespace { path } ... on Table { fqn } ... on Column { ordinal } } }"""


async def test_entities_by_either_key(client: Client, shop: Shop):
    found = await client.run('{ byFqn(fqn: "shop.main.customers.id") { id } }')
    data = await client.run(
        ENTITIES,
        of=[
            {"__typename": "DataSource", "id": shop.id},
            {"__typename": "Namespace", "fqn": "shop.main"},
            {"__typename": "Table", "fqn": "shop.main.customers"},
            {"__typename": "Column", "id": found["byFqn"]["id"]},
        ],
    )
    assert data["_entities"] == [
        {"__typename": "DataSource", "name": "shop"},
        {"__typename": "Namespace", "path": ["main"]},
        {"__typename": "Table", "fqn": "shop.main.customers"},
        {"__typename": "Column", "ordinal": 1},
    ]


async def test_an_unknown_entity_is_null_alone(client: Client, shop: Shop):
    answer = await client.ask(
        ENTITIES,
        of=[
            {"__typename": "Nobody", "id": "1"},
            {"__typename": "Table", "fqn": "shop.main.nothing"},
            {"__typename": "Table", "fqn": "shop.main"},
            {"__typename": "Table"},
            {"__typename": "Table", "id": 7},
            {"id": shop.id},
            "junk",
            {"__typename": "DataSource", "id": "junk"},
            {"__typename": "DataSource", "fqn": "a..b"},
            {"__typename": "DataSource", "fqn": "shop"},
            {"__typename": "DataSource", "id": f"{shop.id}@999"},
        ],
    )
    assert answer.data is not None
    assert answer.data["_entities"] == [None] * 9 + [{"__typename": "DataSource", "name": "shop"}, None]
    told = {error.path[1]: error.extensions["code"] for error in answer.errors or ()}
    assert told == {7: "INVALID_INPUT", 8: "INVALID_INPUT", 10: "UNKNOWN_REVISION"}


async def test_entities_are_read_together_and_not_without_end(client: Client, shop: Shop):
    many = [{"__typename": "Table", "fqn": f"shop.main.t{index}"} for index in range(50)]
    await client.run(ENTITIES, of=many)
    assert client.calls == Counter({"by_fqns": 1})
    code = await client.code(ENTITIES, of=[{"__typename": "Table", "id": "x"}] * (MAX_ENTITIES + 1))
    assert code == "INVALID_INPUT"


async def test_the_sdl_is_served(client: Client):
    sdl = (await client.run("{ _service { sdl } }"))["_service"]["sdl"]
    assert "type Query" in sdl
