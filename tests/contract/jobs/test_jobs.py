"""What every job queue does: one run per key at a time, bounded, none lost to a handler or a worker that fails."""

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from persistence.jobs import DocketJobs
from tests.servers.process import ServerProcess
from tests.servers.redis import RedisServer

WORKER = Path(__file__).with_name("worker_process.py")


@pytest.fixture(params=["memory", "redis"])
def place(request: pytest.FixtureRequest) -> tuple[str, str]:
    """URL and name of a queue."""
    if request.param == "memory":
        return "memory://", "test"
    return request.getfixturevalue("redis_server").url, request.getfixturevalue("redis_prefix")


@pytest.fixture
async def jobs(place: tuple[str, str]) -> AsyncIterator[DocketJobs]:
    url, name = place
    async with DocketJobs(url, name=name, redelivery=timedelta(seconds=1)) as opened:
        yield opened


class Diary:
    """A handler that tells what it was given, and is held until it is let go."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.ended: list[str] = []
        self.cancelled: list[str] = []
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def handle(self, operation_id: str) -> None:
        self.started.append(operation_id)
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled.append(operation_id)
            raise
        self.ended.append(operation_id)


@pytest.fixture
def diary() -> Diary:
    return Diary()


def ended(diary: Diary, operation_id: str, times: int) -> bool:
    return diary.ended.count(operation_id) == times


async def until(condition: Callable[[], bool], *, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.005)


async def test_operations_run_and_may_run_again_once_they_have_ended(jobs: DocketJobs, diary: Diary) -> None:
    await jobs.enqueue("op_early")  # before there is a worker
    async with jobs.run_workers(diary.handle, {}):
        for times in (1, 2, 3):
            await jobs.enqueue("op_1")  # the last run may still be about to end
            await until(partial(ended, diary, "op_1", times))
        await until(lambda: "op_early" in diary.ended)
    assert sorted(diary.started) == ["op_1", "op_1", "op_1", "op_early"]


async def test_what_is_queued_or_running_is_not_added_again(jobs: DocketJobs, diary: Diary) -> None:
    diary.may_end.clear()
    await jobs.enqueue("op_1")
    await jobs.enqueue("op_1")
    async with jobs.run_workers(diary.handle, {}):
        await until(lambda: bool(diary.started))
        await asyncio.gather(*(jobs.enqueue("op_1") for _ in range(5)))
        await asyncio.sleep(0.5)
        diary.may_end.set()
        await asyncio.sleep(0.5)
    assert diary.started == diary.ended == ["op_1"]


async def test_long_work_is_not_delivered_twice(jobs: DocketJobs, diary: Diary) -> None:
    diary.may_end.clear()
    async with jobs.run_workers(diary.handle, {}):
        await jobs.enqueue("op_1")
        await asyncio.sleep(2.5)  # more than twice the redelivery time
        diary.may_end.set()
        await until(lambda: bool(diary.ended))
    assert diary.started == ["op_1"]


async def test_at_most_so_many_at_a_time(jobs: DocketJobs, diary: Diary) -> None:
    diary.may_end.clear()
    async with jobs.run_workers(diary.handle, {}, concurrency=3):
        ids = [f"op_{n}" for n in range(10)]
        for id in ids:
            await jobs.enqueue(id)
        await until(lambda: len(diary.started) == 3)
        await asyncio.sleep(0.4)
        assert len(diary.started) == 3
        diary.may_end.set()
        await until(lambda: len(diary.ended) == 10)
    assert sorted(diary.started) == ids


async def test_a_handler_that_raises_stops_nobody(
    jobs: DocketJobs, diary: Diary, caplog: pytest.LogCaptureFixture
) -> None:
    async def handle(operation_id: str) -> None:
        await diary.handle(operation_id)
        if operation_id == "op_bad":
            raise LookupError("a mistake")

    async def bad_tick() -> None:
        await diary.handle("tick")
        raise LookupError("another mistake")

    with caplog.at_level(logging.ERROR):
        async with jobs.run_workers(handle, {"bad": (0.2, bad_tick)}):
            await jobs.enqueue("op_bad")
            await until(lambda: "op_bad" in diary.ended)
            await jobs.enqueue("op_bad")
            await jobs.enqueue("op_good")
            await until(lambda: diary.ended.count("op_bad") == 2 and "op_good" in diary.ended)
            await until(lambda: diary.ended.count("tick") >= 2)
    assert {record.message.split(" failed")[0] for record in caplog.records} == {"The operation op_bad", "The tick bad"}


async def test_ticks_come_in_time_and_one_at_a_time(jobs: DocketJobs, diary: Diary) -> None:
    at_once = most_at_once = 0

    async def tick() -> None:
        nonlocal at_once, most_at_once
        at_once += 1
        most_at_once = max(most_at_once, at_once)
        await diary.handle("tick")
        await asyncio.sleep(0.1)
        at_once -= 1

    ticks = {"tick": (0.2, tick)}
    async with jobs.run_workers(diary.handle, ticks), jobs.run_workers(diary.handle, ticks):
        await asyncio.sleep(3.2)
    assert most_at_once == 1
    assert 3 <= len(diary.started) <= 17  # one chain of ticks; two would make twice as many


async def test_the_end_waits_then_cancels_and_awaits(jobs: DocketJobs, diary: Diary) -> None:
    async with jobs.run_workers(diary.handle, {}, grace_s=0.5):
        await jobs.enqueue("op_quick")
        await until(lambda: diary.ended == ["op_quick"])
        diary.may_end.clear()
        await jobs.enqueue("op_stuck")
        await until(lambda: "op_stuck" in diary.started)
        leaving = time.monotonic()
    assert 0.4 < time.monotonic() - leaving < 10
    assert diary.cancelled == ["op_stuck"]
    # Given back: the next worker has it at once.
    diary.may_end.set()
    async with jobs.run_workers(diary.handle, {}):
        await until(lambda: diary.ended == ["op_quick", "op_stuck"], timeout_s=20)


async def test_running_work_may_end_within_the_grace_period(jobs: DocketJobs, diary: Diary) -> None:
    diary.may_end.clear()
    async with jobs.run_workers(diary.handle, {}, grace_s=5):
        await jobs.enqueue("op_1")
        await until(lambda: diary.started == ["op_1"])
        asyncio.get_running_loop().call_later(0.3, diary.may_end.set)
    assert (diary.ended, diary.cancelled) == (["op_1"], [])


async def test_nothing_is_left_behind(place: tuple[str, str], diary: Diary) -> None:
    before = asyncio.all_tasks()
    async with DocketJobs(place[0], name=place[1]) as jobs:

        async def tick() -> None:
            await diary.handle("tick")

        async with jobs.run_workers(diary.handle, {"tick": (1, tick)}):
            await jobs.enqueue("op_1")
            await until(lambda: {"op_1", "tick"} <= set(diary.ended))
    await asyncio.sleep(0.1)
    assert asyncio.all_tasks() == before


# ── Redis alone ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def start_worker(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[ServerProcess]]]:
    """Starts worker processes; returns when one is ready."""
    started: list[ServerProcess] = []

    async def start(url: str, name: str, file: Path, work_s: float) -> ServerProcess:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        worker = ServerProcess(
            [sys.executable, WORKER, url, name, file, str(work_s)],
            folder=folder,
            directory=WORKER.parents[3],
            environment={"PYTHONPATH": str(WORKER.parents[3]), "PATH": "/usr/bin:/bin"},
        )
        started.append(worker)
        before = lines(file, "ready")

        async def is_ready() -> bool:
            return len(lines(file, "ready")) > len(before)

        await worker.start(is_ready)
        return worker

    yield start
    for worker in started:
        worker.kill()


def lines(file: Path, beginning: str) -> list[str]:
    """What the worker processes told, without their ids."""
    told = file.read_text().splitlines() if file.exists() else []
    return [line.rpartition(" ")[0] for line in told if line.startswith(beginning)]


async def test_the_work_of_a_killed_worker_is_delivered_again(
    private_redis: RedisServer, tmp_path: Path, start_worker: Callable[..., Awaitable[ServerProcess]]
) -> None:
    file, url = tmp_path / "diary", private_redis.endpoint.url
    async with DocketJobs(url, name="test", redelivery=timedelta(seconds=1)) as jobs:
        doomed = await start_worker(url, "test", file, 60)
        await jobs.enqueue("op_1")
        await until(lambda: lines(file, "start") == ["start op_1"])
        doomed.kill()
        await start_worker(url, "test", file, 0.1)
        await until(lambda: lines(file, "end") == ["end op_1"])
        assert lines(file, "start") == ["start op_1", "start op_1"]
        ticks = len(lines(file, "tick"))
        await until(lambda: len(lines(file, "tick")) >= ticks + 2)


@pytest.mark.parametrize("keeps_data", [True, False])
async def test_redis_is_killed_and_comes_back(keeps_data: bool, diary: Diary, caplog: pytest.LogCaptureFixture) -> None:
    server = RedisServer(is_durable=keeps_data)
    await server.start()

    async def tick() -> None:
        await diary.handle("tick")

    async with (
        DocketJobs(server.endpoint.url, redelivery=timedelta(seconds=1)) as jobs,
        jobs.run_workers(diary.handle, {"tick": (0.5, tick)}),
    ):
        await jobs.enqueue("op_1")
        await until(lambda: "op_1" in diary.ended)
        server.kill()
        began = time.monotonic()
        await jobs.enqueue("op_lost")
        assert time.monotonic() - began < 10
        assert "op_lost could not be queued" in caplog.text
        await server.start()
        await jobs.enqueue("op_lost")
        await until(lambda: "op_lost" in diary.ended)
        ticks = diary.ended.count("tick")
        await until(lambda: diary.ended.count("tick") >= ticks + 2, timeout_s=70)
    await server.discard()


async def test_queues_of_different_names_do_not_mix(private_redis: RedisServer) -> None:
    one, other = Diary(), Diary()
    url = private_redis.endpoint.url
    async with (
        DocketJobs(url, name="one") as ones,
        DocketJobs(url, name="other") as others,
        ones.run_workers(one.handle, {}),
        others.run_workers(other.handle, {}),
    ):
        await ones.enqueue("op_1")
        await others.enqueue("op_2")
        await until(lambda: bool(one.ended and other.ended))
    assert (one.started, other.started) == (["op_1"], ["op_2"])
