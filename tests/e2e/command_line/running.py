"""The real `headwater` command as a process of its own: with pipes as in a script, or on a terminal of a fixed size."""

import asyncio
import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.e2e.waiting import until
from tests.servers.headwater import HeadwaterServer
from tests.servers.process import dies_with_us

REPOSITORY = Path(__file__).resolve().parents[3]
HEADWATER = (sys.executable, "-m", "api")
_OURS = ("HEADWATER_", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "LC_", "LANG", "PYTHON", "TERM")


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said where."""

    code: int
    out: str
    err: str


def environment(given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours without what changes how a command looks or behaves, and what the test gives."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return inherited | {"LANG": "C.UTF-8"} | dict(given or {})


async def run(*arguments: str, env: Mapping[str, str] | None = None, stdin: str = "", timeout_s: float = 60.0) -> Ended:
    """Runs `headwater` with pipes to its end. Raises TimeoutError, and kills it, after `timeout_s`."""
    async with Command(*arguments, env=env) as command:
        command.process.stdin.write(stdin)
        command.process.stdin.close()
        return await command.ended(timeout_s=timeout_s)


def run_here(*arguments: str, env: Mapping[str, str] | None = None, stdin: str = "", timeout_s: float = 60.0) -> Ended:
    """Like `run`, while the loop stands still: for commands that need nothing of the test meanwhile."""
    done = subprocess.run(
        [*dies_with_us(signal.SIGKILL), *HEADWATER, *arguments],
        cwd=REPOSITORY,
        env=environment(env),
        input=stdin.encode(),
        capture_output=True,
        timeout=timeout_s,
        check=False,
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


@contextlib.asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[HeadwaterServer]:
    """A server of these settings that is ended, whatever happens, at the end of the block."""
    server = HeadwaterServer(**settings)
    try:
        await server.start()
        yield server
    finally:
        await server.discard()


class _Child:
    """A command that runs, killed at the end of the block, and by the kernel when the test run dies."""

    process: subprocess.Popen
    _readers: Sequence[threading.Thread] = ()

    def _spawn(self, arguments: Sequence[str], env: Mapping[str, str], **pipes: Any) -> None:
        self.process = subprocess.Popen(
            [*dies_with_us(signal.SIGKILL), *HEADWATER, *arguments],
            cwd=REPOSITORY,
            env=env,
            start_new_session=True,
            **pipes,
        )

    def _read_all(self, *readers: Callable[[], None]) -> None:
        self._readers = [threading.Thread(target=reader, daemon=True) for reader in readers]
        for thread in self._readers:
            thread.start()

    async def _kill(self) -> None:
        self.process.kill()
        await asyncio.to_thread(self.process.wait, 10)
        await self._read_to_the_end()

    async def _read_to_the_end(self) -> None:
        for thread in self._readers:
            await asyncio.to_thread(thread.join, 10)

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def interrupt(self, request: signal.Signals = signal.SIGINT) -> None:
        """As ctrl-C does."""
        self.process.send_signal(request)

    async def _end(self, timeout_s: float) -> int:
        await until(lambda: not self.is_running, timeout_s=timeout_s)
        await self._read_to_the_end()
        return self.process.returncode


class Command(_Child):
    """A command that runs, with pipes: what it said so far is in `out` and `err`."""

    def __init__(self, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self._arguments = arguments
        self._env = environment(env)
        self._pieces: dict[str, list[str]] = {"out": [], "err": []}

    async def __aenter__(self) -> Self:
        self._spawn(
            self._arguments,
            self._env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self._read_all(
            partial(self._read, "out", self.process.stdout),
            partial(self._read, "err", self.process.stderr),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._kill()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError):
                stream.close()

    @property
    def out(self) -> str:
        return "".join(self._pieces["out"])

    @property
    def err(self) -> str:
        return "".join(self._pieces["err"])

    async def ended(self, *, timeout_s: float = 60.0) -> Ended:
        """Its end, once it has ended by itself."""
        return Ended(await self._end(timeout_s), self.out, self.err)

    def _read(self, name: str, stream: Iterable[str]) -> None:
        for line in stream:
            self._pieces[name].append(line)


class Terminal(_Child):
    """A command on a terminal of `columns` × 24, which it cannot tell from a person's."""

    def __init__(self, arguments: Sequence[str], *, columns: int = 100, env: Mapping[str, str] | None = None) -> None:
        self._arguments = arguments
        self._columns = columns
        self._env = environment({"TERM": "xterm-256color", **(env or {})})
        self._bytes = bytearray()

    async def __aenter__(self) -> Self:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, self._columns, 0, 0))
        self._spawn(self._arguments, self._env, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        self._read_all(self._read)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._kill()
        os.close(self._master)

    @property
    def text(self) -> str:
        """All that was drawn so far, with its control sequences."""
        return self._bytes.decode("utf-8", "replace")

    def type(self, text: str) -> None:
        """As on its keyboard."""
        os.write(self._master, text.encode())

    async def shows(self, text: str, *, timeout_s: float = 30.0) -> None:
        """Returns once this was drawn. Raises TimeoutError."""
        await until(lambda: text in self.text, timeout_s=timeout_s)

    async def ended(self, *, timeout_s: float = 60.0) -> int:
        """The exit code, once it has ended by itself."""
        return await self._end(timeout_s)

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # EIO: nobody has the terminal open any more
            while piece := os.read(self._master, 65_536):
                self._bytes += piece
