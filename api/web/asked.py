"""What a client asks for: the parameters of a GraphQL request, out of a body, a query string or a socket's message."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from api.web.answers import EVENT_STREAM, GRAPHQL_JSON, JSON, Refused

_MEDIA_TYPES = (JSON, GRAPHQL_JSON, EVENT_STREAM)


class Asked(Struct, frozen=True, rename="camel"):
    """One GraphQL request. https://graphql.github.io/graphql-over-http/draft/#sec-Request-Parameters"""

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None

    @property
    def may_mutate(self) -> bool:
        """False only where no operation in the document can be a mutation, told without parsing it."""
        return "mutation" in self.query


def from_body(content_type: str | None, body: bytes) -> Asked:
    """Out of a POST request's JSON. Raises `Refused`, 415 or 400."""
    check_content_type(content_type)
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


def wanted_media_type(accept: str | None) -> str:
    """Which of our media types a client likes best; JSON where it does not say. Raises `Refused`, 406."""
    if not accept or not accept.strip():
        return JSON
    best, best_quality = None, 0.0
    for part in accept.split(",")[:50]:
        media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = _quality(parameters)
        candidate = next((media_type for media_type in _MEDIA_TYPES if _covers(media_range, media_type)), None)
        if candidate and quality > best_quality:
            best, best_quality = candidate, quality
    if best is None:
        raise Refused(406, "NOT_ACCEPTABLE", f"Answers are to be had as {', '.join(_MEDIA_TYPES)}.")
    return best


def _covers(media_range: str, media_type: str) -> bool:
    return media_range in {media_type, "*/*", f"{media_type.partition('/')[0]}/*"}


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


def _json(text: bytes, what: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError) as error:  # ValueError: malformed, or not UTF-8
        raise Refused(400, "BAD_REQUEST", f"{what} is not JSON in UTF-8.") from error


def _asked(parameters: object) -> Asked:
    if isinstance(parameters, list):
        raise Refused(400, "BAD_REQUEST", "Send one request at a time: batches are not served.")
    try:
        return msgspec.convert(parameters, Asked)
    except msgspec.ValidationError as error:
        raise Refused(400, "BAD_REQUEST", f"Not a GraphQL request: {error}.") from error
