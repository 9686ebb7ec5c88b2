"""graphql-transport-ws with the client that people use. https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md"""

import json
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from tests.e2e.client import SUBPROTOCOL, GraphqlClient
from tests.e2e.conftest import ADMIN_KEY
from tests.e2e.follower import logged_cursors
from tests.e2e.waiting import until
from tests.e2e.wire.graphql_ws import graphql_ws
from tests.servers.clients import close_code
from tests.servers.headwater import HeadwaterServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

_QUERY = "{ dataSources { nodes { name } } }"
_EVENTS = "subscription { events(heartbeatSeconds: 1) { cursor } }"
_RESUMED = """
subscription($after: Cursor) {
  events(after: $after, heartbeatSeconds: 1) { cursor event { __typename ... on DataSourceEvent { name } } }
}
"""
_OPERATION = "subscription($id: ID!) { operation(id: $id) { event { ... on OperationEvent { operation { state } } } } }"
_DISCOVER = """
mutation($id: ID!) {
  discover(input: { dataSource: $id, mode: FULL }, waitMs: 20000) { ... on Operation { id state } }
}
"""
_REGISTER = """
mutation($input: [DataSourceInput!]!) {
  registerDataSources(input: $input) { __typename ... on DataSourcePayload { dataSource { id } } }
}
"""
_WRONG = [
    pytest.param("{", id="not GraphQL"),
    pytest.param("{ nothing }", id="an unknown field"),
    pytest.param('subscription { operation(id: "none") { id } }', id="a source that refuses"),
    pytest.param("{" + "dataSources{nodes{name}}" * 2_000 + "}", id="a document over its limits"),
]


async def open_socket(server: HeadwaterServer, *, init: Any = None, **options: Any) -> ClientConnection:
    """A socket of Python's websockets, after its acknowledgement."""
    options.setdefault("subprotocols", [SUBPROTOCOL])
    socket = await connect(server.websocket_url, proxy=None, **options)
    await socket.send(json.dumps({"type": "connection_init"} if init is None else init))
    assert json.loads(await socket.recv()) == {"type": "connection_ack"}
    return socket


async def register(client: GraphqlClient, name: str, path: str) -> str:
    entry = {"name": name, "connection": {"sqlite": {"path": path}}}
    (told,) = (await client.mutate(_REGISTER, input=[entry]))["registerDataSources"]
    id: str = told["dataSource"]["id"]
    return id


