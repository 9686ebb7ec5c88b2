"""What the library under the server does wrong as it comes, over HTTP: a test each.

Those of sockets are in `test_sockets.py` and `test_malformed_messages.py`, the audits in `test_audits.py`; how large a
document may be is tested with the limits, GraphiQL in a browser.
"""

import asyncio
import statistics
import time
from typing import Any

import httpx
import pytest

from api.graphql.context import Context
from api.graphql.schema import build_schema
from api.limits import DocumentLimits
from domain.models.access import Permission, Scope, Viewer
from tests.e2e.client import GraphqlClient
from tests.servers.clients import http_client
from tests.servers.headwater import HeadwaterServer
from tests.servers.process import worked_s
from tests.servers.served_view import serve

pytestmark = pytest.mark.asyncio(loop_scope="session")

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
EVENT_STREAM = "text/event-stream"
MULTIPART = "multipart/mixed;subscriptionSpec=1.0"

NAMES = "{ dataSources { nodes { name } } }"
REGISTER = """
mutation {
  registerDataSources(input: [{ name: "by-get", connection: { sqlite: { path: "/nowhere" } } }]) { __typename }
}
"""
ENTITIES = """
query($of: [_Any!]!) { _entities(representations: $of) { __typename ... on Table { fqn } ... on DataSource { name } } }
"""


async def post(server: HeadwaterServer, content: bytes, *, accept: str = GRAPHQL_JSON) -> httpx.Response:
    async with http_client() as client:
        headers = {"content-type": JSON, "accept": accept}
        return await client.post(server.graphql_url, content=content, headers=headers)


async def get(server: HeadwaterServer, query: str, *, accept: str) -> httpx.Response:
    async with http_client() as client:
        return await client.get(server.graphql_url, params={"query": query}, headers={"accept": accept})


def the_error(answer: httpx.Response) -> dict[str, Any]:
    """The one error that is the whole of the answer."""
    assert set(answer.json()) == {"errors"}
    (error,) = answer.json()["errors"]
    return dict(error)


@pytest.mark.parametrize("body", [b'"x"', b'{"query":"\xff"}'], ids=["a JSON scalar", "no UTF-8"])
async def test_a_body_that_is_no_request_is_not_a_failure_of_the_server(demo_server: HeadwaterServer, body: bytes):
    answer = await post(demo_server, body)
    assert (answer.status_code, the_error(answer)["extensions"]["code"]) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    "body",
    [b'{"query":1}', b'{"query":"{__typename}","variables":"{}"}'],
    ids=["a numeric query", "variables as text"],
)
async def test_parameters_have_their_types(demo_server: HeadwaterServer, body: bytes):
    answer = await post(demo_server, body)
    assert (answer.status_code, the_error(answer)["extensions"]["code"]) == (400, "BAD_REQUEST")


@pytest.mark.parametrize("accept", [JSON, GRAPHQL_JSON, "*/*"])
async def test_a_subscription_by_plain_post_is_told_what_to_use(demo_server: HeadwaterServer, accept: str):
    answer = await post(demo_server, b'{"query":"subscription { health { name } }"}', accept=accept)
    assert answer.status_code == 406
    for way in ("text/event-stream", "multipart/mixed;subscriptionSpec=1.0", "graphql-transport-ws"):
        assert way in the_error(answer)["message"]


@pytest.mark.parametrize("accept", [JSON, GRAPHQL_JSON, EVENT_STREAM, MULTIPART, f"{EVENT_STREAM}, {JSON}"])
async def test_a_mutation_by_get_changes_nothing(demo_server: HeadwaterServer, accept: str):
    answer = await get(demo_server, REGISTER, accept=accept)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert the_error(answer)["extensions"]["code"] == "METHOD_NOT_ALLOWED"
    async with GraphqlClient(demo_server.graphql_url) as client:
        assert "by-get" not in str(await client.query(NAMES))


