"""GraphQL over HTTP and server-sent events, for one command at a time: bounded, and every failure is a sentence.

Server-sent events carry the subscriptions, not WebSockets: the same requests, headers and proxies as for a query, and
reading them needs no second protocol. https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md

The events are read here and not by httpx-sse, which (in 0.4.3) gathers lines and events of any length, and leaves out
comments: those are the signs of life that a long silence is told by.
"""

import json
import random
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

from api.cli import interrupts
from api.cli.address import KEY_VARIABLE, URL_VARIABLE, Address
from api.cli.errors import Stop
from api.cli.exit_codes import ExitCode

if TYPE_CHECKING:  # it takes 0.15 s to import, which `--help` need not wait for
    import httpx

CONNECT_TIMEOUT_S = 10.0
SILENCE_S = 30.0  # without a byte; event streams say something every 12 s
ANSWER_WITHIN_S = 90.0  # from the first byte to the last
MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_EVENT_BYTES = 16 * 1024 * 1024
GIVE_UP_AFTER_S = 120.0  # without a server, once it had answered
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
_MAX_MESSAGE = 500  # characters of what a server says, in a sentence of ours

Variables = Mapping[str, Any]


class Lost(Exception):
    """It cannot be had just now; the same request may succeed later.

    `was_answered` tells a server that says so itself from one that is not there.
    """

    def __init__(self, reason: str, *, was_answered: bool = False) -> None:
        super().__init__(reason)
        self.was_answered = was_answered


class Server:
    """A Headwater server. A context manager: it keeps its connection open.

    `on_lost` and `on_found` are told when a subscription has lost its connection, and has it again.
    """

    def __init__(
        self,
        address: Address,
        *,
        on_lost: Callable[[str], None],
        on_found: Callable[[], None],
        give_up_after_s: float = GIVE_UP_AFTER_S,
    ) -> None:
        import httpx

        self.address = address
        self._on_lost = on_lost
        self._on_found = on_found
        self._give_up_after_s = give_up_after_s
        self._http = httpx.Client(
            headers={} if address.key is None else {"authorization": f"Bearer {address.key}"},
            timeout=httpx.Timeout(SILENCE_S, connect=CONNECT_TIMEOUT_S),
            trust_env=not address.is_local,  # proxies from the environment are for other machines
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.close()

    def ask(self, document: str, **variables: Any) -> dict[str, Any]:
        """`data` of the answer. Raises `Stop`."""
        interrupts.check()
        try:
            with self._sent(document, variables, accept="application/json") as response:
                return self._data(_decoded(_read(response), response, self.address.url))
        except Lost as lost:
            raise self._away(lost) from lost

    def follow(self, document: str, variables: Callable[[], Variables]) -> Generator[dict[str, Any]]:
        """`data` of each event until the subscription is complete; close it.

        After a lost connection it asks again, with what `variables` says then: that is where a cursor comes in. The
        pauses between attempts grow to 5 s. Raises `Stop` when the server does not answer at first, or not for 120 s.
        """
        alive_s = None  # when the server was heard last
        is_lost = False
        pauses = Pauses()
        while True:
            interrupts.check()
            begun_s = time.monotonic()
            try:
                for data in self._events(document, variables()):
                    interrupts.check()
                    alive_s = time.monotonic()
                    if is_lost:
                        self._on_found()
                        is_lost = False
                    if data is not None:
                        yield data
                return
            except Lost as lost:
                if alive_s is None:
                    raise self._away(lost) from lost
                if time.monotonic() - alive_s > self._give_up_after_s:
                    raise self._away(Lost(f"no answer for {self._give_up_after_s:.0f} s")) from lost
                if not is_lost:
                    self._on_lost(str(lost))
                    is_lost = True
                # A stream that ends as soon as it has begun is no reason to hurry.
                if alive_s - begun_s > LONGEST_PAUSE_S:
                    pauses = Pauses()
                time.sleep(pauses.next_s())

    def _events(self, document: str, variables: Variables) -> Iterator[dict[str, Any] | None]:
        """One stream; None for a sign of life."""
        with self._sent(document, variables, accept="text/event-stream") as response:
            if _media_type(response) != "text/event-stream":
                self._data(_decoded(_read(response), response, self.address.url))
                raise _stranger(response, self.address.url)
            for name, text in server_sent_events(response.iter_bytes()):
                if name == "complete":
                    return
                if name is None:
                    yield None
                elif name == "next":
                    yield self._data(_parsed(text, response, self.address.url))
        raise Lost("the server ended the stream")

    @contextmanager
    def _sent(self, document: str, variables: Variables, *, accept: str) -> Iterator["httpx.Response"]:
        import httpx

        text = json.dumps({"query": document, "variables": variables}, ensure_ascii=False)
        # What came off the command line in a locale that knows only ASCII gets its own bytes back.
        body = text.encode("utf-8", "surrogateescape")
        headers = {"accept": accept, "content-type": "application/json"}
        try:
            with self._http.stream("POST", self.address.url, content=body, headers=headers) as response:
                yield response
        except httpx.TimeoutException as error:
            is_silent = isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout)
            raise Lost("it accepts connections and says nothing" if is_silent else "timed out") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Lost(_reason(error)) from error

    def _data(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        errors = answer.get("errors")
        if errors:
            self._refuse(errors)
        data: dict[str, Any] = answer["data"]
        return data

    def _refuse(self, errors: Sequence[Mapping[str, Any]]) -> NoReturn:
        first = errors[0]
        said = first.get("extensions") or {}
        code, message = said.get("code"), str(first.get("message", ""))[:_MAX_MESSAGE]
        match code:
            case "UNAUTHENTICATED" if self.address.key is None:
                raise Stop(
                    f"The server at {self.address.url} wants a key. Put its admin key into {KEY_VARIABLE}.",
                    ExitCode.NOT_PERMITTED,
                )
            case "UNAUTHENTICATED":
                raise Stop(
                    f"The server at {self.address.url} does not take the key in {KEY_VARIABLE}. Put the one there that "
                    "the server was started with.",
                    ExitCode.NOT_PERMITTED,
                )
            case "FORBIDDEN":
                raise Stop(f"The server at {self.address.url} refuses: {message}", ExitCode.NOT_PERMITTED)
            case "GRAPHQL_VALIDATION_FAILED":
                raise Stop(
                    f"The server at {self.address.url} is of another version than this command ({message}). "
                    "Use the command of the server's version; `headwater --version` tells this one's.",
                    ExitCode.UNAVAILABLE,
                )
            case _ if said.get("retryable"):
                raise Lost(message, was_answered=True)
            case "INTERNAL":
                raise Stop(f"{message} Its id is {said.get('id')}.", ExitCode.UNAVAILABLE)
        raise Stop(message)

    def _away(self, lost: Lost) -> Stop:
        if lost.was_answered:
            return Stop(
                f"The server at {self.address.url} cannot do it just now: {lost} Try again in a while.",
                ExitCode.UNAVAILABLE,
            )
        return Stop(
            f"No Headwater server answers at {self.address.url}: {lost}. Start one with `headwater serve`, or say "
            f"where it is with {URL_VARIABLE} or --url.",
            ExitCode.UNAVAILABLE,
        )


class Pauses:
    """How long to wait before the next attempt: twice as long each time up to 5 s, less a random part."""

    def __init__(self) -> None:
        self.count = 0

    def next_s(self) -> float:
        """The next pause. Its random part keeps many clients from coming back at the same moment."""
        longest_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self.count, 10))
        self.count += 1
        return longest_s * random.uniform(0.5, 1.0)  # noqa: S311  # no secret


