"""A real PostgreSQL server for tests, and databases on it."""

import functools
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit

import asyncpg
import trustme

from tests.servers.ports import LOOPBACK, free_port
from tests.servers.process import ServerProcess, temporary_folder

SUPERUSER = "postgres"

# The server refuses to run as root: https://www.postgresql.org/docs/15/app-postgres.html
_ACCOUNT = "postgres" if os.geteuid() == 0 else None

# https://www.postgresql.org/docs/15/server-shutdown.html; either way the postmaster takes its children along.
_FAST_SHUTDOWN = signal.SIGINT
_IMMEDIATE_SHUTDOWN = signal.SIGQUIT


def find_binaries() -> Path | None:
    """The folder with initdb and postgres: the one in PATH, else that of the newest packaged version."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    patterns = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql@*/bin")
    found = [folder for pattern in patterns for folder in Path("/").glob(pattern) if (folder / "initdb").exists()]
    return max(found, key=_version_in, default=None)


def _version_in(folder: Path) -> int:
    return int("0" + "".join(character for character in str(folder) if character.isdigit()))


@dataclass(frozen=True)
class PostgresqlDatabase:
    """One database on a server, and the superuser's way to it."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    name: str

    @property
    def sqlalchemy_url(self) -> str:
        """For SQLAlchemy's asyncpg dialect."""
        return (
            f"postgresql+asyncpg://{quote(self.user, safe='')}:{quote(self.password, safe='')}"
            f"@{self.host}:{self.port}/{quote(self.name, safe='')}"
        )

    async def connect(self, **options: Any) -> asyncpg.Connection:
        """A connection of asyncpg; the caller closes it."""
        arguments = {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "database": self.name,
            "timeout": 10,
        }
        return await asyncpg.connect(**(arguments | options))

    async def execute(self, script: str) -> None:
        """Runs one or more statements over a connection of their own."""
        connection = await self.connect()
        try:
            await connection.execute(script)
        finally:
            await connection.close()