@pytest.mark.parametrize(
    "body",
    [
        b'{"query":"{' + b"__typename " * 270_000 + b'}"}',
        b'{"query":"{__typename}","variables":{"x":"' + b"x" * 50_000_000 + b'"}}',
        b'{"query":"{__typename}","variables":{"x":[' + b"1," * 25_000_000 + b"1]}}",
    ],
    ids=["a query of 3 MB", "50 MB of one variable", "50 MB of many variables"],
)
async def test_what_is_too_large_holds_nobody_up(demo_server: HeadwaterServer, body: bytes):
    began_s = worked_s(demo_server.pid)
    sending = asyncio.create_task(post(demo_server, body))
    waits_s = []
    async with GraphqlClient(demo_server.graphql_url) as client:
        while not sending.done():
            asked_s = time.monotonic()
            await client.query("{ __typename }")
            waits_s.append(time.monotonic() - asked_s)
    took_s = worked_s(demo_server.pid) - began_s
    answer = await sending
    assert (answer.status_code, the_error(answer)["extensions"]["code"]) == (413, "BODY_TOO_LARGE")
    # It is read and thrown away: 0.1 s, and a few milliseconds for each of the others' queries.
    assert took_s - len(waits_s) * 0.02 < 1
    assert statistics.median(waits_s) < 1


class Broken:
    """Services that fail as nothing should."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError("nobody's business")


def broken() -> Context:
    viewer = Viewer(name="ada", kind="local", permissions=frozenset(Permission), scope=Scope())
    return Context(Broken(), viewer)  # type: ignore[arg-type]  # all that it is for is to fail


@pytest.mark.parametrize(
    "query",
    ["{ dataSource { nam } }", "{ dataSourcez { nodes { id } } }", '{ dataSources(mach: "x") { nodes { id } } }'],
)
async def test_a_wrong_document_is_told_so_and_suggestions_end_with_introspection(query: str):
    """Neither hidden with the failures of the server, nor a way to learn a schema that is not shown."""
    for is_shown in (True, False):
        schema = build_schema(DocumentLimits(max_introspections=3 if is_shown else 0))
        async with serve(schema=schema, context=broken()) as served:
            answer = await served.post({"query": query})
        assert answer.status_code == 400
        errors = answer.json()["errors"]
        assert {error["extensions"]["code"] for error in errors} == {"GRAPHQL_VALIDATION_FAILED"}
        assert any(word in errors[0]["message"] for word in ("nam", "dataSourcez", "mach"))
        assert ("Did you mean" in answer.text) is is_shown


async def test_failures_of_the_server_are_masked():
    async with serve(schema=build_schema(), context=broken()) as served:
        for accept, query in ((JSON, NAMES), (EVENT_STREAM, "subscription { health { name } }")):
            answer = await served.post({"query": query}, accept=accept)
            assert answer.status_code == 200
            assert '"code":"INTERNAL"' in answer.text
            assert "business" not in answer.text
            assert "Broken" not in answer.text


async def test_a_query_ends_with_its_client():
    async with serve() as served:
        asking = asyncio.create_task(served.post({"query": "{ forever }"}))
        await served.begun()
        asking.cancel()
        await served.all_ended()
        assert served.journal.cancelled == 1


async def test_a_mutation_does_not_end_with_its_client():
    async with serve() as served:
        asking = asyncio.create_task(served.post({"query": "mutation { changeSlowly }"}))
        await served.begun()
        asking.cancel()
        await served.all_ended()
        assert served.journal.cancelled == 0


async def test_an_unknown_entity_is_null_alone(demo_client: GraphqlClient):
    table = (await demo_client.query("{ dataSources { nodes { tables(first: 1) { nodes { fqn } } } } }"))["dataSources"]
    fqn = table["nodes"][0]["tables"]["nodes"][0]["fqn"]
    known = {"__typename": "Table", "fqn": fqn}
    found = await demo_client.query(ENTITIES, of=[known, {"__typename": "Nobody", "id": "1"}, known])
    assert found["_entities"] == [known, None, known]


async def test_an_entity_comes_with_what_the_gateway_knows_of_it(demo_client: GraphqlClient):
    """Keys are found among other fields, whatever the way of writing their names."""
    sources = (await demo_client.query("{ dataSources { nodes { id name fqn } } }"))["dataSources"]["nodes"]
    others = {"rowCount": 1, "row_count": 1, "environmentName": "x", "info": {}, "self": 1, "cls": 2}
    for key in ("id", "fqn"):
        asked = [{"__typename": "DataSource", key: source[key], **others} for source in sources]
        found = await demo_client.query(ENTITIES, of=asked)
        assert [one["name"] for one in found["_entities"]] == [source["name"] for source in sources]
