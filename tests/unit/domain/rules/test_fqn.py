import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.rules import fqn
from tests import strategies

_anything = st.text(max_size=10)
_short = st.lists(st.sampled_from(strategies.AWKWARD), min_size=1, max_size=3).map(tuple)
_like_names = st.text(st.sampled_from('ab1_."\\ é\n\0'), max_size=30)


@given(st.lists(_anything | strategies.names, min_size=1, max_size=fqn.MAX_PARTS).map(tuple))
def test_splitting_undoes_joining(path: tuple[str, ...]) -> None:
    assert fqn.split(fqn.join(path)) == path


@given(_like_names | st.text())
def test_every_text_is_a_name_or_refused(text: str) -> None:
    try:
        path = fqn.split(text)
    except InvalidInput:
        return
    assert fqn.split(fqn.join(path)) == path


@given(_short, _short)
def test_two_paths_never_share_a_name(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert (fqn.join(one) == fqn.join(other)) == (one == other)


@pytest.mark.parametrize(
    ("path", "joined"),
    [
        (("shop", "public", "orders"), "shop.public.orders"),
        (("order lines",), '"order lines"'),
        (("a.b", 'a"b', ""), '"a.b"."a""b".""'),
        (("größe", "_x1", "1st"), 'größe._x1."1st"'),
    ],
)
def test_quotes_what_needs_it(path: tuple[str, ...], joined: str) -> None:
    assert fqn.join(path) == joined
    assert fqn.split(joined) == path


def test_a_plain_part_may_be_quoted() -> None:
    assert fqn.split('"shop".orders') == ("shop", "orders")


@pytest.mark.parametrize(
    "text", ["", ".", "a.", ".a", "a..b", '"', '"a', 'a"b"', '"a"b', "a b", "1st", "a. b", ".".join(["a"] * 33)]
)
def test_refuses(text: str) -> None:
    with pytest.raises(InvalidInput):
        fqn.split(text)


@pytest.mark.parametrize("text", ['"' * 1_000_001, '"' + "a" * 1_000_000, "a." * 500_000])
def test_a_megabyte_is_refused_at_once(text: str) -> None:
    begun = time.process_time()
    with pytest.raises(InvalidInput):
        fqn.split(text)
    assert time.process_time() - begun < 1
