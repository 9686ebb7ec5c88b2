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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.e2e.waiting import until

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


class Command:
    """A command that runs, with pipes: what it said so far is in `out` and `err`. Killed at the end of the block."""

    def __init__(self, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self._arguments = arguments
        self._env = environment(env)
        self._pieces: dict[str, list[str]] = {"out": [], "err": []}

    async def __aenter__(self) -> Self:
        self.process = subprocess.Popen(
            [*HEADWATER, *self._arguments],
            cwd=REPOSITORY,
            env=self._env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._readers = [
            threading.Thread(target=self._read, args=(name, stream), daemon=True)
            for name, stream in (("out", self.process.stdout), ("err", self.process.stderr))
        ]
        for reader in self._readers:
            reader.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.process.kill()
        await asyncio.to_thread(self.process.wait, 10)
        for reader in self._readers:
            await asyncio.to_thread(reader.join, 10)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError):
                stream.close()

    @property
    def out(self) -> str:
        return "".join(self._pieces["out"])

    @property
    def err(self) -> str:
        return "".join(self._pieces["err"])

    def interrupt(self, request: signal.Signals = signal.SIGINT) -> None:
        """As ctrl-C does."""
        self.process.send_signal(request)

    async def ended(self, *, timeout_s: float = 60.0) -> Ended:
        """Its end, once it has ended by itself."""
        await until(lambda: self.process.poll() is not None, timeout_s=timeout_s)
        for reader in self._readers:
            await asyncio.to_thread(reader.join, 10)
        return Ended(self.process.returncode, self.out, self.err)

    def _read(self, name: str, stream) -> None:
        for line in stream:
            self._pieces[name].append(line)


class Terminal:
    """A command on a terminal of `columns` × 24, which it cannot tell from a person's."""

    def __init__(self, arguments: Sequence[str], *, columns: int = 100, env: Mapping[str, str] | None = None) -> None:
        self._arguments = arguments
        self._columns = columns
        self._env = environment({"TERM": "xterm-256color", **(env or {})})
        self._bytes = bytearray()

    async def __aenter__(self) -> Self:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, self._columns, 0, 0))
        self.process = subprocess.Popen(
            [*HEADWATER, *self._arguments],
            cwd=REPOSITORY,
            env=self._env,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.process.kill()
        await asyncio.to_thread(self.process.wait, 10)
        await asyncio.to_thread(self._reader.join, 10)
        os.close(self._master)

    @property
    def text(self) -> str:
        """All that was drawn so far, with its control sequences."""
        return self._bytes.decode("utf-8", "replace")

    def type(self, text: str) -> None:
        """As on its keyboard."""
        os.write(self._master, text.encode())

    def interrupt(self) -> None:
        """As ctrl-C does."""
        self.process.send_signal(signal.SIGINT)

    async def shows(self, text: str, *, timeout_s: float = 30.0) -> None:
        """Returns once this was drawn. Raises TimeoutError."""
        await until(lambda: text in self.text, timeout_s=timeout_s)

    async def ended(self, *, timeout_s: float = 60.0) -> int:
        """The exit code, once it has ended by itself."""
        await until(lambda: self.process.poll() is not None, timeout_s=timeout_s)
        await asyncio.to_thread(self._reader.join, 10)
        return self.process.returncode

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # EIO: nobody has the terminal open any more
            while piece := os.read(self._master, 65_536):
                self._bytes += piece
