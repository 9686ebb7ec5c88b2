"""What the commands say when there is no server, another one, or one that goes away in the middle."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from tests.e2e.command_line.running import Command, run, run_here
from tests.e2e.conftest import ADMIN_KEY
from tests.e2e.waiting import until
from tests.servers.headwater import HeadwaterServer
from tests.servers.ports import LOOPBACK, free_port

_HTML = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>"
_STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n:\n\n"


def _json(answer: object, status: str = "200 OK") -> bytes:
    body = json.dumps(answer).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return head.encode() + b"connection: close\r\n\r\n" + body


@asynccontextmanager
async def scripted(answers: Sequence[bytes]) -> AsyncIterator[tuple[str, list[dict]]]:
    """A server that gives these answers in turn, the last one for ever: its address, and what it was asked."""
    asked: list[dict] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = next(
            int(line.split(b":")[1]) for line in head.lower().splitlines() if line.startswith(b"content-length")
        )
        asked.append(json.loads(await reader.readexactly(size)))
        writer.write(answers[min(len(asked), len(answers)) - 1])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    async with server:
        yield f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}", asked


VERBS = [("sources",), ("sources", "show", "shop"), ("test", "shop"), ("discover", "shop"), ("watch",)]


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
async def test_no_server(verb: tuple[str, ...]):
    ended = run_here(*verb, env={"HEADWATER_URL": f"http://{LOOPBACK}:{free_port()}"})
    assert ended.code == 69
    assert "connection refused" in ended.err
    assert "headwater serve" in ended.err
    assert "HEADWATER_URL" in ended.err
    assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize("verb", [("sources",), ("watch",)], ids=" ".join)
async def test_a_server_that_is_no_headwater(verb: tuple[str, ...]):
    for answer in (_HTML, _json([1]), _json({"data": None}), _json({"errors": ["?"]}), _HTML.replace(b"html", b"json")):
        async with scripted([answer]) as (url, _):
            ended = await run(*verb, "--url", url)
        assert ended.code == 69, ended
        assert "no Headwater server" in ended.err
        assert "Traceback" not in ended.err


async def test_a_redirect_is_not_followed():
    answer = b"HTTP/1.1 302 Found\r\nlocation: http://192.0.2.1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    async with scripted([answer]) as (url, _):
        ended = await run("sources", "--url", url)
    assert ended.code == 69
    assert "leads to another address" in ended.err


async def test_a_server_of_another_version():
    error = {"message": "Cannot query field 'x'.", "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"}}
    async with scripted([_json({"errors": [error]})]) as (url, _):
        ended = await run("sources", "--url", url)
    assert ended.code == 69
    assert "another version" in ended.err
    assert "--version" in ended.err


@pytest.mark.parametrize(
    ("arguments", "env", "code"),
    [
        (("sources", "--url", "ftp://x"), {}, 2),
        (("sources", "--url", "http://user:secret@x"), {}, 2),
        (("sources",), {"HEADWATER_URL": "http://127.0.0.1:none"}, 78),
        (("sources",), {"HEADWATER_URL": "nonsense"}, 78),
        (("sources",), {"HEADWATER_ADMIN_KEY": "two\nlines"}, 78),
    ],
)
async def test_a_wrong_address_or_key_is_refused_unsent(arguments: tuple[str, ...], env: dict[str, str], code: int):
    ended = run_here(*arguments, env=env)
    assert ended.code == code, ended
    assert "secret" not in ended.err
    assert "Traceback" not in ended.err


async def test_the_key(keyed_server: HeadwaterServer):
    for url in (keyed_server.url, keyed_server.graphql_url, keyed_server.url + "/"):
        ended = run_here("sources", "--url", url, env={"HEADWATER_ADMIN_KEY": ADMIN_KEY})
        assert ended.code == 0, ended.err
        assert "demo_shop" in ended.out
    for verb in (("sources",), ("watch",)):
        missing = run_here(*verb, "--url", keyed_server.url)
        assert missing.code == 77
        assert "wants a key" in missing.err
        wrong = run_here(*verb, "--url", keyed_server.url, env={"HEADWATER_ADMIN_KEY": "some-other-key-0123456789"})
        assert wrong.code == 77
        assert "does not take the key" in wrong.err
        assert "some-other-key" not in wrong.err


async def test_settings_of_the_server_do_not_bother_a_client(at_server: dict[str, str]):
    env = at_server | {"HEADWATER_NO_SUCH": "1", "HEADWATER_PORT": "nonsense"}
    assert run_here("sources", env=env).code == 0
    refused = await run("migrate", "--check", env={"HEADWATER_NO_SUCH": "1"})
    assert refused.code == 78
    assert "HEADWATER_NO_SUCH" in refused.err
    shared = await run("keys", "check", "--data-dir", "/nonexistent", env={"HEADWATER_URL": "http://127.0.0.1:1"})
    assert shared.code == 0, shared.err


def _next(cursor: str, name: str) -> bytes:
    event = {"__typename": "DataSourceEvent", "dataSourceId": "src_1", "name": name, "sourceAction": "REGISTERED"}
    envelope = {"cursor": cursor, "at": "2026-11-23T08:00:00Z", "replayed": False, "event": event}
    return b"event: next\ndata: " + json.dumps({"data": {"events": envelope}}).encode() + b"\n\n"


async def _watched(answers: Sequence[bytes], is_done: Callable[[Command, list[dict]], bool]) -> tuple[str, str, list]:
    async with scripted(answers) as (url, asked), Command("watch", "--url", url) as command:
        await until(lambda: is_done(command, asked), timeout_s=30)
        command.interrupt()
        ended = await command.ended()
    assert ended.code == 130, ended
    return ended.out, ended.err, asked


async def test_a_watcher_resumes_behind_what_it_has_shown():
    half = _next("c3", "never whole")[:-8]
    out, err, asked = await _watched(
        [
            _STREAM + _next("c1", "one") + _next("c2", "two\u2028\x1b[2J") + half,
            _HTML[:20],
            _STREAM + _next("c4", "four"),
        ],
        lambda command, _: "four" in command.out,
    )
    assert [line.split("  ")[1] for line in out.splitlines()][:3] == ["one", "two\\u2028\\x1b[2J", "four"]
    assert [each["variables"]["after"] for each in asked][:3] == [None, "c2", "c2"]
    assert "connection was lost" in err
    assert "Connected again." in err
    assert "headwater watch --after c4" in err


async def test_a_stream_that_is_complete_ends_the_watch():
    async with scripted([_STREAM + b"event: complete\ndata:\n\n"]) as (url, _):
        ended = await run("watch", "--url", url)
    assert ended.code == 0


async def test_an_error_in_the_stream_is_told():
    error = {"message": "This cursor is no longer valid.", "extensions": {"code": "INVALID_CURSOR"}}
    payload = b"event: next\ndata: " + json.dumps({"errors": [error]}).encode() + b"\n\n"
    async with scripted([_STREAM + payload]) as (url, _):
        ended = await run("watch", "--after", "x", "--url", url)
    assert ended.code == 1
    assert "no longer valid" in ended.err


async def test_a_store_that_is_away_is_waited_for():
    error = {"message": "The metadata store does not answer.", "extensions": {"code": "X", "retryable": True}}
    payload = b"event: next\ndata: " + json.dumps({"errors": [error]}).encode() + b"\n\n"
    out, err, _ = await _watched(
        [_STREAM + _next("c1", "one"), _STREAM + payload, _STREAM + _next("c2", "two")],
        lambda command, _: "two" in command.out,
    )
    assert "one" in out
    assert "Connected again." in err
    async with scripted([_json({"errors": [error]})]) as (url, _):
        ended = await run("sources", "--url", url)
    assert ended.code == 69
    assert "just now" in ended.err
