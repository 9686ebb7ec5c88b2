"""Who may come in. Closed by default: without a key only programs on this machine, and no page but our own."""

import hmac
import re
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

import structlog
from starlette.requests import HTTPConnection

from api.loopback import is_loopback
from api.web.answers import Refused
from domain.errors import StartRefused
from domain.models.access import Permission, Scope, Viewer

_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
# What proxies add. A request that came through one may be from anywhere, though its peer is on loopback.
_PROXY_HEADERS = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^\[\]:@/]+)(?::(?P<port>[0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}

_log = structlog.get_logger(__name__)


class Gate:
    """Turns a request into a `Viewer`, or refuses it with 401 or 403.

    Without an admin key there is one viewer, the local admin: the peer is on loopback, the Host names this machine and
    the served port (a foreign name that resolves to 127.0.0.1 is not enough), and a browser says that the page is ours.
    With a key, whoever shows it is the admin; sockets from pages of another origin stay refused. Pages of
    `allowed_origins` count as ours.
    """

    def __init__(self, admin_key: str | None, allowed_origins: Collection[str] = ()) -> None:
        self._admin_key = admin_key
        self._allowed_origins = frozenset(allowed_origins)

    def admit(self, request: HTTPConnection) -> Viewer:
        """The viewer of an HTTP request. Raises `Refused`."""
        if self._admin_key is None:
            self._check_local(request)
            return _admin("local admin", "local")
        return self._keyed(request.headers.get("authorization"))

    def check_handshake(self, socket: HTTPConnection) -> None:
        """Whether this socket may be opened at all; who it belongs to is said in its first message."""
        if self._admin_key is None:
            self._check_local(socket)
        else:
            self._check_same_origin(socket)

    def admit_socket(self, socket: HTTPConnection, payload: Mapping[str, object] | None) -> Viewer:
        """The viewer of a socket by its connection_init: the key is in the payload, else in the handshake's header.

        In the payload it is `authorization`, in any case of letters, there or under `headers`, as clients send it.
        """
        if self._admin_key is None:
            return _admin("local admin", "local")
        shown = _authorizations(payload or {}) or [socket.headers.get("authorization")]
        # Several that differ are as good as none: nobody knows which one was meant.
        return self._keyed(shown[0] if all(one == shown[0] for one in shown) else None)

    def _keyed(self, authorization: object) -> Viewer:
        assert self._admin_key is not None
        scheme, _, shown = (authorization if isinstance(authorization, str) else "").partition(" ")
        # Over bytes: compare_digest takes only ASCII strings.
        is_right = hmac.compare_digest(shown.strip().encode(), self._admin_key.encode())
        if scheme.lower() != "bearer" or not is_right:
            raise Refused(
                401,
                "UNAUTHENTICATED",
                "Show the admin key: Authorization: Bearer <key>.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return _admin("admin", "key")

    def _check_local(self, connection: HTTPConnection) -> None:
        server = connection.scope.get("server")
        port = server[1] if server else None
        headers = connection.headers
        origin = headers.get("origin")
        if (
            connection.client is None
            or port is None
            or not is_loopback(connection.client.host)
            or any(name in headers for name in _PROXY_HEADERS)
        ):
            raise _refused("peer", "Only this machine may come in: no HEADWATER_ADMIN_KEY is set.")
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not is_local_host(hosts[0], port, connection.scope["scheme"]):
            raise _refused("host", "This Host is not served. Use localhost or 127.0.0.1 with the served port.")
        if origin in self._allowed_origins:
            return
        # Browsers say where a request comes from; Sec-Fetch-Site also for those that carry no Origin.
        if (origin is not None and not is_local_origin(origin, port)) or headers.get("sec-fetch-site") == "cross-site":
            raise _refused("origin", "Pages of other origins may not speak with this server.")

    def _check_same_origin(self, connection: HTTPConnection) -> None:
        origin = connection.headers.get("origin")
        if origin is None or origin in self._allowed_origins:
            return
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"} or parts.netloc.lower() != connection.headers.get("host", "").lower():
            raise _refused("origin", "Pages of other origins may not speak with this server.")


def check_binding(host: str, admin_key: str | None) -> None:
    """Raises `StartRefused` where serving on `host` would let in whoever can reach it."""
    if admin_key is None and not is_loopback(host):
        raise StartRefused(
            f"Serving on {host} without a key would let in whoever can reach it. Set HEADWATER_ADMIN_KEY "
            "(`headwater keys new --admin` prints one), or serve on 127.0.0.1."
        )


def is_local_host(value: str, port: int, scheme: str = "http") -> bool:
    """Whether a Host header names this machine and the port that we serve on."""
    match = _HOST.fullmatch(value)
    if match is None or match["name"].lower() not in _LOCAL_NAMES:
        return False
    return int(match["port"] or _DEFAULT_PORTS[scheme]) == port


def is_local_origin(value: str, port: int) -> bool:
    """Whether an Origin header names a page that this server itself served."""
    scheme, separator, rest = value.partition("://")
    return separator != "" and scheme in {"http", "https"} and is_local_host(rest, port, scheme)


def _authorizations(payload: Mapping[str, object]) -> list[object]:
    """What a connection_init says of its authorization, at both places where clients put it."""
    found = [value for name, value in payload.items() if name.lower() == "authorization"]
    for name, value in payload.items():
        if name.lower() == "headers" and isinstance(value, Mapping):
            found += [inner for header, inner in value.items() if header.lower() == "authorization"]
    return found


def _refused(check: str, message: str) -> Refused:
    _log.warning("request_refused", check=check)
    return Refused(403, "FORBIDDEN", message)


def _admin(name: str, kind: str) -> Viewer:
    return Viewer(name=name, kind=kind, permissions=frozenset(Permission), scope=Scope())
