"""Whatever lies where a database should be: a typed problem, in bounded time, and nothing left open."""

import asyncio
import contextlib
import os
import random
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing, contextmanager
from pathlib import Path

import pytest

from connectors.shared.dialer import DialPolicy, GuardedDialer
from connectors.sqlite.connector import SqliteConnector
from connectors.sqlite.reader import look_at, read_head
from domain.errors import Unreachable
from domain.models.data_source import DiscoveryScope, Pool
from domain.models.discovery import DiscoveryBatch, DiscoveryRequest
from domain.models.operation import Step, StepState, SyncMode
from domain.models.problem import Problem
from domain.ports.connector import Target

CONNECTOR = SqliteConnector()


class PlainDialer(GuardedDialer):
    """Lets any path through: what the guard would refuse must be refused by the connector as well."""

    def __init__(self) -> None:
        super().__init__(DialPolicy(allow_private=True, file_roots=None))

    def file(self, path: str) -> Path:
        return Path(path)


class HangingDialer(PlainDialer):
    """A file system that does not answer for a while."""

    def file(self, path: str) -> Path:
        time.sleep(1.5)
        return Path(path)


DIALER = PlainDialer()


def target(path: Path) -> Target:
    return Target(CONNECTOR.spec.parse({"path": str(path)}), {}, Pool())


def database(path: Path, script: str = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)") -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(f"PRAGMA synchronous = OFF; {script}")
    return path


async def steps_of(path: Path, budget_s: float = 5.0) -> list[Step]:
    async with aclosing(CONNECTOR.check(target(path), DIALER, budget_s=budget_s)) as steps:
        return [step async for step in steps if step.state is not StepState.RUNNING]


async def failure(path: Path, budget_s: float = 5.0) -> tuple[str, Problem]:
    """The step that failed and why; `ping` and `open` agree."""
    failed = [step for step in await steps_of(path, budget_s) if step.state is StepState.FAILED]
    assert len(failed) == 1
    problem = failed[0].problem
    assert problem is not None
    health = await CONNECTOR.ping(target(path), DIALER, timeout_s=budget_s)
    assert health.problem is not None
    assert health.problem.code == problem.code
    with pytest.raises(Unreachable) as caught:
        await discover(path, deadline_s=budget_s)
    assert caught.value.problem.code == problem.code
    assert str(path.parent) not in repr((failed, health, caught.value.problem))
    return failed[0].name, problem


async def discover(path: Path, deadline_s: float = 10.0) -> list[DiscoveryBatch]:
    request = DiscoveryRequest(SyncMode.FULL, DiscoveryScope(), {}, statement_timeout_s=5.0)
    async with (
        CONNECTOR.open(target(path), DIALER, deadline_s=deadline_s) as session,
        aclosing(session.discover(request)) as batches,
    ):
        return [batch async for batch in batches]


EARLIER: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def _threads_of_others() -> None:
    """Whatever else runs in this process may be reading a file of its own."""
    EARLIER.clear()
    EARLIER.update(threading.enumerate())


async def assert_no_thread_is_left() -> None:
    for _ in range(40):
        if not (left := [one for one in threading.enumerate() if one.name == "sqlite" and one not in EARLIER]):
            break
        await asyncio.sleep(0.05)
    assert left == []


