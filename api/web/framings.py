"""How results are laid out one behind the other in an answer that goes on: as server-sent events, or as parts.

Both are sent in pieces that end where a client can act on them: the blank line behind an event, the boundary behind a
part.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from api.web.answers import EVENT_STREAM, JSON, MULTIPART, SPECIFICATION

_BOUNDARY = "graphql"
_DELIMITER = f"\r\n--{_BOUNDARY}".encode()


class Framing(Protocol):
    """What goes around results. `opening` is sent at once, so that a client sees the headers before any result."""

    @property
    def content_type(self) -> str: ...
    @property
    def opening(self) -> bytes: ...
    @property
    def heartbeat(self) -> bytes: ...
    @property
    def closing(self) -> bytes: ...

    def result(self, payload: Mapping[str, Any]) -> bytes:
        """One result of the operation, the errors in it included."""

    def failure(self, error: Mapping[str, Any]) -> bytes:
        """What ends the stream before its operation has ended."""


class ServerSentEvents:
    """The "distinct connections" mode of graphql-sse: one stream per operation.

    https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
    Lines end with LF: one gateway's client silently drops events whose lines end with CRLF.
    """

    content_type = f"{EVENT_STREAM}; charset=utf-8"
    opening = b":\n\n"
    heartbeat = b":\n\n"
    closing = b"event: complete\ndata:\n\n"

    def result(self, payload: Mapping[str, Any]) -> bytes:
        """An event; JSON text has no line breaks of its own, so that it is one `data` line."""
        return b"event: next\ndata: " + msgspec.json.encode(payload) + b"\n\n"

    def failure(self, error: Mapping[str, Any]) -> bytes:
        """The protocol has no event of its own for it."""
        return self.result({"errors": [error]})


class Parts:
    """Apollo's multipart protocol for subscriptions.

    https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol
    """

    content_type = f"{MULTIPART};boundary={_BOUNDARY};{SPECIFICATION}"
    opening = _DELIMITER
    closing = b"--\r\n"

    @property
    def heartbeat(self) -> bytes:
        """An empty object, which clients pass over."""
        return self._part({})

    def result(self, payload: Mapping[str, Any]) -> bytes:
        """A part with the result under `payload`."""
        return self._part({"payload": payload})

    def failure(self, error: Mapping[str, Any]) -> bytes:
        """An error of the transport: no payload, and the stream ends behind it."""
        return self._part({"payload": None, "errors": [error]})

    def _part(self, content: Mapping[str, Any]) -> bytes:
        # The boundary comes right behind the part: clients take a part only when they have seen its end.
        return b"\r\ncontent-type: %s\r\n\r\n%s%s" % (JSON.encode(), msgspec.json.encode(content), _DELIMITER)


FRAMINGS: Mapping[str, Framing] = {EVENT_STREAM: ServerSentEvents(), MULTIPART: Parts()}
