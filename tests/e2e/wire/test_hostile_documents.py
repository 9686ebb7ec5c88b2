"""Documents that are small to send and dear to read: refused by name at once, and nobody waits."""

import asyncio
import itertools
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from tests.e2e.client import SUBPROTOCOL, GraphqlClient
from tests.servers.clients import http_client
from tests.servers.headwater import HeadwaterServer
from tests.servers.process import memory_mib, worked_s

pytestmark = pytest.mark.asyncio(loop_scope="session")

AT_ONCE_S = 0.05  # of the server's own time, which is all that a client waits for on a machine with nothing else to do
ROUNDS = 7  # of which the fastest counts: caches and clocks are shared with whatever else runs
FLAT_MIB = 24  # what a process may grow by over hundreds of these; each alone is far more than that in all rounds


def doubling(turns: int, fields: str = "__typename") -> str:
    fragments = (f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(turns))
    return f"{{ ...F0 }} {' '.join(fragments)} fragment F{turns} on Query {{ {fields} }}"


def doubling_by_alias(turns: int) -> str:
    turn = "a: tables {{ nodes {{ dataSource {{ ...F{0} }} }} }} b: tables {{ nodes {{ dataSource {{ ...F{0} }} }} }}"
    fragments = (f"fragment F{n} on DataSource {{ {turn.format(n + 1)} }}" for n in range(turns))
    return f"{{ dataSources {{ nodes {{ ...F0 }} }} }} {' '.join(fragments)} fragment F{turns} on DataSource {{ id }}"


