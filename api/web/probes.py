"""Whether this process lives, and whether it should be given work. Open to everybody, and telling nobody a secret."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from domain.ports.events import EventFeed, EventLog

CHECK_TIMEOUT_S = 1.0
_POLL_S = 0.02

Check = Callable[[], Awaitable[bool]]

_log = structlog.get_logger(__name__)


def routes(checks: Mapping[str, Check]) -> list[Route]:
    """`/livez` answers as long as the loop turns; `/readyz` is 200 when every check says yes within a second."""

    async def readyz(_: Request) -> Response:
        states = await asyncio.gather(*(_look(name, check) for name, check in checks.items()))
        is_ready = all(state["ok"] for state in states)
        body = {"ready": is_ready, "checks": dict(zip(checks, states, strict=True))}
        return JSONResponse(body, status_code=200 if is_ready else 503)

    return [Route("/livez", _livez, methods=["GET"]), Route("/readyz", readyz, methods=["GET"])]


def feed_keeps_up(log: EventLog, feed: EventFeed) -> Check:
    """Yes when, within the time of a check, this process has handed out all that the log holds now."""

    async def check() -> bool:
        head = await log.head()
        while feed.position < head:  # noqa: ASYNC110  # a feed does not announce where it is
            await asyncio.sleep(_POLL_S)
        return True

    return check


async def _livez(_: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _look(name: str, check: Check) -> dict[str, Any]:
    began_s = time.perf_counter()
    state = "failed"
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            if await check():
                state = "ok"
    except TimeoutError:
        state = "timed out"
    except Exception:
        _log.exception("readiness_check_failed", check=name)
    duration_ms = round((time.perf_counter() - began_s) * 1_000, 3)
    return {"ok": state == "ok", "state": state, "durationMs": duration_ms}
