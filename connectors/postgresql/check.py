"""The test of a connection, phase by phase, each of them really gone through and measured.

resolve, connect and tls are our own; authenticate and what follows is a conversation of asyncpg with the same address.

Facts (advice rests on these names):
- resolve: `addresses` (those that may be used)
- connect: `address` (ip:port)
- tls: `tls_version` ("none" where TLS is off), `tls_cipher`, `certificate_expires_at` (ISO time)
- authenticate: `server_version`, `server_end_of_life` (ISO date; absent for versions that we do not know)
- authorize: `max_connections`, `reserved_connections`, `connections_in_use`, `is_superuser`, `in_recovery`, and for
  each of the first 50 schemas `privileges.<schema>` ("USAGE, SELECT on 3 of 5 tables")
- read_catalog: `namespaces`, `tables`, `tables_read` (in this test)
- latency: `latency_p50`, `latency_p95`, `latency_jitter` (ms, of five round trips; jitter is the mean difference
  between one and the next)
"""

import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from connectors.postgresql import queries
from connectors.postgresql.discovery import CatalogReader, batches, begin
from connectors.postgresql.errors import grant_catalogs, grant_schema_usage, grant_select, unreachable
from connectors.postgresql.spec import OLDEST_VERSION, PostgresqlSettings, load
from connectors.postgresql.wire import Conversation, converse, encrypt, tls_context
from connectors.shared.deadlines import Deadline
from connectors.shared.latency import latency_facts
from domain.errors import ProblemError, Unreachable
from domain.models.data_source import DiscoveryScope
from domain.models.fact import Fact
from domain.models.operation import Step, StepState
from domain.models.problem import Problem, ProblemKind, Remedy
from domain.ports.connector import Target
from domain.ports.dialer import Address, Dialer

# Shares of the budget. What one phase does not use, the next ones may.
_SHARES = {
    "resolve": 0.10,
    "connect": 0.15,
    "tls": 0.15,
    "authenticate": 0.20,
    "authorize": 0.15,
    "read_catalog": 0.20,
    "latency": 0.05,
}
_OPTIONAL = frozenset({"latency"})
_ROUND_TRIPS = 5
_TABLES_TO_READ = 20
_MAX_SCHEMAS = 50

# https://www.postgresql.org/support/versioning/
_END_OF_LIFE = {
    12: "2024-11-21",
    13: "2025-11-13",
    14: "2026-11-12",
    15: "2027-11-11",
    16: "2028-11-09",
    17: "2029-11-08",
    18: "2030-11-14",
}


class _Outcome(Struct, frozen=True):
    """What a phase that did not fail has shown."""

    facts: tuple[Fact, ...] = ()
    problem: Problem | None = None  # a warning
    fix: tuple[Remedy, ...] = ()


_Phase = Callable[[Deadline], Coroutine[Any, Any, _Outcome]]


async def check(target: Target, dialer: Dialer, *, budget_s: float) -> AsyncGenerator[Step]:
    """Each step when it starts and when it ended. Never raises for what the server does; ends within `budget_s`."""
    async with AsyncExitStack() as stack:
        settings = load(target.settings)
        phases = _Phases(target, settings, dialer, Deadline.after(budget_s), stack)
        spent, has_failed = 0.0, False
        started_at = time.monotonic()
        for name, share in _SHARES.items():
            spent += share
            step = Step(name, StepState.RUNNING, int(share * budget_s * 1_000), mandatory=name not in _OPTIONAL)
            if has_failed:
                yield Step(name, StepState.SKIPPED, step.budget_ms, mandatory=step.mandatory)
                continue
            yield step
            ended = await _run(phases.phase(name), step, Deadline(started_at + budget_s * spent), settings)
            has_failed = ended.state is StepState.FAILED and ended.mandatory
            yield ended


