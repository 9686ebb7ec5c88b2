"""One worker process: runs operations and schedules out of the shared queue, and serves nobody."""

import asyncio
from functools import partial

import structlog
import uvloop

from api.bootstrap import open_headwater
from api.settings import Settings
from api.signals import Startup, on_stop, until_stopped
from domain.errors import StartRefused

_log = structlog.get_logger(__name__)


def work(settings: Settings) -> None:
    """Runs until SIGINT or SIGTERM. Raises `StartRefused`, `Unavailable`."""
    missing = [
        name
        for name, value in (
            ("HEADWATER_DATABASE_URL", settings.database_url),
            ("HEADWATER_REDIS_URL", settings.redis_url),
        )
        if value is None
    ]
    if missing:
        raise StartRefused(
            f"A worker shares its store and its queue with servers: set {' and '.join(missing)}. "
            "Without them `headwater serve` works by itself and needs no worker."
        )
    if settings.store_url.startswith("sqlite"):
        raise StartRefused(
            "A worker and its servers cannot share a SQLite file. Give all of them a PostgreSQL store in "
            "HEADWATER_DATABASE_URL."
        )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(until_stopped(partial(_work, settings)))


async def _work(settings: Settings, startup: Startup) -> None:
    stopped = asyncio.Event()
    # A source must not lead to the servers either: the port is the one that they are told by the same setting.
    async with open_headwater(settings, port=settings.port):
        if startup.is_stopped:
            return
        on_stop(stopped.set)
        _log.info("worker_ready", concurrency=settings.worker_concurrency)
        await stopped.wait()
        _log.info("worker_stopping")
    _log.info("worker_stopped")