class TestOperations:
    async def test_a_subscription_that_the_server_ends(self, server: HeadwaterServer, client: GraphqlClient):
        source_id = await register(client, "ends", "/nowhere.sqlite")
        operation = (await client.mutate(_DISCOVER, id=source_id))["discover"]
        async with graphql_ws(server.websocket_url) as socket:
            await socket.subscribe("1", _OPERATION, id=operation["id"])
            told = []
            while "complete" not in (event := await socket.hear(id="1")):
                told.append(event["next"]["data"]["operation"]["event"])
        assert told[-1]["operation"]["state"] == operation["state"] == "FAILED"

    async def test_a_subscription_that_the_client_ends(self, demo_server: HeadwaterServer):
        async with graphql_ws(demo_server.websocket_url) as socket:
            await socket.subscribe("1", _EVENTS)
            await socket.subscribe("2", _EVENTS)
            await socket.hear("next", id="1")
            await socket.tell(dispose="1")
            await socket.hear("complete", id="1")
            for _ in range(2):
                # `hear` would have dropped what still came for the one that was ended.
                assert (await socket.hear())["id"] == "2"

    async def test_queries_and_mutations(self, demo_server: HeadwaterServer):
        async with graphql_ws(demo_server.websocket_url) as socket:
            await socket.subscribe("1", _QUERY)
            assert (await socket.hear("next", id="1"))["next"]["data"]["dataSources"]["nodes"]
            await socket.hear("complete", id="1")
            await socket.subscribe("2", 'mutation { deleteDataSource(id: "none") { __typename } }')
            told = (await socket.hear("next", id="2"))["next"]
            assert told == {"data": {"deleteDataSource": {"__typename": "InvalidInputProblem"}}}
            await socket.hear("complete", id="2")

    @pytest.mark.parametrize("query", _WRONG)
    async def test_what_fails_leaves_the_others_running(self, demo_server: HeadwaterServer, query: str):
        async with graphql_ws(demo_server.websocket_url) as socket:
            await socket.subscribe("others", _EVENTS)
            await socket.subscribe("wrong", query)
            (error, *_) = (await socket.hear("error", id="wrong"))["error"]
            assert error["extensions"]["code"]
            for _ in range(2):
                await socket.hear("next", id="others")

    async def test_an_id_is_free_again_after_its_operation(self, demo_server: HeadwaterServer):
        # The npm client takes a new id each time.
        socket = await open_socket(demo_server)
        for query in (_QUERY, "{ nothing }", _QUERY):
            await socket.send(json.dumps({"type": "subscribe", "id": "same", "payload": {"query": query}}))
            while json.loads(await socket.recv())["type"] == "next":
                pass
        await socket.send('{"type":"complete","id":"same"}')
        await socket.send('{"type":"complete","id":"never was"}')
        await socket.send('{"type":"ping"}')
        assert json.loads(await socket.recv()) == {"type": "pong"}
        await socket.close()

    async def test_nested_fields_are_of_the_time_of_the_event(self, server: HeadwaterServer, client: GraphqlClient):
        """A DataLoader that lives as long as the subscription would show what it loaded first."""
        source_id = await register(client, "stale", "/nowhere.sqlite")
        nested = """
        subscription($under: String!) {
          events(filter: { under: $under, types: [DATA_SOURCE] }, heartbeatSeconds: 300) {
            event { ... on DataSourceEvent { dataSource { description } } }
          }
        }
        """
        change = """
        mutation($id: ID!, $text: String!) {
          updateDataSource(id: $id, patch: { description: $text }) { __typename }
        }
        """
        async with graphql_ws(server.websocket_url) as socket:
            await socket.subscribe("1", nested, under="stale")
            await socket.subscribe("2", _QUERY)
            await socket.hear("complete", id="2")  # the first one follows by now
            for text in ("first", "second", "third"):
                assert (await client.mutate(change, id=source_id, text=text))["updateDataSource"]
                event = (await socket.hear("next", id="1"))["next"]["data"]["events"]["event"]
                assert event == {"dataSource": {"description": text}}


class TestConversation:
    @pytest.mark.parametrize("payload", [{"a": 1, "ü": [None, "☃"]}, {}, None, {"big": 2**70, "small": 1e-300}])
    async def test_pings_are_answered_with_what_they_carry(self, demo_server: HeadwaterServer, payload: Any):
        async with graphql_ws(demo_server.websocket_url) as socket:
            await socket.hear("connected")
            if payload is None or "big" not in payload:  # JavaScript has no such number
                await socket.tell(ping=payload)
            else:
                await socket.tell(send=json.dumps({"type": "ping", "payload": payload}))
            assert (await socket.hear("pong"))["pong"] == payload

    async def test_pongs_need_no_answer(self, demo_server: HeadwaterServer):
        socket = await open_socket(demo_server)
        await socket.send('{"type":"pong","payload":{"a":1}}')
        await socket.send('{"type":"pong"}')
        await socket.send('{"type":"ping","payload":{"last":true}}')
        assert json.loads(await socket.recv()) == {"type": "pong", "payload": {"last": True}}
        await socket.close()

    @pytest.mark.parametrize(
        "init", [{"type": "connection_init", "payload": None}, {"type": "connection_init", "payload": {"any": "thing"}}]
    )
    async def test_what_a_connection_init_may_carry(self, demo_server: HeadwaterServer, init: Any):
        await (await open_socket(demo_server, init=init)).close()

    @pytest.mark.parametrize(
        ("messages", "code"),
        [
            (['{"type":"subscribe","id":"1","payload":{"query":"{ __typename }"}}'], 4401),
            (['{"type":"connection_init"}'] * 2, 4429),
            (
                [
                    '{"type":"connection_init"}',
                    *['{"type":"subscribe","id":"1","payload":{"query":"subscription { health { name } }"}}'] * 2,
                ],
                4409,
            ),
        ],
    )
    async def test_messages_out_of_order(self, demo_server: HeadwaterServer, messages: list[str], code: int):
        async with connect(demo_server.websocket_url, subprotocols=[SUBPROTOCOL], proxy=None) as socket:
            for message in messages:
                await socket.send(message)
            assert await close_code(socket) == code

    @pytest.mark.parametrize("offered", [[], ["graphql-ws"], ["soap", "graphql-transport-ws2"]])
    async def test_other_subprotocols(self, demo_server: HeadwaterServer, offered: list[str]):
        subprotocols = [Subprotocol(name) for name in offered] or None
        async with connect(demo_server.websocket_url, subprotocols=subprotocols, proxy=None) as socket:
            assert await close_code(socket) == 4406

    async def test_ours_is_chosen_among_several(self, demo_server: HeadwaterServer):
        socket = await open_socket(demo_server, subprotocols=[Subprotocol("graphql-ws"), SUBPROTOCOL])
        assert socket.subprotocol == SUBPROTOCOL
        await socket.close()

    async def test_pages_of_other_origins_are_refused(self, demo_server: HeadwaterServer):
        with pytest.raises(InvalidStatus) as refusal:
            await open_socket(demo_server, origin=Origin("http://evil.example"))
        assert refusal.value.response.status_code == 403


