"""What one answer may hold is spent in turns, and ends all of it when it is gone."""

import asyncio
import itertools

import pytest

from api.graphql.budget import VALUES_PER_TURN, AnswerTooLarge, Budget

HERE: list[str | int] = ["table", "columns"]


async def page(budget: Budget, values: int) -> None:
    """What the executor does with a list."""
    budget.spend(values, HERE.copy)
    if budget.is_turn_over:
        await budget.next_turn(values)


def test_what_fits_into_a_turn_waits_for_nobody():
    budget = Budget(10 * VALUES_PER_TURN)
    with pytest.raises(StopIteration):
        page(budget, VALUES_PER_TURN).send(None)  # ends without having waited


async def test_others_get_their_turn_in_between():
    budget = Budget(100 * VALUES_PER_TURN)
    order: list[str] = []

    async def numbered(number: int) -> None:
        await page(budget, VALUES_PER_TURN)
        order.append(f"page {number}")

    async def other() -> None:
        while len(order) < 40:
            order.append("other")
            await asyncio.sleep(0)

    await asyncio.gather(*(numbered(number) for number in range(10)), other())
    pages = [position for position, one in enumerate(order) if one != "other"]
    assert [order[position] for position in pages] == [f"page {number}" for number in range(10)]
    assert all(later - earlier > 1 for earlier, later in itertools.pairwise(pages[1:]))


async def test_small_pages_share_a_turn():
    budget = Budget(100 * VALUES_PER_TURN)
    await page(budget, VALUES_PER_TURN)
    waiting = [asyncio.ensure_future(page(budget, VALUES_PER_TURN // 5)) for _ in range(10)]
    rounds = 0
    while not all(one.done() for one in waiting):
        await asyncio.sleep(0)
        rounds += 1
    assert rounds <= 6


async def test_too_much_ends_those_who_wait_as_well():
    budget = Budget(3 * VALUES_PER_TURN)
    await page(budget, VALUES_PER_TURN)
    waiting = [asyncio.ensure_future(page(budget, VALUES_PER_TURN)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(AnswerTooLarge) as over:
        budget.spend(1, HERE.copy)
    assert over.value.as_error().extensions == {"code": "TOO_COMPLEX"}
    assert over.value.as_error().path == HERE
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert any(isinstance(end, AnswerTooLarge) for end in ends)


async def test_a_client_that_went_holds_nobody_up():
    budget = Budget(100 * VALUES_PER_TURN)
    await page(budget, VALUES_PER_TURN)
    gone, patient = (asyncio.ensure_future(page(budget, VALUES_PER_TURN)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait_for(patient, 1)