def write(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


NOISE = random.Random(7).randbytes(8_192)


@pytest.mark.parametrize(
    ("make", "step", "code"),
    [
        (lambda path: None, "connect", "FILE_NOT_FOUND"),
        (lambda path: path.mkdir(), "connect", "NOT_A_FILE"),
        (os.mkfifo, "connect", "NOT_A_FILE"),
        (lambda path: path.symlink_to(path), "connect", "FILE_NOT_FOUND"),
        (lambda path: path.symlink_to("/dev/zero"), "connect", "NOT_A_FILE"),
        (write(b"\0" * 4_096), "connect", "NOT_A_DATABASE"),
        (write(b"name,price\n" * 1_000), "connect", "NOT_A_DATABASE"),
        (write(b"SQLite format 3\0"), "connect", "NOT_A_DATABASE"),
        (write(b"SQLite format 3\0" + b"\xff" * 4_080), "connect", "NOT_A_DATABASE"),
        (write(b"** This file contains an SQLite 2.1 database **\0" * 100), "connect", "NOT_A_DATABASE"),
        (write(NOISE), "connect", "DATABASE_ENCRYPTED"),
        (write(NOISE[:5_000]), "connect", "NOT_A_DATABASE"),
    ],
)
async def test_what_is_no_database(tmp_path: Path, make: Callable[[Path], None], step: str, code: str):
    path = tmp_path / "shop.db"
    make(path)
    name, problem = await failure(path)
    assert (name, problem.code, problem.phase) == (step, code, step)


async def test_an_empty_file(tmp_path: Path):
    path = tmp_path / "empty.db"
    path.touch()
    name, problem = await failure(path)
    assert (name, problem.code) == ("connect", "FILE_EMPTY")


async def test_a_pipe_is_not_waited_for(tmp_path: Path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    started_s = time.monotonic()
    await failure(path)
    assert time.monotonic() - started_s < 3


def test_even_a_pipe_that_came_in_between_is_not_waited_for(tmp_path: Path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert read_head(path) == b""


@contextmanager
def unprivileged() -> Iterator[Path]:
    """A folder that this process may only read, also when the tests run as root."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield folder
        folder.chmod(0o755)


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    folder.chmod(0o555)
    before = os.geteuid()
    if before == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(before)


async def test_a_wal_database_with_open_ends_in_a_folder_that_is_read_only():
    with unprivileged() as folder:
        path = folder / "wal.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as writer:
            writer.execute("PRAGMA journal_mode = WAL")
            writer.execute("CREATE TABLE t (a)")
            log = (folder / "wal.db-wal").read_bytes()
        (folder / "wal.db-wal").write_bytes(log)  # as after a crash
        for file in folder.iterdir():
            file.chmod(0o444)
        with as_nobody(folder):
            name, problem = await failure(path)
    assert (name, problem.code) == ("read_catalog", "FOLDER_NOT_WRITABLE")
    assert problem.fix[0].statement == "PRAGMA journal_mode = DELETE"


async def test_a_wal_database_that_was_closed_can_be_read_where_nothing_may_be_written():
    with unprivileged() as folder:
        path = database(folder / "wal.db", "PRAGMA journal_mode = WAL; CREATE TABLE t (a)")
        path.chmod(0o444)
        with as_nobody(folder):
            assert all(step.state is not StepState.FAILED for step in await steps_of(path))
            assert (await discover(path))[0].listed == (("main", "t"),)


async def test_reading_a_wal_database_leaves_no_file_behind(tmp_path: Path):
    path = database(tmp_path / "wal.db", "PRAGMA journal_mode = WAL; CREATE TABLE t (a)")
    before = path.read_bytes()
    await steps_of(path)
    await discover(path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


async def test_a_writer_that_comes_meanwhile_is_noticed_in_wal_mode(tmp_path: Path):
    path = database(
        tmp_path / "wal.db", "PRAGMA journal_mode = WAL;" + "".join(f"CREATE TABLE t{n} (a);" for n in range(4))
    )
    request = DiscoveryRequest(SyncMode.FULL, DiscoveryScope(), {}, statement_timeout_s=5.0, batch_tables=1)
    async with (
        CONNECTOR.open(target(path), DIALER, deadline_s=10.0) as session,
        aclosing(session.discover(request)) as batches,
    ):
        await anext(batches)
        await anext(batches)
        with closing(sqlite3.connect(path, isolation_level=None)) as writer:
            writer.execute("ALTER TABLE t1 ADD COLUMN b")
            (found,) = (await anext(batches)).found
            assert (len(found.table.columns), found.signature) == (2, None)
            writer.execute("ALTER TABLE t2 ADD COLUMN b")
        (found,) = (await anext(batches)).found
        assert (len(found.table.columns), found.signature) == (2, None)


async def test_a_rollback_database_in_a_folder_that_is_read_only_can_be_read():
    with unprivileged() as folder:
        path = database(folder / "plain.db")
        path.chmod(0o444)
        with as_nobody(folder):
            assert all(step.state is not StepState.FAILED for step in await steps_of(path))


async def test_a_file_that_may_not_be_read():
    with unprivileged() as folder:
        path = database(folder / "secret.db")
        path.chmod(0o000)
        with as_nobody(folder):
            assert look_at(path).size_bytes > 0
            name, problem = await failure(path)
    assert (name, problem.code, problem.vendor_code) == ("authorize", "FILE_NOT_READABLE", "EACCES")
    assert problem.fix


async def test_everybody_may_write(tmp_path: Path):
    path = database(tmp_path / "open.db")
    path.chmod(0o666)
    authorize = next(step for step in await steps_of(path) if step.name == "authorize")
    assert authorize.state is StepState.WARNED
    assert authorize.fix[0].rests_on == ("mode",)
    path.chmod(0o640)
    authorize = next(step for step in await steps_of(path) if step.name == "authorize")
    assert authorize.state is StepState.PASSED


async def test_a_locked_database(tmp_path: Path):
    path = database(tmp_path / "locked.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        started_s = time.monotonic()
        name, problem = await failure(path, budget_s=1.0)
        assert time.monotonic() - started_s < 4.5
    assert (name, problem.code, problem.retryable) == ("read_catalog", "DATABASE_LOCKED", True)
    assert problem.vendor_code == "SQLITE_BUSY"


async def test_a_lock_that_is_given_up_is_waited_for(tmp_path: Path):
    path = database(tmp_path / "locked.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        ping = asyncio.create_task(CONNECTOR.ping(target(path), DIALER, timeout_s=5.0))
        await asyncio.sleep(0.2)
        assert not ping.done()
        writer.execute("COMMIT")
        assert (await ping).ok


async def test_waiting_for_a_lock_can_be_cancelled(tmp_path: Path):
    path = database(tmp_path / "locked.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        task = asyncio.create_task(discover(path))
        await asyncio.sleep(0.1)
        started_s = time.monotonic()
        task.cancel()
        await asyncio.wait([task])
        assert time.monotonic() - started_s < 0.5
    await assert_no_thread_is_left()


async def test_a_file_that_was_cut_off(tmp_path: Path):
    path = database(tmp_path / "cut.db", "".join(f"CREATE TABLE t{i} (a, b, c);" for i in range(300)))
    path.write_bytes(path.read_bytes()[:8_192])
    steps = {step.name: step for step in await steps_of(path)}
    assert next(fact.value for fact in steps["connect"].facts if fact.name == "header") != "valid"
    problem = steps["read_catalog"].problem
    assert problem is not None
    assert problem.code == "DATABASE_CORRUPT"
    with pytest.raises(Unreachable) as caught:
        await discover(path)
    assert caught.value.problem.code == "DATABASE_CORRUPT"


@pytest.mark.parametrize("seed", range(20))
async def test_damage_anywhere_gives_an_answer_or_a_problem(tmp_path: Path, seed: int):
    path = database(
        tmp_path / "damaged.db",
        "".join(f"CREATE TABLE t{i} (a PRIMARY KEY, b REFERENCES t0, CHECK (a > b));" for i in range(60)),
    )
    content = bytearray(path.read_bytes())
    chance = random.Random(seed)
    for _ in range(30):
        content[chance.randrange(100, len(content))] = chance.randrange(256)
    path.write_bytes(content)
    with contextlib.suppress(Unreachable):
        batches = await discover(path, deadline_s=5.0)
        read = sum(len(batch.found) for batch in batches)
        assert read + sum(len(batch.unreadable) for batch in batches) >= len(batches[0].listed)
    await assert_no_thread_is_left()


async def test_a_file_system_that_hangs_holds_nobody_up(tmp_path: Path):
    path = database(tmp_path / "shop.db")
    started_s = time.monotonic()
    health = await CONNECTOR.ping(target(path), HangingDialer(), timeout_s=0.3)
    assert time.monotonic() - started_s < 1.2
    assert health.problem is not None
    assert health.problem.code == "TIMED_OUT"
    await assert_no_thread_is_left()


@pytest.mark.parametrize("name", ["a b", "a?mode=rwc", "a#b", "a%20b", "a%", "ü€🍕", "a'b\"c", "-", "a\\b", "a\nb"])
async def test_any_name_of_a_file(tmp_path: Path, name: str):
    path = database(tmp_path / name)
    before = sorted(tmp_path.iterdir())
    assert (await discover(path))[0].listed == (("main", "t"),)
    assert sorted(tmp_path.iterdir()) == before