async def _run(phase: _Phase, step: Step, deadline: Deadline, settings: PostgresqlSettings) -> Step:
    """The step as it ended."""
    outcome, problem = _Outcome(), None
    started = time.perf_counter()
    try:
        async with deadline.enforce(step.name):
            outcome = await phase(deadline)
    except ProblemError as error:
        problem = error.problem
    except Exception as error:  # answers that no PostgreSQL server would give
        problem = unreachable(error, step.name, settings).problem
    duration_ms = (time.perf_counter() - started) * 1_000
    if problem is not None:
        state, fix = StepState.FAILED, problem.fix
    else:
        problem, fix = outcome.problem, outcome.fix
        state = StepState.PASSED if problem is None else StepState.WARNED
    return Step(
        step.name,
        state,
        step.budget_ms,
        mandatory=step.mandatory,
        duration_ms=duration_ms,
        facts=outcome.facts,
        problem=problem,
        fix=fix,
    )


class _Phases:
    """The phases in order; each leaves behind what the next one needs."""

    def __init__(
        self,
        target: Target,
        settings: PostgresqlSettings,
        dialer: Dialer,
        deadline: Deadline,
        stack: AsyncExitStack,
    ) -> None:
        self._target = target
        self._settings = settings
        self._dialer = dialer
        self._deadline = deadline
        self._stack = stack
        self._addresses: tuple[Address, ...] = ()
        self._streams: Any = None
        self._conversation: Conversation | None = None
        self._refusal: Unreachable | None = None
        self._hidden: list[str] = []

    def phase(self, name: str) -> _Phase:
        """The phase of that name."""
        phases = {
            "resolve": self._resolve,
            "connect": self._connect,
            "tls": self._tls,
            "authenticate": self._authenticate,
            "authorize": self._authorize,
            "read_catalog": self._read_catalog,
            "latency": self._latency,
        }
        return phases[name]

    async def _resolve(self, deadline: Deadline) -> _Outcome:
        self._addresses = await self._dialer.resolve(
            self._settings.host, self._settings.port, timeout_s=deadline.left_s
        )
        return _Outcome((Fact("addresses", ", ".join(address.ip for address in self._addresses)),))

    async def _connect(self, deadline: Deadline) -> _Outcome:
        """The first address that takes a connection is the one that the whole test speaks with."""
        for place, address in enumerate(self._addresses):
            is_last = place == len(self._addresses) - 1
            timeout_s = deadline.left_s / (len(self._addresses) - place)
            try:
                reader, writer = await self._dialer.connect(address, timeout_s=timeout_s)
            except Unreachable:
                if is_last:
                    raise
                continue
            self._stack.callback(writer.transport.abort)
            self._streams, self._addresses = (reader, writer), (address,)
            break
        ip, port = self._addresses[0].ip, self._addresses[0].port
        return _Outcome((Fact("address", f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"),))

    async def _tls(self, deadline: Deadline) -> _Outcome:
        context = tls_context(self._target, self._settings)
        reader, writer = self._streams
        try:
            if context is None:
                return _Outcome((Fact("tls_version", "none"),))
            found = await encrypt(reader, writer, context, self._settings.host, timeout_s=deadline.left_s)
        finally:
            writer.transport.abort()  # the other side may never close; what it still has to say is of no interest
        facts = [Fact("tls_version", found.version), Fact("tls_cipher", found.cipher)]
        if found.certificate_expires_at is not None:
            facts.append(Fact("certificate_expires_at", found.certificate_expires_at.isoformat()))
        return _Outcome(tuple(facts))

    async def _authenticate(self, deadline: Deadline) -> _Outcome:
        """A server that keeps the user out of the database only has authenticated it: `authorize` tells the rest."""
        try:
            self._conversation = await self._stack.enter_async_context(
                converse(self._target, self._settings, self._addresses, self._deadline)
            )
        except Unreachable as error:
            if error.problem.phase != "authorize":
                raise
            self._refusal = error
            return _Outcome()
        connection = self._conversation.connection
        # `15.4 (Debian 15.4-1)`: the packager's part says nothing about the server.
        facts = [Fact("server_version", connection.get_settings().server_version.split(" ")[0][:50])]
        major = connection.get_server_version().major
        if major in _END_OF_LIFE:
            facts.append(Fact("server_end_of_life", _END_OF_LIFE[major]))
        return _Outcome(tuple(facts))

    async def _authorize(self, deadline: Deadline) -> _Outcome:
        if self._refusal is not None:
            raise self._refusal
        conversation = self._open
        await begin(conversation, self._deadline.left_s)
        wanted = (*queries.CATALOGS, "pg_stat_activity")
        async with conversation.speaking("authorize") as connection:
            server = await connection.fetchrow(queries.SERVER)
            hidden = [row["name"] for row in await connection.fetch(queries.UNREADABLE_CATALOGS, wanted)]
            in_use = None if "pg_stat_activity" in hidden else await connection.fetchval(queries.CONNECTIONS_IN_USE)
            can_list = not {"pg_class", "pg_namespace"} & set(hidden)
            schemas = await connection.fetch(queries.SCHEMA_PRIVILEGES, _MAX_SCHEMAS) if can_list else []
        self._hidden = [name for name in hidden if name in queries.CATALOGS]
        _demand_version(server["version_number"])
        facts = [
            Fact("max_connections", str(server["max_connections"])),
            Fact("reserved_connections", str(server["reserved_connections"])),
            Fact("is_superuser", _yes_or_no(server["is_superuser"])),
            Fact("in_recovery", _yes_or_no(server["in_recovery"])),
        ]
        if in_use is not None:
            facts.append(Fact("connections_in_use", str(in_use)))
        facts.extend(_privilege_fact(row) for row in schemas)
        fix = tuple(remedy for row in schemas for remedy in _missing_grants(row, self._settings.user))
        return _Outcome(tuple(facts), _missing_privileges() if fix else None, fix)

    async def _read_catalog(self, deadline: Deadline) -> _Outcome:
        if self._hidden:
            raise Unreachable(
                "PERMISSION_DENIED",
                "The user may not read system catalogs that describe the structure.",
                phase="read_catalog",
                vendor_code="42501",
                retryable=False,
                fix=(grant_catalogs(self._hidden, self._settings.user),),
            )
        reader = await CatalogReader.of(self._open)
        survey, tables = await reader.survey(DiscoveryScope())
        some = next(batches(tables, _TABLES_TO_READ), ())
        read = await reader.read(some, {}) if some else None
        return _Outcome(
            (
                Fact("namespaces", str(len(survey.namespaces))),
                Fact("tables", str(len(survey.listed))),
                Fact("tables_read", str(len(read.found) if read else 0)),
            )
        )

    async def _latency(self, _: Deadline) -> _Outcome:
        latencies_ms = []
        async with self._open.speaking("latency") as connection:
            for _trip in range(_ROUND_TRIPS):
                started = time.perf_counter()
                await connection.execute("SELECT 1")
                latencies_ms.append((time.perf_counter() - started) * 1_000)
        return _Outcome(latency_facts(latencies_ms))

    @property
    def _open(self) -> Conversation:
        assert self._conversation is not None
        return self._conversation


def _demand_version(version_number: int) -> None:
    if version_number < OLDEST_VERSION * 10_000:
        raise Unreachable(
            "VERSION_TOO_OLD",
            f"This server is older than PostgreSQL {OLDEST_VERSION}, the oldest that can be read.",
            phase="authorize",
            retryable=False,
            fix=(
                Remedy(
                    "Upgrade the server",
                    "Its version gets no fixes any more.",
                    rests_on=("server_version",),
                    docs="https://www.postgresql.org/docs/current/upgrading.html",
                ),
            ),
        )


def _yes_or_no(value: bool) -> str:
    return "yes" if value else "no"


def _privilege_fact(schema: Any) -> Fact:
    usage = "USAGE" if schema["usable"] else "no USAGE"
    return Fact(_privileges_of(schema), f"{usage}, SELECT on {schema['selectable']} of {schema['tables']} tables")


def _privileges_of(schema: Any) -> str:
    return f"privileges.{schema['name']}"


def _missing_grants(schema: Any, user: str) -> list[Remedy]:
    """Exactly what is missing for reading rows of a schema."""
    remedies = []
    if not schema["usable"]:
        remedies.append(grant_schema_usage(schema["name"], user))
    if schema["selectable"] < schema["tables"]:
        remedies.append(grant_select(schema["name"], user))
    return [replace(remedy, rests_on=(_privileges_of(schema),)) for remedy in remedies]


def _missing_privileges() -> Problem:
    return Problem(
        ProblemKind.UNREACHABLE,
        "PRIVILEGES_MISSING",
        "The user may not read the rows of every table. Structure is read all the same.",
        phase="authorize",
    )
