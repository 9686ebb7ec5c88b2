"""Ending tasks that run in the background."""

import asyncio
import logging
from collections.abc import Collection
from typing import Any

ASK_AGAIN_S = 0.2
GIVE_UP_AFTER_S = 10.0

log = logging.getLogger(__name__)


async def end(tasks: Collection[asyncio.Task[Any]], *, ask_again_s: float = ASK_AGAIN_S) -> None:
    """Cancels tasks and waits until they are gone, however they end; after 10 s without success it says so.

    A request may get lost: `asyncio.wait_for`, which drivers use, swallows one that comes in the same turn as what it
    waits for (https://github.com/python/cpython/issues/86296, before 3.12). So it is repeated.
    """
    pending = set(tasks)
    for _ in range(round(GIVE_UP_AFTER_S / ask_again_s)):
        if not pending:
            break
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=ask_again_s)
    for task in tasks:
        if task in pending:
            log.error("The task %r does not end", task.get_name())
        elif not task.cancelled() and (error := task.exception()) is not None:
            log.error("The task %r had failed", task.get_name(), exc_info=error)