def server_sent_events(pieces: Iterator[bytes]) -> Iterator[tuple[str | None, bytes]]:
    """Event name and data of each event; (None, b"") for a comment. Lines end with LF or CRLF.

    https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
    """
    name, data = "message", bytearray()
    for line in _lines(pieces):
        if not line:
            if data or name != "message":
                yield name, bytes(data)
            name, data = "message", bytearray()
            continue
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not field:
            yield None, b""
        elif field == b"event":
            name = value.decode("utf-8", "replace")
        elif field == b"data":
            if len(data) + len(value) > MAX_EVENT_BYTES:
                raise Lost("an event is too large")
            data += b"\n" + value if data else value


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    # Not by str.splitlines: JSON text may hold characters that it takes for the end of a line.
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r")
        if len(rest) > MAX_EVENT_BYTES:
            raise Lost("an event is too large")


def _read(response: "httpx.Response") -> bytes:
    """The whole body, within its bounds."""
    begun_s, body = time.monotonic(), bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            raise Lost("its answer is too large")
        if time.monotonic() - begun_s > ANSWER_WITHIN_S:
            raise Lost("its answer does not end")
    return bytes(body)


def _decoded(body: bytes, response: "httpx.Response", url: str) -> dict[str, Any]:
    if response.is_redirect:
        raise Stop(f"{url} leads to another address. Give that one with {URL_VARIABLE} or --url.", ExitCode.UNAVAILABLE)
    if _media_type(response) not in ("application/json", "application/graphql-response+json"):
        raise _stranger(response, url)
    return _parsed(body, response, url)


def _parsed(body: bytes, response: "httpx.Response", url: str) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise _stranger(response, url) from None
    is_graphql = isinstance(answer, dict) and (
        isinstance(answer.get("data"), dict) or _are_errors(answer.get("errors"))
    )
    if not is_graphql:
        raise _stranger(response, url)
    checked: dict[str, Any] = answer
    return checked


def _are_errors(errors: object) -> bool:
    return isinstance(errors, list) and bool(errors) and all(isinstance(error, dict) for error in errors)


def _stranger(response: "httpx.Response", url: str) -> Stop:
    return Stop(
        f"What answers at {url} is no Headwater server (status {response.status_code}, "
        f"{_media_type(response) or 'no media type'}). Say where it is with {URL_VARIABLE} or --url.",
        ExitCode.UNAVAILABLE,
    )


def _media_type(response: "httpx.Response") -> str:
    media_type: str = response.headers.get("content-type", "")
    return media_type.partition(";")[0].strip().lower()


def _reason(error: Exception) -> str:
    """In a few words. httpx says of a refused connection `[Errno 111] Connection refused`."""
    text = str(error).partition("] ")[2] or str(error)
    return (text or type(error).__name__).strip().rstrip(".").lower()[:_MAX_MESSAGE]
