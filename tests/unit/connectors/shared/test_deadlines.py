"""The outer deadline."""

import asyncio
import time

import pytest

from connectors.shared.deadlines import Deadline
from domain.errors import Unreachable


async def test_ends_a_block_that_hangs() -> None:
    started = time.monotonic()
    with pytest.raises(Unreachable) as late:
        async with Deadline.after(0.05).enforce("read_catalog"):
            await asyncio.sleep(10)
    assert time.monotonic() - started < 1
    assert (late.value.problem.code, late.value.problem.phase) == ("TIMED_OUT", "read_catalog")
    assert late.value.problem.retryable


async def test_leaves_other_timeouts_and_cancellation_alone() -> None:
    with pytest.raises(TimeoutError, match="mine"):
        async with Deadline.after(5).enforce("connect"):
            raise TimeoutError("mine")

    async def hang() -> None:
        async with Deadline.after(5).enforce("connect"):
            await asyncio.sleep(10)

    task = asyncio.create_task(hang())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_shares_of_a_deadline() -> None:
    deadline = Deadline.after(10)
    assert 9 < deadline.left_s <= 10
    assert deadline.at_most(2) == 2
    assert 9 < deadline.at_most(20) <= 10
    assert Deadline.after(-1).left_s == 0