DOCUMENTS = {
    "thousands of aliases": "{" + " ".join(f"a{n}: __typename" for n in range(1_600)) + "}",
    "thousands of directives": "{ __typename " + "@skip(if: false) " * 800 + "}",
    "thousands of unknown directives": "{ __typename " + "@x " * 2_400 + "}",
    "6,000 equal fields": "{" + "__typename " * 6_000 + "}",
    "4,900 equal fields": "{" + "__typename " * 4_900 + "}",
    "equal fields with equal fields": "{" + ("dataSources {" + "nodes { id } " * 30 + "} ") * 30 + "}",
    "thousands of unknown fields": "{" + " ".join(f"f{n}" for n in range(4_900)) + "}",
    "fragments that double": doubling(60),
    "fragments that double, in 753 bytes": doubling(13),
    "fragments that double by alias": doubling_by_alias(40),
    "a chain of fragments": "{ ...F0 } " + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(500)),
    "fragments in a circle": "{ ...A } fragment A on Query { ...B ...B } fragment B on Query { ...A ...A }",
    "unused fragments": "{ __typename } " + " ".join(f"fragment F{n} on Query {{ __typename }}" for n in range(600)),
    "hundreds of operations": " ".join(f"query Q{n} {{ __typename }}" for n in range(900)),
    "deep fields": "{ a " * 3_000 + "}" * 3_000,
    "deep inline fragments": "{" + "... { " * 3_000 + "a" + "}" * 3_000 + "}",
    "deep lists": "{ a(b: " + "[" * 9_000 + "]" * 9_000 + ") }",
    "an object of thousands of fields": "mutation { discover(input: {"
    + " ".join(f"k{n}: 1" for n in range(1_600))
    + "}) { __typename } }",
    "a long comment": "#" * 60_000 + "\n{ a }",
    "a long text": '{ node(id: "' + "x" * 60_000 + '") { nothing } }',
    "a long block of text": '{ node(id: """' + "x\n" * 30_000 + '""") { nothing } }',
    "a document over its length": " " * 900_000 + "{ __typename }",
    "circles of pages": "{ dataSources(first: 100) { nodes {"
    + "tables(first: 100) { nodes { dataSource {" * 5
    + "id"
    + "} } }" * 5
    + "} } }",
    "circles of the schema": "{ __schema { types {" + "fields { type {" * 6 + "name" + "} }" * 6 + "} } }",
    "the schema a hundred times": "{"
    + " ".join(f"s{n}: __schema {{ types {{ name fields {{ name }} }} }}" for n in range(90))
    + "}",
}
VARIABLES: dict[str, tuple[str, dict[str, Any]]] = {
    "half a million ids": ("query ($i: [ID!]!) { nodes(ids: $i) { id } }", {"i": [1] * 300_000}),
    "thousands of wrong ids": ("query ($i: [ID!]!) { nodes(ids: $i) { id } }", {"i": [True] * 19_000}),
    "thousands of unknown keys": (
        "mutation ($i: DiscoverInput!) { discover(input: $i) { __typename } }",
        {"i": {f"k{n}": 1 for n in range(9_000)}},
    ),
    "a wrong one of 900 KB": ("query ($i: ID!) { node(id: $i) { id } }", {"i": ["x" * 900_000]}),
}
REQUESTS: dict[str, dict[str, Any]] = {name: {"query": document} for name, document in DOCUMENTS.items()} | {
    name: {"query": document, "variables": variables} for name, (document, variables) in VARIABLES.items()
}
REQUESTS["hundreds of operations"]["operationName"] = "Q0"
REFUSALS = {"TOO_COMPLEX", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"}


@pytest_asyncio.fixture(loop_scope="session")
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with http_client() as client:
        yield client


@pytest.mark.parametrize("name", list(REQUESTS))
async def test_it_is_refused_at_once_over_http(demo_server: HeadwaterServer, http: httpx.AsyncClient, name: str):
    body = json.dumps(REQUESTS[name])
    took_s = []
    for _ in range(ROUNDS):
        began_s = worked_s(demo_server.pid)
        answer = await http.post(
            demo_server.graphql_url,
            content=body,
            headers={"content-type": "application/json", "accept": "application/graphql-response+json"},
        )
        took_s.append(worked_s(demo_server.pid) - began_s)
    assert answer.status_code == 400
    told = answer.json()
    assert "data" not in told
    assert {error["extensions"]["code"] for error in told["errors"]} <= REFUSALS
    assert len(told["errors"]) <= 51
    assert min(took_s) < AT_ONCE_S, [round(one, 3) for one in took_s]


async def test_it_is_refused_on_a_socket_and_its_other_operations_go_on(demo_server: HeadwaterServer):
    async with connect(demo_server.websocket_url, subprotocols=[SUBPROTOCOL], proxy=None) as socket:
        await socket.send('{"type":"connection_init"}')
        await socket.recv()
        living = {"query": "subscription { health { name latencyMs } }"}
        await socket.send(json.dumps({"type": "subscribe", "id": "living", "payload": living}))
        fitting = [request for request in REQUESTS.values() if len(json.dumps(request)) < 60_000]
        for number, request in enumerate(fitting):
            await socket.send(json.dumps({"type": "subscribe", "id": str(number), "payload": request}))
        refused: set[str] = set()
        lived_after = 0
        while len(refused) < len(fitting) or lived_after < 2:
            message = json.loads(await asyncio.wait_for(socket.recv(), 20))
            if message["id"] == "living":
                assert message["type"] == "next"
                lived_after += len(refused) == len(fitting)
            else:
                assert message["type"] == "error", message
                refused.add(message["id"])


async def test_memory_stays_flat_and_others_are_answered(http: httpx.AsyncClient):
    server = HeadwaterServer(arguments=["--demo"])
    await server.start()
    try:
        bodies = [json.dumps(request) for request in REQUESTS.values()]

        async def attack(rounds: int) -> None:
            for body in itertools.islice(itertools.cycle(bodies), rounds * len(bodies)):
                await http.post(server.graphql_url, content=body, headers={"content-type": "application/json"})

        await attack(2)  # what is made once, such as caches, is made now
        before_mib = memory_mib(server.pid)
        attacking = asyncio.create_task(attack(8))
        waits_s = []
        async with GraphqlClient(server.graphql_url) as other:
            while not attacking.done():
                began_s = time.perf_counter()
                assert await other.query("{ dataSources { nodes { name } } }")
                waits_s.append(time.perf_counter() - began_s)
                await asyncio.sleep(0.02)
        await attacking
        assert memory_mib(server.pid) - before_mib < FLAT_MIB
        # Each waits behind one document at most; the median says so on a machine that is busy with other tests.
        assert sorted(waits_s)[len(waits_s) // 2] < 10 * AT_ONCE_S
    finally:
        await server.discard()


async def test_an_answer_that_grows_too_large_ends_as_one_error(demo_server: HeadwaterServer, tmp_path: Path):
    path = tmp_path / "wide.sqlite"
    connection = sqlite3.connect(path)
    for table in range(60):
        columns = ", ".join(f"c{column}" for column in range(40))
        connection.execute(f"CREATE TABLE t{table} ({columns})")
    connection.close()
    server = HeadwaterServer(environment={"HEADWATER_MAX_ANSWER_VALUES": "20000"})
    await server.start()
    try:
        async with GraphqlClient(server.graphql_url) as client:
            registered = await client.mutate(
                'mutation ($path: String!) { registerDataSources(input: [{ name: "wide", connection: { sqlite:'
                " { path: $path } } }]) { ... on DataSourcePayload { dataSource { id } } } }",
                path=str(path),
            )
            id = registered["registerDataSources"][0]["dataSource"]["id"]
            await client.mutate(
                "mutation ($id: ID!) { discover(input: { dataSource: $id }, waitMs: 20000) { __typename } }", id=id
            )
            circle = "columns { nodes { table {" * 3 + "name" + "} } }" * 3
            answer = (
                await client.request(f"{{ dataSources {{ nodes {{ tables {{ nodes {{ {circle} }} }} }} }} }}")
            ).json()
            assert answer["data"] is None
            (error,) = answer["errors"]
            assert error["extensions"] == {"code": "TOO_COMPLEX"}
            assert "20000 values" in error["message"]
            fitting = await client.query(
                "{ dataSources { nodes { tables { nodes { columns { nodes { name } } } } } } }"
            )
            assert (
                sum(len(t["columns"]["nodes"]) for t in fitting["dataSources"]["nodes"][0]["tables"]["nodes"]) == 2_000
            )
    finally:
        await server.discard()
