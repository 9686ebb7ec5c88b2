"""A child process of the test run: own group, folder and log. It is ended by its id only, and never outlives us."""

import asyncio
import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import pytest

POLL_S = 0.01


class ServerError(Exception):
    """A server ended or did not get ready in time. The message ends with the last lines of its log."""

    def __init__(self, message: str, *, exit_code: int | None, log: str) -> None:
        tail = "\n".join(log.splitlines()[-30:])
        super().__init__(f"{message}\n{tail}")
        self.exit_code = exit_code
        self.log = log


def temporary_folder(name: str) -> Path:
    """A new folder that other users may enter (a server may run as another one); removed when the run ends."""
    folder = Path(tempfile.mkdtemp(prefix=f"headwater-{name}-"))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class ServerProcess:
    """One command that serves until it is told to stop.

    `user` is the account to run it as, None for our own. `death_signal` is what the kernel sends it when the test
    run dies without a word (Linux only, by setpriv of util-linux).
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        user: str | None = None,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        self._command = [*dies_with_us(death_signal), *map(str, command)]
        self._log_file = folder / "server.log"
        self._environment = environment
        self._directory = directory or folder
        self._user = user
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The id of the running process."""
        if self._popen is None:
            raise RuntimeError("not started")
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    @property
    def log(self) -> str:
        """All that it printed so far, over all its starts."""
        return self._log_file.read_text("utf-8", "replace") if self._log_file.exists() else ""

    async def start(self, is_ready: Callable[[], Awaitable[bool]], *, timeout_s: float = 20.0) -> None:
        """Returns once `is_ready` says so. Raises ServerError when it ended before, or after `timeout_s`."""
        if self.is_running:
            raise RuntimeError("already running")
        with self._log_file.open("ab") as log:
            self._popen = self._spawn(log)
        atexit.register(self.kill)
        deadline = time.monotonic() + timeout_s
        while True:
            exit_code = self._popen.poll()
            if exit_code is not None:
                raise ServerError(f"ended with {exit_code}: {self._command}", exit_code=exit_code, log=self.log)
            if await is_ready():
                return
            if time.monotonic() > deadline:
                self.kill()
                raise ServerError(f"not ready after {timeout_s} s: {self._command}", exit_code=None, log=self.log)
            await asyncio.sleep(POLL_S)

    async def stop(self, request: signal.Signals = signal.SIGTERM, *, timeout_s: float = 15.0) -> int:
        """Asks it to end and returns its exit code. Killed, and ServerError, if still there after `timeout_s`."""
        if self._popen is None:
            raise RuntimeError("not started")
        if self.is_running:
            self._popen.send_signal(request)
        exit_code = await self.wait(timeout_s=timeout_s)
        atexit.unregister(self.kill)
        return exit_code

    async def wait(self, *, timeout_s: float) -> int:
        """The exit code, once it has ended by itself. Killed, and ServerError, if still there after `timeout_s`."""
        if self._popen is None:
            raise RuntimeError("not started")
        deadline = time.monotonic() + timeout_s
        while (exit_code := self._popen.poll()) is None:
            if time.monotonic() > deadline:
                self.kill()
                raise ServerError(f"still there after {timeout_s} s: {self._command}", exit_code=None, log=self.log)
            await asyncio.sleep(POLL_S)
        return exit_code

    def kill(self) -> None:
        """Ends it and all its descendants at once (SIGKILL) and returns when they are gone."""
        if self._popen is None or self._popen.poll() is not None:
            return
        # Held still first, so that it starts no further child while we count them.
        self._popen.send_signal(signal.SIGSTOP)
        family = [*_descendants(self._popen.pid), self._popen.pid]
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._popen.wait(timeout=10)
        deadline = time.monotonic() + 10
        while any(map(_is_alive, family)) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        atexit.unregister(self.kill)

    async def end(self, request: signal.Signals) -> None:
        """Ends it whatever its state; `request` makes it end at once and take its children along."""
        if self.is_running:
            self.resume()
            await self.stop(request)

    def pause(self) -> None:
        """Holds it still, as a machine that hangs: its sockets accept and say nothing."""
        for pid in (self.pid, *_descendants(self.pid)):
            with contextlib.suppress(ProcessLookupError):  # ended in between
                os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        for pid in (*_descendants(self.pid), self.pid):
            with contextlib.suppress(ProcessLookupError):  # ended in between
                os.kill(pid, signal.SIGCONT)

    def _spawn(self, log: BinaryIO) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            cwd=self._directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=self._user,
            group=self._user,
            extra_groups=() if self._user else None,
        )


def dies_with_us(death_signal: signal.Signals) -> list[str]:
    """What goes before a command that the kernel is to end when the test run dies without a word."""
    # A preexec_fn would do it without a helper program, but warns on CPython ≥ 3.12 when threads exist.
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return [setpriv, "--pdeathsig", death_signal.name.removeprefix("SIG"), "--"] if setpriv else []


def _descendants(pid: int) -> list[int]:
    """Ids of all processes below `pid`. Empty where /proc is missing: there the children notice their parent's end."""
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, children.read_text().split()):
                found += [child, *_descendants(child)]
    return found


def _is_alive(pid: int) -> bool:
    try:
        # `pid (name) state …`; the name may hold spaces and brackets.
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def worked_s(pid: int) -> float:
    """How long its main thread, which runs the server's loop, has been at work. Skips the test where nobody tells.

    https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat
    """
    return int(_told_of(pid, "schedstat").split()[0]) / 1e9


def memory_mib(pid: int) -> float:
    """What it holds in memory. Skips the test where nobody tells. https://man7.org/linux/man-pages/man5/proc.5.html"""
    (kib,) = [line.split()[1] for line in _told_of(pid, "status").splitlines() if line.startswith("VmRSS:")]
    return int(kib) / 1024


def _told_of(pid: int, file: str) -> str:
    if not Path("/proc/self", file).exists():
        pytest.skip(f"what a process does and holds is read from /proc/<pid>/{file}, which is not there")
    return Path(f"/proc/{pid}/{file}").read_text()
