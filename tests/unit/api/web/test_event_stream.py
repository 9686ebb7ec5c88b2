import msgspec
import pytest

from api.web.event_stream import next_event


@pytest.mark.parametrize("text", ["plain", "two\nlines", "carriage\r\nreturn", "\u2028 \u2029 \x85", "data: x\n\n"])
def test_one_result_is_one_line_of_data(text: str):
    event = next_event({"data": {"a": text}})
    assert event.startswith(b"event: next\ndata: ")
    assert event.endswith(b"\n\n")
    assert b"\r" not in event
    assert event.count(b"\n") == 3
    assert msgspec.json.decode(event.split(b"data: ", 1)[1]) == {"data": {"a": text}}
