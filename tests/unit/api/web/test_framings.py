from typing import Any

import msgspec
import pytest

from api.web.answers import EVENT_STREAM, MULTIPART
from api.web.framings import FRAMINGS

TEXTS = ["plain", "two\nlines", "carriage\r\nreturn", "\u2028 \u2029 \x85", "data: x\n\n", "\r\n--graphql--"]
EVENTS, PARTS = FRAMINGS[EVENT_STREAM], FRAMINGS[MULTIPART]


def parts(stream: bytes) -> list[Any]:
    """What a reader of multipart takes out of the whole of a stream."""
    preamble, *between, epilogue = stream.split(b"\r\n--graphql")
    assert preamble == b""
    assert epilogue == b"--\r\n"
    heads, contents = zip(*(one.split(b"\r\n\r\n", 1) for one in between), strict=True)
    assert set(heads) == {b"\r\ncontent-type: application/json"}
    return [msgspec.json.decode(content) for content in contents]


@pytest.mark.parametrize("text", TEXTS)
def test_one_result_is_one_line_of_data(text: str):
    event = EVENTS.result({"data": {"a": text}})
    assert event.startswith(b"event: next\ndata: ")
    assert event.endswith(b"\n\n")
    assert b"\r" not in event
    assert event.count(b"\n") == 3
    assert msgspec.json.decode(event.split(b"data: ", 1)[1]) == {"data": {"a": text}}


@pytest.mark.parametrize("text", TEXTS)
def test_one_result_is_one_part(text: str):
    result, error = {"data": {"a": text}}, {"message": text}
    stream = PARTS.opening + PARTS.heartbeat + PARTS.result(result) + PARTS.failure(error) + PARTS.closing
    assert parts(stream) == [{}, {"payload": result}, {"payload": None, "errors": [error]}]


def test_a_part_ends_with_its_boundary():
    """Else a client would hold each result back until the next one."""
    for part in (PARTS.heartbeat, PARTS.result({"data": None}), PARTS.failure({"message": "m"})):
        assert part.endswith(b"\r\n--graphql")
