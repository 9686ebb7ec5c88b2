"""How much one client may ask for. Each bound is a setting: `api/settings.py` gives it its name and its meaning."""

from msgspec import Struct


class DocumentLimits(Struct, frozen=True):
    """Bounds of one GraphQL document with its variables, and of its answer."""

    max_characters: int = 32_768
    max_tokens: int = 3_000
    max_definitions: int = 100
    max_depth: int = 25
    max_fields: int = 1_000
    max_repeats: int = 300
    max_aliases: int = 100
    max_directives: int = 100
    max_introspections: int = 3
    max_literals: int = 500
    max_cost: int = 50_000_000
    max_variable_values: int = 50_000
    max_answer_values: int = 100_000


class ConnectionLimits(Struct, frozen=True):
    """Bounds of connections. The body of a request has its own, in `WebLimits`."""

    head_timeout_s: float = 10.0  # from the connection or the last answer to the end of a request's head
    max_head_bytes: int = 32 * 1024  # of a request's line and headers, and of what is around the chunks of a body
    stall_s: float = 60.0  # without taking what is sent: a socket is closed with 1013, all else is dropped
    max_connections: int = 6_000  # open in this process, sockets with them; one more is answered with 503


class SocketLimits(Struct, frozen=True):
    """Bounds of sockets."""

    max_sockets: int = 5_000  # open in this process, streams over HTTP with them; one more is answered with 503
    max_frame_bytes: int = 64 * 1024  # of one message
    init_timeout_s: float = 10.0  # from the handshake to connection_init
    max_operations: int = 100  # of one socket, at the same time


class WebLimits(Struct, frozen=True):
    """Bounds of requests, and of all that carries them."""

    max_body_bytes: int = 1024 * 1024
    body_timeout_s: float = 30.0  # for all of the body to arrive
    max_bodies_bytes: int = 64 * 1024 * 1024  # of all large bodies held in this process; beyond it they are refused
    operation_timeout_s: float = 75.0  # of a query or mutation; longer than any `waitMs`
    heartbeat_s: float = 12.0  # without a result, before a stream says that it is still there
    socket: SocketLimits = SocketLimits()
    connection: ConnectionLimits = ConnectionLimits()
