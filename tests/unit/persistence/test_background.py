"""Tasks that run in the background end when they are told to, whatever they do about it."""

import asyncio
import logging
import time

import pytest

from persistence import background
from persistence.background import end
from persistence.redis_connection import Backoff


async def test_a_lost_request_is_repeated() -> None:
    async def swallows_one() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(60)

    task = asyncio.create_task(swallows_one())
    await asyncio.sleep(0)
    began = time.monotonic()
    await end([task])
    assert task.cancelled()
    assert time.monotonic() - began < 5


async def test_how_a_task_ended_is_told_once_and_not_raised(caplog: pytest.LogCaptureFixture) -> None:
    async def fails() -> None:
        raise LookupError("a mistake")

    tasks = [asyncio.create_task(fails(), name="failing"), asyncio.create_task(asyncio.sleep(0))]
    await asyncio.sleep(0.01)
    await end(tasks)
    assert [record.message for record in caplog.records] == ["The task 'failing' had failed"]


async def test_a_task_that_never_ends_is_reported(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "GIVE_UP_AFTER_S", 0.1)
    is_over = asyncio.Event()

    async def deaf() -> None:
        while not is_over.is_set():
            try:
                await is_over.wait()
            except asyncio.CancelledError:
                continue

    task = asyncio.create_task(deaf(), name="deaf")
    await asyncio.sleep(0)
    with caplog.at_level(logging.ERROR):
        await end([task], ask_again_s=0.05)
    assert caplog.messages == ["The task 'deaf' does not end"]
    is_over.set()
    await task


def test_pauses_grow_to_a_bound_and_begin_again_after_a_success() -> None:
    backoff = Backoff()
    assert backoff.is_first
    assert [backoff.failed() for _ in range(8)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert not backoff.is_first
    backoff.reset()
    assert backoff.failed() == 0.1
