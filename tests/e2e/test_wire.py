"""Status codes and refusals, at the real server."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.e2e.conftest import ADMIN_KEY
from tests.servers.headwater import HeadwaterServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

_QUERY = "{ dataSources { nodes { name } } }"


@pytest_asyncio.fixture(loop_scope="session")
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=10) as client:  # noqa: S501
        yield client


class TestHttp:
    async def test_what_an_answer_carries(self, demo_server: HeadwaterServer, http: httpx.AsyncClient):
        answer = await http.post(demo_server.graphql_url, json={"query": _QUERY})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-request-id"]
        assert "server" not in answer.headers
        assert not any(name.startswith("access-control-") for name in answer.headers)

    @pytest.mark.parametrize(
        ("content", "status"),
        [
            (b"{", 400),
            (b'"x"', 400),
            (b'{"query":"\xff"}', 400),
            (b"[]", 400),
            (b'{"query":1}', 400),
            (b'{"query":"{a}","variables":"{}"}', 400),
            (b'{"query":"' + b" " * 1024 * 1024 + b'"}', 413),
            (b"[" * 500_000, 400),
        ],
    )
    async def test_bodies_that_are_wrong(
        self, demo_server: HeadwaterServer, http: httpx.AsyncClient, content: bytes, status: int
    ):
        answer = await http.post(demo_server.graphql_url, content=content, headers={"content-type": "application/json"})
        assert answer.status_code == status
        assert answer.json()["errors"][0]["extensions"]["code"]
        assert "Traceback" not in answer.text

    async def test_which_of_several_operations_is_said(self, demo_server: HeadwaterServer, http: httpx.AsyncClient):
        request = {"query": "query A { a: __typename } query B { b: __typename }"}
        unclear = (await http.post(demo_server.graphql_url, json=request)).json()
        assert "data" not in unclear
        assert "operationName" in unclear["errors"][0]["message"]
        said = (await http.post(demo_server.graphql_url, json=request | {"operationName": "B"})).json()
        assert said == {"data": {"b": "Query"}}

    async def test_forms_and_mutations_by_get_are_refused(self, demo_server: HeadwaterServer, http: httpx.AsyncClient):
        assert (await http.post(demo_server.graphql_url, data={"query": _QUERY})).status_code == 415
        mutation = 'mutation { deleteDataSource(id: "none") { __typename } }'
        assert (await http.get(demo_server.graphql_url, params={"query": mutation})).status_code == 405
        assert (await http.get(demo_server.graphql_url, params={"query": _QUERY})).status_code == 200

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
        self, demo_server: HeadwaterServer, http: httpx.AsyncClient, headers: dict[str, str]
    ):
        answer = await http.post(demo_server.graphql_url, json={"query": _QUERY}, headers=headers)
        assert answer.status_code == 403
        assert "data" not in answer.json()

    @pytest.mark.parametrize("key", [None, "x", "wrong-key-0123456789", ADMIN_KEY + "x"])
    async def test_the_key_is_asked_for(self, keyed_server: HeadwaterServer, http: httpx.AsyncClient, key: str | None):
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        for accept in ("application/json", "text/event-stream"):
            answer = await http.post(
                keyed_server.graphql_url, json={"query": _QUERY}, headers=headers | {"accept": accept}
            )
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
        assert ADMIN_KEY not in keyed_server.log

    async def test_probes_need_no_key(self, keyed_server: HeadwaterServer, http: httpx.AsyncClient):
        assert (await http.get(f"{keyed_server.url}/livez")).status_code == 200
        ready = await http.get(f"{keyed_server.url}/readyz")
        assert ready.status_code == 200
        assert ready.json()["ready"] is True
        assert all(check["ok"] for check in ready.json()["checks"].values())

    async def test_an_event_stream_as_curl_reads_it(self, demo_server: HeadwaterServer, http: httpx.AsyncClient):
        query = "subscription { events(heartbeatSeconds: 1) { event { __typename } } }"
        async with http.stream(
            "POST", demo_server.graphql_url, json={"query": query}, headers={"accept": "text/event-stream"}
        ) as answer:
            assert answer.status_code == 200
            received = b""
            async for chunk in answer.aiter_raw():
                received += chunk
                if received.count(b"event: next\ndata: ") >= 2:
                    break
        assert b"\r" not in received
        assert received.startswith(b":\n\nevent: next\ndata: {")
