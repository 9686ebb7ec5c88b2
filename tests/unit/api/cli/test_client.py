from collections.abc import Iterator

import pytest

from api.cli.client import FIRST_PAUSE_S, LONGEST_PAUSE_S, MAX_EVENT_BYTES, Lost, Pauses, server_sent_events


def parsed(*pieces: bytes) -> list[tuple[str | None, bytes]]:
    return list(server_sent_events(iter(pieces)))


def test_events_and_comments():
    assert parsed(b":\n\nevent: next\ndata: {}\n\nevent: complete\ndata:\n\n") == [
        (None, b""),
        ("next", b"{}"),
        ("complete", b""),
    ]


def test_pieces_may_be_cut_anywhere():
    whole = b'event: next\r\ndata: {"a": "\xe2\x80\xa8"}\r\n\r\n'
    assert parsed(*(whole[at : at + 1] for at in range(len(whole)))) == [("next", b'{"a": "\xe2\x80\xa8"}')]


def test_several_data_lines_are_one_text():
    assert parsed(b"data: a\ndata:b\nid: 7\n\n") == [("message", b"a\nb")]


def test_half_an_event_is_none():
    assert parsed(b"event: next\ndata: {}\n") == []


def test_an_event_has_a_bound():
    def endless() -> Iterator[bytes]:
        yield b"data: "
        while True:
            yield b"x" * 1_048_576

    with pytest.raises(Lost, match="too large"):
        list(server_sent_events(endless()))
    many = (b"data: " + b"x" * 1_048_576 + b"\n" for _ in range(MAX_EVENT_BYTES // 1_048_576 + 2))
    with pytest.raises(Lost, match="too large"):
        list(server_sent_events(many))


def test_pauses_grow_up_to_a_bound():
    pauses = Pauses()
    told = [pauses.next_s() for _ in range(1_000)]
    assert FIRST_PAUSE_S / 2 <= told[0] <= FIRST_PAUSE_S
    assert told[1] <= 2 * FIRST_PAUSE_S
    assert all(LONGEST_PAUSE_S / 2 <= each <= LONGEST_PAUSE_S for each in told[10:])
