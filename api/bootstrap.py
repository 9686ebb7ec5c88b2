"""The one composition root: settings → adapters → services. Opens in order, closes in reverse."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

from api.data_folder import locked
from api.services import Services
from api.settings import Settings, in_clear
from api.system import RandomIds, SystemClock
from connectors.registry import ConnectorRegistry
from connectors.shared.dialer import DialPolicy, GuardedDialer
from domain.errors import StartRefused
from domain.models.access import system_viewer
from domain.models.health import HealthSample
from domain.models.operation import OperationKind
from domain.ports.events import EventFeed, EventLog, Telemetry
from domain.services.catalog import Catalog
from domain.services.connection_tests import ConnectionTests
from domain.services.credentials import Credentials
from domain.services.data_sources import DataSources
from domain.services.discoveries import Discoveries
from domain.services.events import Events
from domain.services.health import HealthMonitor, HealthService
from domain.services.operations import OperationRunner, Operations
from domain.services.pages import Pages
from domain.services.upkeep import Upkeep
from persistence import migrations
from persistence.background import end
from persistence.catalog.reader import SqlCatalogReader
from persistence.database import Database, in_transaction, open_database, open_to_look
from persistence.events.feed import ALONE_POLL_S, POLL_S, LogFeed
from persistence.events.log import SqlEventLog
from persistence.events.redis_stream import RedisFanOut
from persistence.jobs import DocketJobs, Tick
from persistence.migrations import Migration, migrate, newest_step
from persistence.repositories.data_sources import SqlDataSourceReader
from persistence.repositories.health import SqlHealthReader
from persistence.repositories.operations import SqlOperationReader
from persistence.secrets import opening
from persistence.secrets.opening import KeyCheck, Secrets, open_secrets
from persistence.secrets.stores import ConfiguredStores
from persistence.telemetry import LocalTelemetry, RedisTelemetry
from persistence.unit_of_work import SqlUnitOfWork

RESUME_EVERY_S = 15.0
FORGET_EVERY_S = 30.0
SCAN_EVERY_S = 60.0
PRUNE_EVERY_S = 600.0
MAX_EVENTS = 5_000_000


@dataclass(frozen=True)
class Headwater:
    """One running process: its services, and what its probes look at."""

    services: Services
    event_log: EventLog
    feed: EventFeed
    is_store_ready: Callable[[], Awaitable[bool]]
    is_at_work: Callable[[], Awaitable[bool]]


class _Adapters(NamedTuple):
    """What the services need of the world."""

    database: Database
    secrets: Secrets
    event_log: SqlEventLog
    feed: LogFeed
    telemetry: Telemetry
    jobs: DocketJobs
    dialer: GuardedDialer


class _Workshop(NamedTuple):
    """What works by itself."""

    runner: OperationRunner
    monitor: HealthMonitor
    upkeep: Upkeep


@asynccontextmanager
async def open_headwater(settings: Settings, *, port: int) -> AsyncIterator[Headwater]:
    """Everything of one process, started: store migrated and unsealed, events flowing, worker and monitor at work.

    `port` is the one that is served on, here or beside this worker: never a target of ours. Raises `StartRefused` for
    what the operator must mend, `Unavailable` for a store that is away.
    """
    async with AsyncExitStack() as stack:
        adapters = await _open_adapters(stack, settings, port)
        services, workshop = _compose(adapters, settings)
        ticks = _ticks(services, workshop, adapters.event_log, settings)
        await stack.enter_async_context(
            adapters.jobs.run_workers(workshop.runner.run, ticks, concurrency=settings.worker_concurrency)
        )
        monitoring = asyncio.create_task(workshop.monitor.run(), name="health monitor")
        stack.push_async_callback(end, [monitoring])

        async def is_store_ready() -> bool:
            return await adapters.event_log.tail() > 0

        async def is_at_work() -> bool:
            return not monitoring.done()

        await services.operations.resume(system_viewer("start"))
        yield Headwater(services, adapters.event_log, adapters.feed, is_store_ready, is_at_work)


async def migrate_store(settings: Settings) -> Migration:
    """Brings the metadata store up to date, holding the data folder where the store lies in it.

    Raises `StartRefused` for a store of a newer version or one in use, `Unavailable` for one that is away.
    """
    with locked(settings.data_dir) if settings.database_url is None else nullcontext():
        database = await open_database(settings.store_url)
        try:
            return await migrate(database)
        finally:
            await database.close()


async def pending_migration(settings: Settings) -> Migration:
    """What `migrate_store` would do; nothing is made or changed. Raises the same."""
    async with _looking(settings) as database:
        return Migration(None, newest_step()) if database is None else await migrations.pending_migration(database)


async def check_key(settings: Settings) -> KeyCheck:
    """Whether the configured key opens what is sealed in the store; nothing is made or changed.

    Raises `StartRefused` for a key that is missing or unsafe, and for a store of another version.
    """
    async with _looking(settings) as database:
        if database is not None:
            pending = await migrations.pending_migration(database)
            if pending.before is None:
                database = None
            elif pending.before != pending.after:
                raise StartRefused("The metadata store is of an older version. Run `headwater migrate` first.")
        return await opening.check_key(database, key_file=settings.key_file, key=in_clear(settings.encryption_key))


@asynccontextmanager
async def _looking(settings: Settings) -> AsyncIterator[Database | None]:
    """The store, to be read only; None where there is no file of it yet."""
    database = open_to_look(settings.store_url)
    try:
        yield database
    finally:
        if database is not None:
            await database.close()


async def _open_adapters(stack: AsyncExitStack, settings: Settings, port: int) -> _Adapters:
    database = await open_database(settings.store_url)
    stack.push_async_callback(database.close)
    await migrate(database)
    secrets = await open_secrets(database, key_file=settings.key_file, key=in_clear(settings.encryption_key))
    event_log = SqlEventLog(database)
    redis_url = in_clear(settings.redis_url)
    fan_out = None if redis_url is None else RedisFanOut(redis_url)
    poll_s = ALONE_POLL_S if settings.database_url is None else POLL_S
    feed = await stack.enter_async_context(LogFeed(event_log, fan_out=fan_out, poll_s=poll_s))
    telemetry: Telemetry = LocalTelemetry()
    if redis_url is not None:
        telemetry = await stack.enter_async_context(RedisTelemetry(redis_url, _current_samples(database)))
    jobs = await stack.enter_async_context(DocketJobs(redis_url or "memory://"))
    dialer = GuardedDialer(await _policy(settings, port), in_transaction)
    return _Adapters(database, secrets, event_log, feed, telemetry, jobs, dialer)


def _compose(adapters: _Adapters, settings: Settings) -> tuple[Services, _Workshop]:
    database, secrets, jobs, dialer = adapters.database, adapters.secrets, adapters.jobs, adapters.dialer
    clock, ids, connectors = SystemClock(), RandomIds(), ConnectorRegistry()
    unit_of_work = SqlUnitOfWork(database, clock, adapters.feed.nudge)
    credentials = Credentials(secrets.box, ConfiguredStores(os.environ, settings.secret_dir))
    pages = Pages(secrets.tokens, settings.page_limits)
    sources, operation_reader = SqlDataSourceReader(database), SqlOperationReader(database)
    catalog, health = SqlCatalogReader(database), SqlHealthReader(database)
    services = Services(
        data_sources=DataSources(
            unit_of_work=unit_of_work,
            reader=sources,
            connectors=connectors,
            credentials=credentials,
            box=secrets.box,
            pages=pages,
            clock=clock,
            ids=ids,
        ),
        catalog=Catalog(reader=catalog, data_sources=sources, operations=operation_reader, pages=pages),
        operations=Operations(unit_of_work=unit_of_work, reader=operation_reader, jobs=jobs, pages=pages, clock=clock),
        connection_tests=ConnectionTests(
            unit_of_work=unit_of_work,
            connectors=connectors,
            dialer=dialer,
            credentials=credentials,
            health=health,
            jobs=jobs,
            clock=clock,
            ids=ids,
        ),
        discoveries=Discoveries(
            unit_of_work=unit_of_work,
            reader=catalog,
            connectors=connectors,
            dialer=dialer,
            credentials=credentials,
            box=secrets.box,
            jobs=jobs,
            clock=clock,
            ids=ids,
        ),
        health=HealthService(reader=health, data_sources=sources, telemetry=adapters.telemetry, clock=clock),
        events=Events(
            log=adapters.event_log,
            feed=adapters.feed,
            operations=operation_reader,
            tokens=secrets.tokens,
            clock=clock,
            limits=settings.page_limits,
        ),
        pages=pages,
    )
    runner = OperationRunner(
        unit_of_work=unit_of_work,
        reader=operation_reader,
        use_cases={
            OperationKind.CONNECTION_TEST: services.connection_tests.run,
            OperationKind.DISCOVERY: services.discoveries.run,
        },
        clock=clock,
    )
    monitor = HealthMonitor(
        unit_of_work=unit_of_work,
        connectors=connectors,
        dialer=dialer,
        credentials=credentials,
        telemetry=adapters.telemetry,
        clock=clock,
        interval_s=settings.check_every_s,
        timeout_s=settings.health_timeout_s,
    )
    upkeep = Upkeep(
        unit_of_work=unit_of_work,
        data_sources=sources,
        operation_reader=operation_reader,
        operations=services.operations,
        discoveries=services.discoveries,
        clock=clock,
    )
    return services, _Workshop(runner, monitor, upkeep)


def _ticks(
    services: Services, workshop: _Workshop, event_log: SqlEventLog, settings: Settings
) -> dict[str, tuple[float, Tick]]:
    """What happens by the clock: name → how often, what."""
    clock = SystemClock()

    async def resume() -> None:
        await services.operations.resume(system_viewer("schedule"))

    async def prune() -> None:
        await workshop.monitor.prune(keep=timedelta(days=settings.health_kept_days))
        await event_log.prune(now=clock.now(), keep_days=settings.events_kept_days, keep_events=MAX_EVENTS)

    return {
        "resume": (RESUME_EVERY_S, resume),
        "forget": (FORGET_EVERY_S, workshop.upkeep.forget),
        "scan": (SCAN_EVERY_S, workshop.upkeep.discover_due),
        "prune": (PRUNE_EVERY_S, prune),
    }


def _current_samples(database: Database) -> Callable[[], Awaitable[Sequence[HealthSample]]]:
    """What telemetry falls back to while Redis is away."""
    health = HealthService(
        reader=SqlHealthReader(database),
        data_sources=SqlDataSourceReader(database),
        telemetry=LocalTelemetry(),
        clock=SystemClock(),
    )

    async def read() -> Sequence[HealthSample]:
        return await health.snapshot(system_viewer("telemetry"), None)

    return read


async def _policy(settings: Settings, port: int) -> DialPolicy:
    """Where connectors may go: never to ourselves, our store or our Redis."""
    allow_private = settings.allow_private_networks
    file_roots = settings.file_roots
    if file_roots is None and not settings.is_embedded:
        file_roots = ()
    if file_roots is not None and settings.demo:
        file_roots = (*file_roots, settings.data_dir.absolute())
    ours = [(settings.host, port)]
    for url, default_port in ((settings.database_url, 5432), (settings.redis_url, 6379)):
        if url is not None:
            parts = urlsplit(url.get_secret_value())
            ours.append((parts.hostname or "localhost", parts.port or default_port))
    return DialPolicy(
        allow_private=settings.is_embedded if allow_private is None else allow_private,
        file_roots=file_roots,
        denied_endpoints=tuple([endpoint for host, number in ours for endpoint in await _addresses(host, number)]),
        denied_files=settings.own_files,
    )


async def _addresses(host: str, port: int) -> list[tuple[str, int]]:
    """Every address of a host of ours; none for a name that does not resolve (the store will say so itself)."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [(str(address[0]), port) for *_, address in found]
