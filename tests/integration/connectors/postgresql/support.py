"""What the tests of the PostgreSQL connector share: targets, discoveries, checks, and what must not be left behind."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from connectors.postgresql.connector import PostgresqlConnector
from connectors.shared.dialer import DialPolicy, GuardedDialer
from domain.models.data_source import DiscoveryScope, Pool
from domain.models.discovery import DiscoveryBatch, DiscoveryRequest, FoundTable
from domain.models.operation import Step, StepState, SyncMode
from domain.ports.connector import Connector, Target
from tests.servers.postgresql import PostgresqlDatabase

CONNECTOR: Connector = PostgresqlConnector()
DIALER = GuardedDialer(DialPolicy(allow_private=True))


def target(
    at: PostgresqlDatabase, /, *, password: str | None = None, pool: Pool | None = None, **settings: Any
) -> Target:
    """The database as its superuser sees it, with some settings of its own."""
    named = {"host": at.host, "port": at.port, "database": at.name, "user": at.user}
    return Target(
        CONNECTOR.spec.parse(named | settings),
        {"password": at.password if password is None else password},
        pool or Pool(),
    )


async def check(of: Target, *, budget_s: float = 10) -> dict[str, Step]:
    """All steps by name, as they ended. Sees to it that each began first, and that the whole kept its budget."""
    running: list[str] = []
    ended: dict[str, Step] = {}
    started = time.monotonic()
    async for step in CONNECTOR.check(of, DIALER, budget_s=budget_s):
        if step.state is StepState.RUNNING:
            running.append(step.name)
        else:
            ended[step.name] = step
    assert time.monotonic() - started < budget_s + 0.5
    assert list(ended) == ["resolve", "connect", "tls", "authenticate", "authorize", "read_catalog", "latency"]
    assert running == [name for name, step in ended.items() if step.state is not StepState.SKIPPED]
    return ended


def facts(steps: dict[str, Step]) -> dict[str, str]:
    """All facts of all steps."""
    return {fact.name: fact.value for step in steps.values() for fact in step.facts}


def states(steps: dict[str, Step]) -> list[str]:
    """PASSED, WARNED … in the order of the steps."""
    return [step.state.value for step in steps.values()]


def failure(steps: dict[str, Step]) -> tuple[str, str, str | None]:
    """Name of the step that failed, code and vendor code; what came before passed, what comes after was skipped."""
    names = list(steps)
    failed = next(name for name, step in steps.items() if step.state is StepState.FAILED)
    place = names.index(failed)
    assert all(steps[name].state is StepState.SKIPPED for name in names[place + 1 :])
    assert all(steps[name].state in (StepState.PASSED, StepState.WARNED) for name in names[:place])
    problem = steps[failed].problem
    assert problem is not None
    return failed, problem.code, problem.vendor_code


def statements(steps: dict[str, Step]) -> list[str]:
    """The statements of all remedies."""
    return [remedy.statement for step in steps.values() for remedy in step.fix if remedy.statement]


async def discover(
    of: Target,
    *,
    mode: SyncMode = SyncMode.FULL,
    scope: DiscoveryScope | None = None,
    known: dict[str, str] | None = None,
    batch_tables: int = 200,
    deadline_s: float = 60,
) -> list[DiscoveryBatch]:
    """All batches of one discovery."""
    request = DiscoveryRequest(mode, scope or DiscoveryScope(), known or {}, 30, batch_tables)
    async with CONNECTOR.open(of, DIALER, deadline_s=deadline_s) as session:
        return [batch async for batch in session.discover(request)]


def found(batches: Iterable[DiscoveryBatch]) -> dict[str, FoundTable]:
    """The tables found by `schema.table`."""
    return {".".join(table.table.path[1:]): table for batch in batches for table in batch.found}


@asynccontextmanager
async def role(database: PostgresqlDatabase, attributes: str = "LOGIN") -> AsyncIterator[tuple[str, str]]:
    """A role with an awkward name, and its password."""
    name, password = f"O'Re\"illy {secrets.token_hex(4)}", secrets.token_urlsafe(12)
    quoted = '"' + name.replace('"', '""') + '"'
    await database.execute(f"CREATE ROLE {quoted} {attributes} PASSWORD '{password}'")
    try:
        yield name, password
    finally:
        await database.execute(f"DROP OWNED BY {quoted}; DROP ROLE {quoted}")


@asynccontextmanager
async def nothing_left_behind() -> AsyncIterator[None]:
    """Fails when the block leaves tasks, or errors that nobody took."""
    loop = asyncio.get_running_loop()
    complaints: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    before = asyncio.all_tasks()
    yield
    for _ in range(5):
        await asyncio.sleep(0.01)
    assert asyncio.all_tasks() <= before
    assert complaints == []
    loop.set_exception_handler(None)


async def sessions(database: PostgresqlDatabase) -> int:
    """How many connections of ours the server still has."""
    connection: asyncpg.Connection = await database.connect()
    try:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'headwater' AND datname = $1", database.name
        )
        return count
    finally:
        await connection.close()
