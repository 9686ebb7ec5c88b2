"""Paging: bounds, and cursors that are good for their own list only."""

import pytest

from domain.errors import InvalidInput
from domain.models.page import Page, Slice
from domain.services.pages import PageRequest, Pages


class PlainTokens:
    """Tokens that anybody could read, but only this object issued."""

    def __init__(self) -> None:
        self._issued: dict[str, tuple[str, bytes]] = {}

    def issue(self, purpose: str, content: bytes) -> str:
        token = f"{purpose}-{content.hex()}"
        self._issued[token] = (purpose, content)
        return token

    def read(self, purpose: str, token: str) -> bytes:
        if self._issued.get(token, ("", b""))[0] != purpose:
            raise InvalidInput("forged", path=("after",), code="INVALID_CURSOR")
        return self._issued[token][1]


def test_a_cursor_leads_to_the_rows_behind_it_at_the_revision_it_began_on() -> None:
    pages = Pages(PlainTokens())
    first = pages.read(PageRequest(2), ("tables", "src_1"))
    window = pages.window(Slice(("a", "b"), (("a",), ("b",)), has_next=True), first, revision=7)
    assert (window.has_previous, window.has_next) == (False, True)
    second = pages.read(PageRequest(2, pages.cursor(window, 1)), ("tables", "src_1"))
    assert second.page == Page(first=2, after=("b",))
    assert second.revision == 7


@pytest.mark.parametrize("shape", [("tables", "src_2"), ("columns", "src_1"), ("tables", "src_1", "match")])
def test_a_cursor_of_another_list_is_refused(shape: tuple[str, ...]) -> None:
    pages = Pages(PlainTokens())
    window = pages.window(Slice(("a",), (("a",),), has_next=True), pages.read(PageRequest(1), ("tables", "src_1")))
    with pytest.raises(InvalidInput) as refused:
        pages.read(PageRequest(1, pages.cursor(window, 0)), shape)
    assert refused.value.problem.code == "INVALID_CURSOR"


@pytest.mark.parametrize("after", ["", "x", "page-00"])
def test_a_forged_cursor_is_refused(after: str) -> None:
    with pytest.raises(InvalidInput):
        Pages(PlainTokens()).read(PageRequest(1, after), ("tables",))


@pytest.mark.parametrize("first", [-1, 101, 2**31 - 1])
def test_first_has_bounds(first: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        Pages(PlainTokens()).read(PageRequest(first), ("tables",))
    assert refused.value.problem.path == ("first",)


def test_first_has_a_default_and_may_be_nought() -> None:
    pages = Pages(PlainTokens())
    assert pages.read(PageRequest(), ("tables",)).page.first == 50
    assert pages.read(PageRequest(0), ("tables",)).page.first == 0
