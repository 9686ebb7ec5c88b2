import asyncio
import json
from collections.abc import Mapping

import pytest
from starlette.applications import Starlette
from starlette.types import Message

from api.web import probes
from api.web.middleware import RequestIds, SecurityHeaders


async def get(app: object, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
        "query_string": b"",
    }
    await app(scope, receive, send)  # type: ignore[operator]  # any ASGI application
    found = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:])


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


async def broken() -> bool:
    raise RuntimeError("secret detail")


async def hanging() -> bool:
    await asyncio.sleep(60)
    return True


async def test_ready_when_every_check_says_yes():
    status, _, body = await get(Starlette(routes=probes.routes({"store": yes, "events": yes})), "/readyz")
    told = json.loads(body)
    assert (status, told["ready"]) == (200, True)
    assert {name: check["state"] for name, check in told["checks"].items()} == {"store": "ok", "events": "ok"}
    assert all(check["durationMs"] >= 0 for check in told["checks"].values())


async def test_not_ready_when_one_does_not(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(probes, "CHECK_TIMEOUT_S", 0.05)
    app = Starlette(routes=probes.routes({"a": yes, "b": no, "c": broken, "d": hanging}))
    status, _, body = await get(app, "/readyz")
    told = json.loads(body)
    assert (status, told["ready"]) == (503, False)
    states = {name: check["state"] for name, check in told["checks"].items()}
    assert states == {"a": "ok", "b": "failed", "c": "failed", "d": "timed out"}
    assert b"secret" not in body


async def test_alive_whatever_the_checks_say():
    assert await get(Starlette(routes=probes.routes({"a": no})), "/livez") == (
        200,
        {"content-length": "3", "content-type": "text/plain; charset=utf-8"},
        b"ok\n",
    )


async def test_ids_and_headers_are_added():
    app = RequestIds(SecurityHeaders(Starlette(routes=probes.routes({}))))
    _, headers, _ = await get(app, "/livez", {"x-request-id": "trace-1.a_b"})
    assert headers["x-request-id"] == "trace-1.a_b"
    assert headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, 'a"b', "ü"])
async def test_ids_that_are_not_well_formed_are_replaced(given: str):
    _, headers, _ = await get(RequestIds(Starlette(routes=probes.routes({}))), "/livez", {"x-request-id": given})
    assert len(headers["x-request-id"]) == 24
