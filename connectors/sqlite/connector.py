"""The conversation with a SQLite file."""

import sqlite3
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from connectors.shared.deadlines import Deadline
from connectors.shared.latency import latency_facts
from connectors.sqlite import errors, queries
from connectors.sqlite.discovery import Discovery
from connectors.sqlite.header import Header
from connectors.sqlite.reader import FileInfo, Reader, Worker, header_of, look_at, read_head
from connectors.sqlite.spec import SqliteSpec
from domain.errors import ProblemError, Unreachable
from domain.models.discovery import DiscoveryBatch, DiscoveryRequest
from domain.models.fact import Fact
from domain.models.health import HealthCheck
from domain.models.operation import Step, StepState
from domain.models.problem import Problem, ProblemKind, Remedy
from domain.ports.connector import Session, Target
from domain.ports.dialer import Dialer

_Result = TypeVar("_Result")

_ROUND_TRIPS = 5

# Each step's share of the budget.
_SHARES = {
    "resolve": 0.1,
    "connect": 0.2,
    "tls": 0.0,
    "authenticate": 0.0,
    "authorize": 0.1,
    "read_catalog": 0.4,
    "latency": 0.2,
}
_DOES_NOT_APPLY = {
    "tls": "A SQLite source is a local file: nothing travels over a network.",
    "authenticate": "SQLite has no users or passwords.",
}
_NOT_REACHED = "An earlier step failed."


class SqliteConnector:
    """Reads files on threads of their own, one per conversation."""

    def __init__(self) -> None:
        self.spec = SqliteSpec()

    async def check(self, target: Target, dialer: Dialer, *, budget_s: float) -> AsyncGenerator[Step]:
        """Tests the file in phases; see the port."""
        worker = Worker()
        check = _Check(target, dialer, worker, Deadline.after(budget_s))
        has_failed = False
        try:
            for name, share in _SHARES.items():
                step = Step(name, StepState.RUNNING, budget_ms=round(share * budget_s * 1000))
                if has_failed or name in _DOES_NOT_APPLY:
                    yield _skipped(step, _NOT_REACHED if has_failed else _DOES_NOT_APPLY[name])
                    continue
                yield step
                ended = await _measured(step, check.steps[name])
                has_failed = ended.state is StepState.FAILED
                yield ended
        finally:
            await worker.close(check.close)

    async def ping(self, target: Target, dialer: Dialer, *, timeout_s: float) -> HealthCheck:
        """Opens the file and reads its first page under a shared lock; `latency_ms` is that one read."""
        at = datetime.now(UTC)
        deadline = Deadline.after(timeout_s)
        try:
            async with _opened(target, dialer, deadline) as (worker, reader):
                latency_ms = await worker.run(
                    lambda: _round_trip_ms(reader, deadline), limit_s=deadline.left_s, phase="read_catalog"
                )
        except Exception as error:  # a health check is an answer, never an exception
            return HealthCheck(at, ok=False, problem=_problem(error, "read_catalog"))
        return HealthCheck(at, ok=True, latency_ms=latency_ms)

    def open(self, target: Target, dialer: Dialer, *, deadline_s: float) -> AbstractAsyncContextManager[Session]:
        """The file opened read-only. Raises `Unreachable`."""
        return _session(target, dialer, Deadline.after(deadline_s))


class SqliteSession:
    """An open file and its thread."""

    def __init__(self, worker: Worker, reader: Reader, deadline: Deadline) -> None:
        self._worker = worker
        self._reader = reader
        self._deadline = deadline

    async def discover(self, request: DiscoveryRequest) -> AsyncGenerator[DiscoveryBatch]:
        """What is in the file; between two batches nothing is held that a writer would wait for."""
        discovery = Discovery(self._reader, request)
        yield await self._run(discovery.first)
        while (batch := await self._run(discovery.next)) is not None:
            yield batch

    async def _run(self, call: Callable[[], _Result]) -> _Result:
        return await self._worker.run(call, limit_s=self._deadline.left_s, phase="read_catalog")


class _File:
    """A file on its way to being open. Belongs to the thread, whose last act is `close`."""

    def __init__(self, target: Target, dialer: Dialer, worker: Worker, deadline: Deadline) -> None:
        self._path = target.settings["path"]
        self._dialer = dialer
        self._stopped = worker.stopped
        self._deadline = deadline
        self._reader: Reader | None = None

    def open(self) -> Reader:
        """Raises `Unreachable`."""
        path = self.resolve()
        info = look_at(path)
        return self.read(path, header_of(read_head(path), info.size_bytes))

    def resolve(self) -> Path:
        """The real path, if the file may be read from here. Raises `Unreachable`."""
        return self._dialer.file(self._path)

    def read(self, path: Path, header: Header) -> Reader:
        """Hands it to SQLite. Raises `Unreachable`."""
        self._reader = Reader(path, header, self._deadline, self._stopped)
        return self._reader

    def close(self) -> None:
        """Gives everything back."""
        if self._reader is not None:
            self._reader.close()


@asynccontextmanager
async def _opened(target: Target, dialer: Dialer, deadline: Deadline) -> AsyncIterator[tuple[Worker, Reader]]:
    worker = Worker()
    file = _File(target, dialer, worker, deadline)
    try:
        yield worker, await worker.run(file.open, limit_s=deadline.left_s, phase="connect")
    finally:
        await worker.close(file.close)


@asynccontextmanager
async def _session(target: Target, dialer: Dialer, deadline: Deadline) -> AsyncIterator[Session]:
    async with _opened(target, dialer, deadline) as (worker, reader):
        yield SqliteSession(worker, reader, deadline)


