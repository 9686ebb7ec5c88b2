"""Headwater as a subgraph: composed by both composers that gateways use, and asked for entities as a gateway asks."""

import re
from typing import Any, Literal

import pytest
import pytest_asyncio

from tests.e2e.client import GraphqlClient
from tests.e2e.javascript import told_by
from tests.e2e.waiting import until_async
from tests.servers.headwater import HeadwaterServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

Composer = Literal["apollo", "hive"]
_KINDS = ("Column", "DataSource", "Namespace", "Table")
_ENTITIES = """
query($of: [_Any!]!) {
  _entities(representations: $of) {
    __typename
    ... on DataSource { id fqn name } ... on Namespace { id fqn path }
    ... on Table { id fqn name } ... on Column { id fqn name table { fqn } }
  }
}
"""
_BY_FQN = "query($fqn: String!) { byFqn(fqn: $fqn) { __typename id fqn } }"
_FQNS = {
    "DataSource": "demo_shop",
    "Namespace": "demo_shop.main",
    "Table": "demo_shop.main.orders",
    "Column": "demo_shop.main.orders.id",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def keys(demo_server: HeadwaterServer) -> dict[str, dict[str, str]]:
    """`id` and `fqn` of one object of each kind, by kind."""
    async with GraphqlClient(demo_server.graphql_url) as client:

        async def found() -> dict[str, dict[str, str]]:
            told = [(await client.query(_BY_FQN, fqn=fqn))["byFqn"] for fqn in _FQNS.values()]
            return {each["__typename"]: each for each in told if each}

        return await until_async(found, lambda keys: len(keys) == 4, timeout_s=20)


async def compose(composer: Composer, server: HeadwaterServer) -> dict[str, Any]:
    """What the composer says of the running server's subgraph: `errors`, `hints`, `supergraph`."""
    (composed,) = await told_by("compose.js", composer, server.graphql_url)
    told: dict[str, Any] = composed
    return told


async def subgraph(client: GraphqlClient) -> str:
    sdl: str = (await client.query("{ _service { sdl } }"))["_service"]["sdl"]
    return sdl


def fields_of(sdl: str, type_name: str) -> set[str]:
    """Names of the fields of a type, as the text of a schema has them."""
    match = re.search(rf"^type {type_name}\b[^{{]*\{{(.*?)^\}}", sdl, re.MULTILINE | re.DOTALL)
    assert match is not None
    body = re.sub(r'""".*?"""', "", match[1], flags=re.DOTALL)
    return set(re.findall(r"^  (\w+)[(:]", body, re.MULTILINE))


@pytest.mark.parametrize("composer", ["apollo", "hive"])
async def test_it_composes_alone(demo_server: HeadwaterServer, composer: Composer):
    composed = await compose(composer, demo_server)
    assert composed["errors"] == []
    assert composed["hints"] == []
    supergraph = composed["supergraph"]
    for kind in _KINDS:
        for key in ("id", "fqn"):
            assert re.search(
                rf'^type {kind}\b[^{{]*@join__type\(graph: HEADWATER, key: "{key}"', supergraph, re.MULTILINE
            )
    assert "_entities" not in supergraph


class TestSubgraph:
    async def test_the_version_of_federation(self, demo_client: GraphqlClient):
        """One of the composers refuses later ones."""
        links = re.findall(r"specs\.apollo\.dev/federation/(v[\d.]+)", await subgraph(demo_client))
        assert links == ["v2.9"]

    async def test_what_belongs_to_nobody_in_a_supergraph_is_left_out(self, demo_client: GraphqlClient):
        sdl = await subgraph(demo_client)
        served = await demo_client.query('{ __type(name: "Query") { fields { name } } }')
        ours = {field["name"] for field in served["__type"]["fields"]}
        assert {"node", "nodes"} <= ours
        assert ours - fields_of(sdl, "Query") == {"node", "nodes"}

    async def test_one_of_is_declared(self, demo_client: GraphqlClient):
        sdl = await subgraph(demo_client)
        assert re.search(r"^directive @oneOf on INPUT_OBJECT$", sdl, re.MULTILINE)
        assert re.search(r"^input \w+ @oneOf \{", sdl, re.MULTILINE)

    async def test_what_other_subgraphs_have_too_is_shareable(self, demo_client: GraphqlClient):
        assert re.search(r"^type PageInfo @shareable \{", await subgraph(demo_client), re.MULTILINE)


class TestEntities:
    @pytest.mark.parametrize("kind", _KINDS)
    @pytest.mark.parametrize("key", ["id", "fqn"])
    async def test_by_key(
        self, demo_client: GraphqlClient, keys: dict[str, dict[str, str]], kind: str, key: Literal["id", "fqn"]
    ):
        asked = {"__typename": kind, key: keys[kind][key]}
        (entity,) = (await demo_client.query(_ENTITIES, of=[asked]))["_entities"]
        assert (entity["__typename"], entity["id"], entity["fqn"]) == (kind, keys[kind]["id"], keys[kind]["fqn"])

    async def test_all_at_once_and_in_order(self, demo_client: GraphqlClient, keys: dict[str, dict[str, str]]):
        asked = [{"__typename": kind, key: keys[kind][key]} for key in ("fqn", "id") for kind in (*_KINDS, *_KINDS)]
        entities = (await demo_client.query(_ENTITIES, of=asked))["_entities"]
        assert [entity["id"] for entity in entities] == [keys[one["__typename"]]["id"] for one in asked]

    async def test_an_unknown_one_is_null_by_itself(self, demo_client: GraphqlClient, keys: dict[str, dict[str, str]]):
        asked = [
            {"__typename": "Nobody", "id": "1"},
            {"__typename": "Table", "fqn": keys["Table"]["fqn"]},
            {"__typename": "Table", "fqn": "demo_shop.main.nothing"},
            {"__typename": "Table", "fqn": keys["Column"]["fqn"]},
            {"__typename": "DataSource"},
            {"__typename": "Column", "id": 7},
        ]
        answer = (await demo_client.request(_ENTITIES, {"of": asked})).json()
        told = [entity and entity["fqn"] for entity in answer["data"]["_entities"]]
        assert told == [None, keys["Table"]["fqn"], None, None, None, None]
