"""Failures that nobody expected: the log has the whole of them under an id, and a client gets the id."""

import logging
import secrets
from typing import Any

CODE = "INTERNAL"
MESSAGE = "Something went wrong inside Headwater; the log has it under the id."

log = logging.getLogger(__name__)


def masked(cause: BaseException, place: str) -> dict[str, Any]:
    """What a client is told in an error's `extensions`, beside `MESSAGE`. `place` is where it happened, for the log."""
    reference = secrets.token_hex(8)
    log.error("failed unexpectedly at %s; reference %s", place, reference, exc_info=cause)
    return {"code": CODE, "id": reference}