class _Outcome(Struct, frozen=True):
    """What a step that did not fail found out; with advice it is a warning."""

    facts: tuple[Fact, ...]
    fix: tuple[Remedy, ...] = ()


class _Check:
    """The steps of a test, each building on what those before it found."""

    def __init__(self, target: Target, dialer: Dialer, worker: Worker, deadline: Deadline) -> None:
        self._file = _File(target, dialer, worker, deadline)
        self._worker = worker
        self._deadline = deadline
        self._path = Path()
        self._info = FileInfo(0, "", False)
        self._head: bytes | Unreachable = b""
        self._header: Header | None = None
        self._reader: Reader | None = None
        self.steps: dict[str, Callable[[], Awaitable[_Outcome]]] = {
            name: self._in_thread(name, step)
            for name, step in {
                "resolve": self._resolve,
                "connect": self._connect,
                "authorize": self._authorize,
                "read_catalog": self._read_catalog,
                "latency": self._latency,
            }.items()
        }

    def close(self) -> None:
        """Gives the file back."""
        self._file.close()

    def _in_thread(self, name: str, step: Callable[[], _Outcome]) -> Callable[[], Awaitable[_Outcome]]:
        return lambda: self._worker.run(step, limit_s=self._deadline.left_s, phase=name)

    def _resolve(self) -> _Outcome:
        self._path = self._file.resolve()
        return _Outcome(())

    def _connect(self) -> _Outcome:
        self._info = look_at(self._path)
        facts = [
            Fact("sqlite_version", sqlite3.sqlite_version),
            Fact("size_bytes", str(self._info.size_bytes), "B"),
        ]
        try:
            self._head = read_head(self._path)
        except Unreachable as error:
            if error.problem.phase != "authorize":
                raise
            self._head = error  # the file is there; that it may not be read is for the next step to say
        else:
            self._header = header_of(self._head, self._info.size_bytes)
            facts.append(Fact("header", self._header.state(self._info.size_bytes)))
            facts.append(Fact("page_size", str(self._header.page_size), "B"))
            if self._header.encoding is not None:
                facts.append(Fact("encoding", self._header.encoding))
        return _Outcome(tuple(facts))

    def _authorize(self) -> _Outcome:
        if isinstance(self._head, Unreachable):
            raise self._head
        facts = (Fact("size_bytes", str(self._info.size_bytes), "B"), Fact("mode", self._info.permissions))
        return _Outcome(facts, (_WRITABLE_BY_ALL,) if self._info.is_writable_by_all else ())

    def _read_catalog(self) -> _Outcome:
        assert self._header is not None
        self._reader = self._file.read(self._path, self._header)
        counts = dict(self._ask(queries.OBJECT_COUNTS))
        (journal_mode,) = self._ask(queries.JOURNAL_MODE)[0]
        facts = [Fact(f"{kind}s", str(counts.get(kind, 0))) for kind in ("table", "view", "trigger")]
        facts += [Fact("indexes", str(counts.get("index", 0))), Fact("journal_mode", str(journal_mode))]
        if self._reader.is_schema_malformed:
            return _Outcome((*facts, Fact("schema", "malformed")), (_MALFORMED_SCHEMA,))
        return _Outcome(tuple(facts))

    def _latency(self) -> _Outcome:
        reader = self._reader
        assert reader is not None
        return _Outcome(latency_facts([_round_trip_ms(reader, self._deadline) for _ in range(_ROUND_TRIPS)]))

    def _ask(self, sql: str) -> list[Any]:
        assert self._reader is not None
        return self._reader.rows(sql, limit_s=self._deadline.left_s, phase="read_catalog")


_WRITABLE_BY_ALL = Remedy(
    "Let not everybody write to the file",
    "Every user of the machine may change this database.",
    rests_on=("mode",),
    statement="chmod o-w FILE",
)
_MALFORMED_SCHEMA = Remedy(
    "Repair the schema of the file",
    "SQLite cannot parse some of its entries. Those tables are listed as unreadable; all others are discovered.",
    rests_on=("schema",),
    statement="PRAGMA integrity_check",
    docs="https://www.sqlite.org/recovery.html",
)


def _round_trip_ms(reader: Reader, deadline: Deadline) -> float:
    """How long the least takes that shows that the file answers."""
    started_s = time.perf_counter()
    reader.value(queries.SCHEMA_VERSION, limit_s=deadline.left_s, phase="read_catalog")
    return (time.perf_counter() - started_s) * 1000


async def _measured(step: Step, run: Callable[[], Awaitable[_Outcome]]) -> Step:
    """The step as it ended."""
    started_s = time.perf_counter()
    try:
        outcome = await run()
    except Exception as error:  # a failed step is an answer, never an exception
        problem = _problem(error, step.name)
        ended = replace(step, state=StepState.FAILED, problem=problem, fix=problem.fix)
    else:
        state = StepState.WARNED if outcome.fix else StepState.PASSED
        ended = replace(step, state=state, facts=outcome.facts, fix=outcome.fix)
    return replace(ended, duration_ms=(time.perf_counter() - started_s) * 1000)


def _skipped(step: Step, reason: str) -> Step:
    return replace(step, state=StepState.SKIPPED, facts=(Fact("reason", reason),))


def _problem(error: Exception, phase: str) -> Problem:
    """What an error means to people. One that nobody foresaw is ours, and says nothing but that."""
    if isinstance(error, ProblemError):
        return error.problem
    if isinstance(error, sqlite3.Error):
        return errors.from_sqlite(error, phase=phase).problem
    return Problem(
        ProblemKind.UNREACHABLE,
        "CONNECTOR_ERROR",
        "The file could not be read, for a reason that Headwater does not know.",
        phase=phase,
    )
