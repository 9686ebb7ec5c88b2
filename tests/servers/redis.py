"""A real Redis server for tests."""

import secrets
import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import redis.asyncio
import redis.exceptions

from tests.servers.ports import LOOPBACK, free_port
from tests.servers.process import ServerProcess, temporary_folder


def find_binary() -> Path | None:
    found = shutil.which("redis-server")
    return Path(found) if found else None


@dataclass(frozen=True)
class RedisEndpoint:
    """Where a server listens, and its password."""

    host: str
    port: int
    password: str = field(repr=False)
    database: int = 0

    @classmethod
    def from_url(cls, url: str) -> "RedisEndpoint":
        """From `redis://:password@host:port/database`."""
        parts = urlsplit(url)
        return cls(
            parts.hostname or LOOPBACK,
            parts.port or 6379,
            unquote(parts.password or ""),
            int(parts.path.strip("/") or 0),
        )

    @property
    def url(self) -> str:
        account = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"redis://{account}{self.host}:{self.port}/{self.database}"

    def connect(self) -> redis.asyncio.Redis:
        """A client; the caller closes it with `aclose`."""
        return redis.asyncio.Redis.from_url(self.url, socket_connect_timeout=5, socket_timeout=5)

    async def delete_keys(self, prefix: str) -> None:
        """Deletes all keys that begin with `prefix`."""
        async with self.connect() as client:
            async for key in client.scan_iter(match=f"{prefix}*", count=1_000):
                await client.delete(key)


class RedisServer:
    """A server of our own on a free loopback port, with a password.

    With `is_durable`, every write is on disk before it is answered, so that a kill loses nothing; without, a restart
    begins empty.
    """

    def __init__(self, *, is_durable: bool = False) -> None:
        binary = find_binary()
        if binary is None:
            raise RuntimeError("Redis is not installed: run tests/servers/setup")
        self._folder = temporary_folder("redis")
        self.endpoint = RedisEndpoint(LOOPBACK, free_port(), secrets.token_urlsafe(18))
        configuration = self._folder / "redis.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(
            "\n".join(
                (
                    f"bind {LOOPBACK}",
                    f"port {self.endpoint.port}",
                    f"requirepass {self.endpoint.password}",
                    f"dir {self._folder}",
                    "daemonize no",
                    'save ""',
                    f"appendonly {'yes' if is_durable else 'no'}",
                    "appendfsync always",
                    "",
                )
            )
        )
        self._process = ServerProcess([binary, configuration], folder=self._folder)

    @property
    def log(self) -> str:
        return self._process.log

    async def start(self) -> None:
        """Returns once it answers a ping."""
        await self._process.start(self._is_ready)

    async def stop(self) -> None:
        await self._process.stop(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: what is not on disk is gone."""
        self._process.kill()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def pause(self) -> None:
        """Accepts connections and says nothing until `resume`."""
        self._process.pause()

    def resume(self) -> None:
        self._process.resume()

    async def discard(self) -> None:
        """Ends it and removes its data."""
        await self._process.end(signal.SIGTERM)
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _is_ready(self) -> bool:
        async with self.endpoint.connect() as client:
            try:
                await client.ping()
            except (OSError, redis.exceptions.RedisError):  # refused, or still loading its data
                return False
        return True
