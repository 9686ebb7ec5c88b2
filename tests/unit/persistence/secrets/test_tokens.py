"""Tokens: equal content gives equal text, and nothing but our own text is read."""

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from persistence.secrets.tokens import MAX_TOKEN, SivTokens

TOKENS = SivTokens(bytes(range(64)))


@given(st.text(), st.binary(max_size=2000))
def test_what_was_issued_is_read_and_is_the_same_each_time(purpose: str, content: bytes) -> None:
    token = TOKENS.issue(purpose, content)
    assert TOKENS.read(purpose, token) == content
    assert TOKENS.issue(purpose, content) == token
    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)


@given(st.text(max_size=200))
def test_text_that_was_never_issued_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="INVALID_CURSOR"):
        TOKENS.read("page", text)


@given(st.data(), st.binary(min_size=1, max_size=50))
def test_a_changed_token_is_refused(data: st.DataObject, content: bytes) -> None:
    token = TOKENS.issue("page", content)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("ABCabc019-_=+/ \n").filter(lambda character: character != token[place]))
    for changed in (token[:place] + other + token[place + 1 :], token + other, token[:place]):
        with pytest.raises(InvalidInput, match="INVALID_CURSOR"):
            TOKENS.read("page", changed)


def test_purposes_and_keys_do_not_mix() -> None:
    token = TOKENS.issue("page", b"x")
    with pytest.raises(InvalidInput):
        TOKENS.read("events", token)
    with pytest.raises(InvalidInput):
        SivTokens(os.urandom(64)).read("page", token)
    assert TOKENS.issue("events", b"x") != token


def test_an_endless_token_is_refused_unread() -> None:
    with pytest.raises(InvalidInput):
        TOKENS.read("page", "A" * (MAX_TOKEN + 1))


def test_a_token_hides_its_content() -> None:
    assert TOKENS.issue("events", (17).to_bytes(8, "big"))[-8:] != TOKENS.issue("events", (18).to_bytes(8, "big"))[-8:]
