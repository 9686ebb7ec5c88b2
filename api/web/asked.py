"""What a client asks for: the parameters of a GraphQL request, out of a body, a query string or a socket's message."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from strawberry.types.graphql import OperationType

from api.web.answers import EVENT_STREAM, GRAPHQL_JSON, JSON, MULTIPART, SPECIFICATION, Refused

_SPECIFICATION_NAME, _, _SPECIFICATION_VERSION = SPECIFICATION.lower().partition("=")
_SERVED = f"{JSON}, {GRAPHQL_JSON}, {EVENT_STREAM} and {MULTIPART};{SPECIFICATION}"
_MAX_RANGES = 50  # of an Accept header; browsers send eight


class Asked(Struct, frozen=True, rename="camel"):
    """One GraphQL request. https://graphql.github.io/graphql-over-http/draft/#sec-Request-Parameters"""

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None

    def may_hold(self, kind: OperationType) -> bool:
        """False only where no operation in the document can be of this kind, told without parsing it.

        Not for queries, which need not say what they are.
        """
        return kind.value in self.query


def from_body(body: bytes | bytearray) -> Asked:
    """Out of a POST request's JSON. Raises `Refused`, 400."""
    return _asked(_json(body, "The body"))


def from_query_string(parameters: Mapping[str, str]) -> Asked:
    """Out of a GET request: `variables` and `extensions` are JSON text. Raises `Refused`, 400."""
    found: dict[str, Any] = {name: parameters[name] for name in ("query", "operationName") if name in parameters}
    for name in ("variables", "extensions"):
        if parameters.get(name):
            found[name] = _json(parameters[name].encode(), f"The parameter {name}")
    return _asked(found)


def check_content_type(content_type: str | None) -> None:
    """Raises `Refused` (415) for anything but JSON in UTF-8.

    A page of another origin can send a form or plain text without asking us first, but never JSON: this is what keeps
    such pages from running mutations.
    """
    media_type, _, parameters = (content_type or "").partition(";")
    charset = "utf-8"
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip('"').lower()
    if media_type.strip().lower() != JSON or charset not in {"utf-8", "utf8"}:
        raise Refused(415, "UNSUPPORTED_MEDIA_TYPE", "Send the request as application/json in UTF-8.")


class Accepted(Struct, frozen=True):
    """In which of our media types a client takes answers; None: in none of its kind.

    One result goes as JSON wherever the client takes JSON; what goes on is a stream of the kind that the client names.
    """

    single: str | None = JSON
    stream: str | None = None

    @property
    def refusal(self) -> str:
        """The media type of an answer without any result."""
        return self.single or JSON


def accepted(accept: str | None) -> Accepted:
    """What an Accept header asks for; JSON where it does not say. Raises `Refused`, 406.

    A wildcard stands for JSON only: who takes anything does not expect an answer that never ends.
    """
    if not accept or not accept.strip():
        return Accepted()
    liked = sorted((_liked(part) for part in accept.split(",")[:_MAX_RANGES]), key=lambda one: -one[1])
    single = next((media_type for media_type, quality in liked if quality and media_type in {JSON, GRAPHQL_JSON}), None)
    stream = next(
        (media_type for media_type, quality in liked if quality and media_type in {EVENT_STREAM, MULTIPART}), None
    )
    if single is None and stream is None:
        raise Refused(406, "NOT_ACCEPTABLE", f"Answers are to be had as {_SERVED}.")
    return Accepted(single, stream)


def _liked(part: str) -> tuple[str | None, float]:
    """One range of an Accept header: the media type of ours that it stands for, and how much it is liked, 0 to 1."""
    media_range, *pieces = (piece.strip().lower() for piece in part.split(";"))
    parameters = dict(piece.partition("=")[::2] for piece in pieces)
    return _stands_for(media_range, parameters.get(_SPECIFICATION_NAME, "")), _quality(parameters.get("q", "1"))


def _stands_for(media_range: str, specification: str) -> str | None:
    if media_range in {"*/*", "application/*"}:
        return JSON
    if media_range in {JSON, GRAPHQL_JSON, EVENT_STREAM}:
        return media_range
    return MULTIPART if media_range == MULTIPART and specification.strip('"') == _SPECIFICATION_VERSION else None


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0  # not infinite, and not "nan"


def _json(text: bytes | bytearray, what: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError) as error:  # ValueError: malformed, or not UTF-8
        raise Refused(
            400, "BAD_REQUEST", f"{what} is not JSON in UTF-8, or is nested too deeply, or holds a number out of range."
        ) from error


def _asked(parameters: object) -> Asked:
    if isinstance(parameters, list):
        raise Refused(400, "BAD_REQUEST", "Send one request at a time: batches are not served.")
    try:
        return msgspec.convert(parameters, Asked)
    except msgspec.ValidationError as error:
        raise Refused(400, "BAD_REQUEST", f"Not a GraphQL request: {error}.") from error
