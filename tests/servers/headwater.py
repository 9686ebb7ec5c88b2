"""The real Headwater server as a process of its own."""

import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from tests.servers.clients import http_client
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.process import ServerProcess, temporary_folder

_REPOSITORY = Path(__file__).resolve().parents[2]


class HeadwaterServer:
    """`headwater serve` on a free loopback port with a data folder of its own.

    `environment` adds settings to our environment, from which all HEADWATER_* variables are taken out first.
    `data_dir` is kept by `discard`; without one, a temporary folder is made and removed.
    """

    def __init__(
        self,
        *,
        data_dir: Path | None = None,
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        program: Sequence[str] = (sys.executable, "-m", "api"),
    ) -> None:
        self._folder = temporary_folder("server")
        self.data_dir = data_dir or self._folder / "data"
        self.port = free_port()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HEADWATER_")}
        self._process = ServerProcess(
            [
                *program,
                "serve",
                *("--host", LOOPBACK),
                *("--port", str(self.port)),
                *("--data-dir", self.data_dir),
                *arguments,
            ],
            folder=self._folder,
            directory=_REPOSITORY,
            environment=inherited | {"PYTHONUNBUFFERED": "1"} | dict(environment or {}),
        )

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def graphql_url(self) -> str:
        return f"{self.url}/graphql"

    @property
    def websocket_url(self) -> str:
        return f"ws://{LOOPBACK}:{self.port}/graphql"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.is_running

    @property
    def log(self) -> str:
        """All that it printed, over all its starts."""
        return self._process.log

    async def start(self, *, timeout_s: float = 30.0) -> None:
        """Returns once /readyz answers 200. Raises ServerError, with the exit code, when the start was refused."""
        await self._process.start(self._is_ready, timeout_s=timeout_s)

    async def stop(self) -> int:
        """Asks it to end (SIGTERM) and returns the exit code."""
        return await self._process.stop(signal.SIGTERM)

    async def wait(self, *, timeout_s: float) -> int:
        """The exit code, once it has ended by itself."""
        return await self._process.wait(timeout_s=timeout_s)

    def kill(self) -> None:
        """SIGKILL: nothing is tidied up."""
        self._process.kill()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def pause(self) -> None:
        """Holds the process still until `resume`."""
        self._process.pause()

    def resume(self) -> None:
        self._process.resume()

    async def discard(self) -> None:
        """Ends it and removes what was made for it."""
        await self._process.end(signal.SIGTERM)
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _is_ready(self) -> bool:
        async with http_client(timeout=2.0) as client:
            try:
                return (await client.get(f"{self.url}/readyz")).status_code == 200
            except httpx.TransportError:
                return False
