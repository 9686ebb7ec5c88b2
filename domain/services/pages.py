"""Paging: `first` and `after` in, a bounded window with unforgeable cursors out.

A cursor is good for the very list it came from (same parent, same filter) and pins the revision that list began on.
"""

import hashlib
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from domain.errors import InvalidInput
from domain.models.page import Page, PageLimits, Slice
from domain.ports.secrets import Tokens

T = TypeVar("T")

DEFAULT_FIRST = 50
_PURPOSE = "page"


class PageRequest(Struct, frozen=True):
    """What the client asked for; `first` None means the default."""

    first: int | None = None
    after: str | None = None


class Cursor(Struct, frozen=True):
    """A request that was understood: the page, the list it belongs to, and the revision that an `after` pinned."""

    page: Page
    shape: str
    revision: int | None = None


class Window(Struct, Generic[T], frozen=True):
    """A page of a list with what is needed to make the cursor of each item."""

    items: tuple[T, ...]
    keys: tuple[tuple[str, ...], ...]
    has_next: bool
    has_previous: bool
    shape: str
    revision: int | None = None


class _Content(Struct, frozen=True, array_like=True):
    shape: str
    revision: int | None
    key: tuple[str, ...]


class Pages:
    """Reads and issues page cursors."""

    def __init__(self, tokens: Tokens, limits: PageLimits = PageLimits()) -> None:  # noqa: B008  # immutable
        self._tokens = tokens
        self.limits = limits

    def read(self, request: PageRequest, shape: Any, *, max_first: int | None = None) -> Cursor:
        """The page that was asked for of the list described by `shape`.

        Raises `InvalidInput`: `first` outside 0 to `max_first` (None: the limit for items); INVALID_CURSOR: forged, or
        of another list.
        """
        max_first = self.limits.items if max_first is None else max_first
        first = min(DEFAULT_FIRST, max_first) if request.first is None else request.first
        if not 0 <= first <= max_first:
            raise InvalidInput(
                f"first is a number from 0 to {max_first}.", path=("first",), constraint=f"0..{max_first}"
            )
        name = _shape_name(shape)
        if request.after is None:
            return Cursor(Page(first=first), name)
        content = self._read(request.after)
        if content.shape != name:
            raise InvalidInput(
                "This cursor belongs to another list: use it with the arguments of the query that gave it.",
                path=("after",),
                code="INVALID_CURSOR",
            )
        return Cursor(Page(first=first, after=content.key), name, content.revision)

    def window(self, rows: Slice[T], cursor: Cursor, revision: int | None = None) -> Window[T]:
        """The answer to a request that was read."""
        return Window(
            items=rows.items,
            keys=rows.keys,
            has_next=rows.has_next,
            has_previous=cursor.page.after is not None,
            shape=cursor.shape,
            revision=revision,
        )

    def cursor(self, window: Window[Any], index: int) -> str:
        """The cursor of an item of the window."""
        content = _Content(window.shape, window.revision, window.keys[index])
        return self._tokens.issue(_PURPOSE, msgspec.msgpack.encode(content))

    def _read(self, token: str) -> _Content:
        try:
            return msgspec.msgpack.decode(self._tokens.read(_PURPOSE, token), type=_Content)
        except msgspec.DecodeError as error:  # sealed by an older version of this code
            raise InvalidInput("This cursor is no longer valid.", path=("after",), code="INVALID_CURSOR") from error


def _shape_name(shape: Any) -> str:
    """A short name that is equal for equal lists only."""
    return hashlib.blake2b(msgspec.json.encode(shape, order="deterministic"), digest_size=12).hexdigest()