class TestKey:
    @pytest.mark.parametrize(
        "payload",
        [
            {"authorization": f"Bearer {ADMIN_KEY}"},
            {"Authorization": f"bearer {ADMIN_KEY}"},
            {"headers": {"Authorization": f"Bearer {ADMIN_KEY}"}},
            {"headers": {"authorization": f"Bearer {ADMIN_KEY}"}, "other": 1},
        ],
    )
    async def test_where_clients_put_it(self, keyed_server: HeadwaterServer, payload: dict[str, Any]):
        async with graphql_ws(keyed_server.websocket_url, connectionParams=payload) as socket:
            await socket.hear("connected")
            await socket.subscribe("1", _QUERY)
            assert (await socket.hear("next", id="1"))["next"]["data"]

    @pytest.mark.parametrize(
        "payload",
        [
            None,
            {},
            {"authorization": "Bearer wrong"},
            {"authorization": ADMIN_KEY},
            {"authorization": {"authorization": f"Bearer {ADMIN_KEY}"}},
            {"headers": f"Bearer {ADMIN_KEY}"},
            {"headers": {"headers": {"Authorization": f"Bearer {ADMIN_KEY}"}}},
            {"authorization": "Bearer wrong", "headers": {"Authorization": f"Bearer {ADMIN_KEY}"}},
        ],
    )
    async def test_everything_else_is_refused(self, keyed_server: HeadwaterServer, payload: dict[str, Any] | None):
        async with graphql_ws(keyed_server.websocket_url, connectionParams=payload) as socket:
            assert await socket.hear() == {"closed": 4403, "reason": "Forbidden"}
        assert ADMIN_KEY not in keyed_server.log


class TestEnd:
    async def test_a_client_that_is_gone_leaves_no_operation_behind(self, server: HeadwaterServer):
        async with graphql_ws(server.websocket_url) as socket:
            for number in range(23):
                await socket.subscribe(str(number), _EVENTS)
            begun: set[str] = set()
            while len(begun) < 23:
                begun.add((await socket.hear("next"))["id"])
            await socket.tell(terminate=True)
            await socket.hear("closed")
        await until(lambda: '"socket_closed"' in server.log)
        (closed,) = [json.loads(line) for line in server.log.splitlines() if '"socket_closed"' in line]
        assert (closed["operations_begun"], closed["operations_left"]) == (23, 0)

    async def test_a_client_comes_back_after_a_restart_and_misses_nothing(
        self, server: HeadwaterServer, client: GraphqlClient, tmp_path: Path
    ):
        names = [f"source-{number}" for number in range(6)]
        async with graphql_ws(server.websocket_url, retryAttempts=1_000) as socket:
            await socket.subscribe("1", _RESUMED, resume=True)
            await socket.hear("next")  # a heartbeat: nothing lies before the beginning
            for number, name in enumerate(names):
                await register(client, name, str(tmp_path / "none.sqlite"))
                if number == 2:
                    await server.stop()
                    while (await socket.hear("closed"))["closed"] != 1012:
                        pass  # it tried to come back while nobody was there
                    await server.start()
                    await register(client, f"{name}-while-away", str(tmp_path / "none.sqlite"))
            while names[-1] != (await socket.hear("next"))["next"]["data"]["events"]["event"].get("name"):
                pass
        envelopes = [event["next"]["data"]["events"] for event in socket.heard if "next" in event]
        seen = [each["cursor"] for each in envelopes if each["event"]["__typename"] != "Heartbeat"]
        assert seen == (await logged_cursors(client.query))[: len(seen)]
        assert len(seen) >= len(names) + 1
