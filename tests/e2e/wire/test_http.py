"""What every answer carries, and who is let in."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.e2e.conftest import ADMIN_KEY
from tests.servers.clients import http_client
from tests.servers.headwater import HeadwaterServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

_QUERY = "{ dataSources { nodes { name } } }"


@pytest_asyncio.fixture(loop_scope="session")
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with http_client() as client:
        yield client


async def test_what_an_answer_carries(demo_server: HeadwaterServer, http: httpx.AsyncClient):
    answer = await http.post(demo_server.graphql_url, json={"query": _QUERY})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-request-id"]
    assert "server" not in answer.headers
    assert not any(name.startswith("access-control-") for name in answer.headers)


async def test_which_of_several_operations_is_said(demo_server: HeadwaterServer, http: httpx.AsyncClient):
    request = {"query": "query A { a: __typename } query B { b: __typename }"}
    unclear = (await http.post(demo_server.graphql_url, json=request)).json()
    assert "data" not in unclear
    assert "operationName" in unclear["errors"][0]["message"]
    said = (await http.post(demo_server.graphql_url, json=request | {"operationName": "B"})).json()
    assert said == {"data": {"b": "Query"}}


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "rebound.example"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"x-forwarded-for": "203.0.113.7"},
    ],
)
async def test_other_pages_and_names_are_refused(
    demo_server: HeadwaterServer, http: httpx.AsyncClient, headers: dict[str, str]
):
    answer = await http.post(demo_server.graphql_url, json={"query": _QUERY}, headers=headers)
    assert answer.status_code == 403
    assert "data" not in answer.json()


@pytest.mark.parametrize("key", [None, "x", "wrong-key-0123456789", ADMIN_KEY + "x"])
async def test_the_key_is_asked_for(keyed_server: HeadwaterServer, http: httpx.AsyncClient, key: str | None):
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    for accept in ("application/json", "text/event-stream", "multipart/mixed;subscriptionSpec=1.0"):
        answer = await http.post(keyed_server.graphql_url, json={"query": _QUERY}, headers=headers | {"accept": accept})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    assert ADMIN_KEY not in keyed_server.log


async def test_probes_need_no_key(keyed_server: HeadwaterServer, http: httpx.AsyncClient):
    assert (await http.get(f"{keyed_server.url}/livez")).status_code == 200
    ready = await http.get(f"{keyed_server.url}/readyz")
    assert ready.status_code == 200
    assert ready.json()["ready"] is True
    assert all(check["ok"] for check in ready.json()["checks"].values())
