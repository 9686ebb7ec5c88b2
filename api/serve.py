"""One server process: binds, opens the services, serves until a signal, and closes all of it in order."""

import asyncio
import contextlib
import gc
import resource
import socket
from collections.abc import Callable, Iterator
from functools import partial

import uvicorn
import uvloop

from api import banner
from api.app import build_app, build_view
from api.bootstrap import open_headwater
from api.data_folder import locked
from api.demo import source as demo
from api.settings import Settings, in_clear
from api.signals import Startup, on_stop, until_stopped
from api.web.auth import check_binding
from api.web.http_protocol import http_protocol
from api.web.socket_protocol import PATIENCE_S, PING_INTERVAL_S, SocketProtocol
from domain.errors import StartRefused

_GRACE_S = 5  # for requests under way when a signal comes
_BACKLOG = 1_024
_OPEN_FILES = 65_536  # enough for every socket that the bounds let in, and small enough for any kernel


def serve(settings: Settings) -> None:
    """Runs until SIGINT or SIGTERM. Raises `StartRefused`, `Unavailable`."""
    check_binding(settings.host, in_clear(settings.admin_key))
    _raise_open_files()
    with (
        locked(settings.data_dir),
        _bound(settings.host, settings.port) as listener,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(until_stopped(partial(_serve, settings, listener)))


async def _serve(settings: Settings, listener: socket.socket, startup: Startup) -> None:
    port: int = listener.getsockname()[1]
    async with open_headwater(settings, port=port) as headwater:
        if settings.demo:
            await demo.prepare(headwater.services, settings.data_dir)
        view = build_view(headwater, settings)
        server = _Server(
            uvicorn.Config(
                build_app(headwater, view, settings),
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # a header must not say who the peer is
                http=http_protocol(settings.connection_limits),
                ws=SocketProtocol,
                ws_max_size=settings.max_frame_bytes,
                ws_ping_interval=PING_INTERVAL_S,
                ws_ping_timeout=settings.stall_s + PATIENCE_S,
                timeout_graceful_shutdown=_GRACE_S,
            ),
            greeting=banner.text(settings, port, demo.file(settings.data_dir) if settings.demo else None),
            before_shutdown=view.stop,
        )
        # What lives as long as the process (modules, the schema) need not be walked through at every collection.
        gc.collect()
        gc.freeze()
        if startup.is_stopped:
            return
        on_stop(server.stop)
        await server.serve(sockets=[listener])


class _Server(uvicorn.Server):
    """Leaves signals to us, so that a stop closes everything in order; says where it is once it serves."""

    def __init__(self, config: uvicorn.Config, *, greeting: str, before_shutdown: Callable[[], None]) -> None:
        super().__init__(config)
        self._greeting = greeting
        self._before_shutdown = before_shutdown

    def stop(self) -> None:
        """The first signal lets requests end, the second one does not wait for them."""
        self.force_exit = self.should_exit
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ours are installed already."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tells sockets and event streams to go, so that nobody has to be waited for."""
        self._before_shutdown()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to accept, then greets."""
        await super().startup(sockets)
        print(self._greeting, flush=True)  # noqa: T201  # for the person at the terminal, not for the log


def _raise_open_files() -> None:
    """Lets this process have as many connections as its bounds say: shells begin with 1,024 open files, or 256."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


@contextlib.contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    """The listening socket. Raises `StartRefused` when the port is taken or the address is not ours."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StartRefused(f"There is no address called {host} on this machine. Choose another --host.") from error
    with listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
            listener.setblocking(False)
        except OSError as error:
            raise StartRefused(
                f"Port {port} of {host} cannot be served on: {error.strerror}. Choose another --port."
            ) from error
        yield listener