@dataclass(frozen=True)
class PostgresqlEndpoint:
    """Where a server listens, and its superuser."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)

    @classmethod
    def from_url(cls, url: str) -> "PostgresqlEndpoint":
        """From `postgresql://user:password@host:port`; the user must be allowed to create databases."""
        parts = urlsplit(url)
        return cls(
            parts.hostname or LOOPBACK,
            parts.port or 5432,
            unquote(parts.username or SUPERUSER),
            unquote(parts.password or ""),
        )

    def database(self, name: str = "postgres") -> PostgresqlDatabase:
        return PostgresqlDatabase(self.host, self.port, self.user, self.password, name)

    async def create_database(self) -> PostgresqlDatabase:
        """An empty UTF-8 database under a name of its own."""
        name = f"headwater_{secrets.token_hex(6)}"
        await self.database().execute(f'CREATE DATABASE "{name}" TEMPLATE template0 ENCODING UTF8 LC_COLLATE "C"')
        return self.database(name)

    async def drop_database(self, database: PostgresqlDatabase) -> None:
        """Drops it together with whoever is still connected to it."""
        await self.database().execute(f'DROP DATABASE IF EXISTS "{database.name}" WITH (FORCE)')


@dataclass(frozen=True)
class Tls:
    """The server's certificate, made at run time and signed by an authority of its own.

    `names` are the hosts it is valid for; with mode `required`, connections without TLS are refused.
    """

    mode: Literal["offered", "required"] = "offered"
    names: tuple[str, ...] = ("localhost", LOOPBACK)
    expires_in: timedelta = timedelta(days=30)


class PostgresqlServer:
    """A server of our own on a free loopback port, with SCRAM passwords; `settings` are those of postgresql.conf."""

    def __init__(self, *, tls: Tls | None = None, settings: Mapping[str, str] | None = None) -> None:
        template = _initialised_data()
        self._folder = temporary_folder("postgresql")
        self._data = self._folder / "data"
        if _ACCOUNT:
            shutil.chown(self._folder, _ACCOUNT, _ACCOUNT)
        _run("cp", "-a", template.data, self._data, directory=self._folder)
        self.endpoint = PostgresqlEndpoint(LOOPBACK, free_port(), SUPERUSER, template.password)
        self.certificate_authority_file: Path | None = None
        values = {
            "listen_addresses": LOOPBACK,
            "port": str(self.endpoint.port),
            "unix_socket_directories": "",
            "fsync": "off",  # a killed process loses nothing of it: only a machine's crash would
            "shared_buffers": "32MB",
            "max_connections": "100",
        }
        if tls:
            values |= {"ssl": "on", "ssl_cert_file": "server.crt", "ssl_key_file": "server.key"}
            self.certificate_authority_file = self._issue_certificate(tls)
        transport = "hostssl" if tls and tls.mode == "required" else "host"
        self._write("pg_hba.conf", f"{transport} all all {LOOPBACK}/32 scram-sha-256\n")
        self._process = ServerProcess(
            [
                template.binaries / "postgres",
                "-D",
                self._data,
                *(f"--{name}={value}" for name, value in (values | dict(settings or {})).items()),
            ],
            folder=self._folder,
            user=_ACCOUNT,
            death_signal=_IMMEDIATE_SHUTDOWN,
        )

    @property
    def log(self) -> str:
        return self._process.log

    async def start(self) -> None:
        """Returns once it answers a query."""
        await self._process.start(self._is_ready)

    async def stop(self) -> None:
        """Fast shutdown: sessions are ended, everything is written."""
        await self._process.stop(_FAST_SHUTDOWN)

    def kill(self) -> None:
        """SIGKILL to all its processes; `start` recovers from its log."""
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
        await self._process.end(_IMMEDIATE_SHUTDOWN)
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _is_ready(self) -> bool:
        try:
            await self.endpoint.database().execute("SELECT 1")
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
            return False
        return True

    def _issue_certificate(self, tls: Tls) -> Path:
        authority = trustme.CA()
        certificate = authority.issue_cert(*tls.names, not_after=datetime.now(UTC) + tls.expires_in)
        self._write("server.crt", b"".join(blob.bytes() for blob in certificate.cert_chain_pems).decode())
        self._write("server.key", certificate.private_key_pem.bytes().decode())
        authority_file = self._folder / "ca.pem"
        authority.cert_pem.write_to_path(str(authority_file))
        return authority_file

    def _write(self, name: str, text: str) -> None:
        path = self._data / name
        path.touch(mode=0o600)
        path.write_text(text)
        if _ACCOUNT:
            shutil.chown(path, _ACCOUNT, _ACCOUNT)


@dataclass(frozen=True)
class _InitialisedData:
    binaries: Path
    data: Path
    password: str = field(repr=False)


@functools.cache
def _initialised_data() -> _InitialisedData:
    """What initdb makes, once per test process: every server starts from a copy of it."""
    binaries = find_binaries()
    if binaries is None:
        raise RuntimeError("PostgreSQL is not installed: run tests/servers/setup")
    folder = temporary_folder("initdb")
    if _ACCOUNT:
        shutil.chown(folder, _ACCOUNT, _ACCOUNT)
    password = secrets.token_urlsafe(18)
    password_file = folder / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    if _ACCOUNT:
        shutil.chown(password_file, _ACCOUNT, _ACCOUNT)
    data = folder / "data"
    _run(
        binaries / "initdb",
        f"--pgdata={data}",
        f"--username={SUPERUSER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--wal-segsize=1",  # MiB; keeps a copy small
        "--no-sync",
        directory=folder,
    )
    password_file.unlink()
    return _InitialisedData(binaries, data, password)


def _run(*command: str | Path, directory: Path) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        user=_ACCOUNT,
        group=_ACCOUNT,
        extra_groups=() if _ACCOUNT else None,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr[-2000:]}")
