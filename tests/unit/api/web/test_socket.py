import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.web.asked import Asked
from api.web.socket import CloseSocket, Complete, ConnectionInit, Ping, Subscribe, parse_message


def test_messages_of_the_protocol():
    assert parse_message('{"type":"connection_init"}') == ConnectionInit()
    assert parse_message('{"type":"connection_init","payload":null}') == ConnectionInit()
    assert parse_message('{"type":"ping","payload":{"a":1}}') == Ping({"a": 1})
    assert parse_message('{"type":"complete","id":"1"}') == Complete("1")
    assert parse_message('{"id":"1","type":"subscribe","payload":{"query":"{a}","variables":null,"x":1}}') == Subscribe(
        "1", Asked("{a}")
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"x"',
        "1",
        "{}",
        '{"type":null}',
        '{"type":"start","id":"1","payload":{"query":"{a}"}}',
        '{"type":"connection_ack"}',
        '{"type":"next","id":"1","payload":{}}',
        '{"type":"connection_init","payload":"x"}',
        '{"type":"connection_init","payload":[]}',
        '{"type":"subscribe"}',
        '{"type":"subscribe","id":1,"payload":{"query":"{a}"}}',
        '{"type":"subscribe","id":"","payload":{"query":"{a}"}}',
        '{"type":"subscribe","id":"1","payload":{}}',
        '{"type":"subscribe","id":"1","payload":{"query":1}}',
        '{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":"x"}}',
        '{"type":"subscribe","id":"1","payload":{"query":"{a}","operationName":1}}',
        '{"type":"complete"}',
        '{"type":"complete","id":""}',
        "[" * 60_000,
        '{"type":"ping","payload":' + '{"a":' * 10_000,
    ],
)
def test_anything_else_closes_the_socket_with_4400(text: str):
    with pytest.raises(CloseSocket) as closing:
        parse_message(text)
    assert closing.value.code == 4400


@given(st.text())
def test_reasons_fit_into_a_close_frame(text: str):
    assert len(CloseSocket(4400, text).reason.encode()) <= 123
