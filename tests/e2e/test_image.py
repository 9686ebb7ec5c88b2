"""The image, as an operator meets it: built from what is in the repository, run read-only and without privileges."""

import asyncio
import base64
import contextlib
import os
import re
import secrets
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.e2e.client import GraphqlClient
from tests.servers import image
from tests.servers.clients import http_client
from tests.servers.dockerfile import User, parse
from tests.servers.image import REPOSITORY, Container, Image
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.postgresql import PostgresqlDatabase
from tests.servers.process import ServerProcess
from tests.servers.redis import RedisServer

ADMIN_KEY = "image-admin-key-0123456789"
# Building it takes 40 s on two idle cores with filled caches; CI may start with empty ones and has other things to do.
_BUILD_TIMEOUT_S = 540
_COMMAND_TIMEOUT_S = 60


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def headwater() -> AsyncIterator[Image]:
    """The built image."""
    reason = image.reason_against()
    if reason is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    built = await asyncio.to_thread(image.build)
    yield built
    built.remove()


def test_what_the_dockerfile_promises():
    *_, stage = parse((REPOSITORY / "Dockerfile").read_text("utf-8"))
    (user,) = [step for step in stage.steps if isinstance(step, User)]
    assert user.uid > 0
    assert user.gid > 0
    assert stage.entrypoint == ("headwater",)
    assert stage.command == ("serve",)
    assert (stage.volumes, stage.ports, stage.stop_signal) == (("/data",), (8000,), "SIGTERM")
    for one in parse((REPOSITORY / "Dockerfile").read_text("utf-8")):
        assert re.fullmatch(r"(node|python):\d+(\.\d+)?-slim-\w+|(node|python):\d+(\.\d+)?-\w+-slim", one.base)


# One test for all: the image is built once, and not once for each worker of a parallel run.
@pytest.mark.timeout(_BUILD_TIMEOUT_S + 180)
async def test_the_image_serves_works_and_migrates(
    headwater: Image, tmp_path: Path, postgresql_database: PostgresqlDatabase, private_redis: RedisServer
):
    await _serves(headwater, tmp_path)
    await _refuses(headwater)
    await _runs_distributed(
        headwater,
        tmp_path,
        {
            "HEADWATER_DATABASE_URL": postgresql_database.sqlalchemy_url,
            "HEADWATER_REDIS_URL": private_redis.endpoint.url,
            "HEADWATER_ENCRYPTION_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        },
    )


async def _serves(headwater: Image, folder: Path) -> None:
    port = free_port()
    settings = {"HEADWATER_PORT": str(port), "HEADWATER_ADMIN_KEY": ADMIN_KEY}
    volume = headwater.new_volume()
    assert await _health(headwater, settings) != 0

    created = (
        'mutation($path: String!) { registerDataSources(input: [{name: "kept", connection: {sqlite: {path: $path}}}])'
        " { ... on DataSourcePayload { dataSource { name } } ... on Problem { code } } }"
    )
    names = "{ dataSources { nodes { name } } }"
    for is_first in (True, False):
        async with _running(headwater, folder, volume, settings) as (process, container):
            assert await _health(headwater, settings) == 0
            async with GraphqlClient(f"http://{LOOPBACK}:{port}/graphql", key=ADMIN_KEY) as client:
                if is_first:
                    await client.query(created, path="/data/any.sqlite")
                # Kept in the volume, by another container of the same image.
                assert (await client.query(names)) == {"dataSources": {"nodes": [{"name": "kept"}]}}
            async with GraphqlClient(f"http://{LOOPBACK}:{port}/graphql") as stranger:
                assert (await stranger.request(names)).status_code == 401
            await _page_is_whole(port)
            container.send(signal.SIGTERM, pid=process.pid)
            assert await process.wait(timeout_s=30) == 0, process.log
        assert await _health(headwater, settings) != 0


async def _page_is_whole(port: int) -> None:
    """GraphiQL is there with all that it names."""
    async with http_client(base_url=f"http://{LOOPBACK}:{port}") as client:
        page = await client.get("/graphiql")
        assert page.status_code == 200, page.text
        files = re.findall(r'(?:src|href)="(/graphiql/assets/[^"]+)"', page.text)
        assert files
        for file in files:
            answer = await client.get(file)
            assert answer.status_code == 200, file
            assert answer.content, file


async def _refuses(headwater: Image) -> None:
    """What would be open to the network does not start; a worker alone has nothing to do."""
    code, said = await _run(headwater, [], {})
    assert code == 78
    assert "HEADWATER_ADMIN_KEY" in said
    code, said = await _run(headwater, ["worker"], {})
    assert code == 78
    assert "HEADWATER_DATABASE_URL and HEADWATER_REDIS_URL" in said
    code, said = await _run(headwater, ["--version"], {})
    assert (code, said.split()[0]) == (0, "headwater")


async def _runs_distributed(headwater: Image, folder: Path, shared: Mapping[str, str]) -> None:
    code, said = await _run(headwater, ["migrate", "--check"], shared)
    assert code == 1, said
    for expected in ("brought from nothing", "up to date already"):
        code, said = await _run(headwater, ["migrate"], shared)
        assert code == 0, said
        assert expected in said

    port = free_port()
    settings = {**shared, "HEADWATER_PORT": str(port), "HEADWATER_ADMIN_KEY": ADMIN_KEY}
    volumes = headwater.new_volume(), headwater.new_volume()
    async with (
        _running(headwater, folder / "server", volumes[0], settings) as serving,
        _running(
            headwater, folder / "worker", volumes[1], settings, "worker", is_ready=_logs("worker_ready")
        ) as working,
    ):
        for process, container in (working, serving):
            container.send(signal.SIGTERM, pid=process.pid)
            assert await process.wait(timeout_s=30) == 0, process.log


@contextlib.asynccontextmanager
async def _running(
    headwater: Image,
    folder: Path,
    volume: str,
    environment: Mapping[str, str],
    *arguments: str,
    is_ready: Callable[[ServerProcess], Awaitable[bool]] | None = None,
) -> AsyncIterator[tuple[ServerProcess, Container]]:
    """A container that is ready; killed at the end, if it still runs."""
    folder.mkdir(exist_ok=True)
    container = headwater.container(*arguments, volume=volume, environment=environment)
    process = ServerProcess(container.command, folder=folder, environment=container.environment)
    ready = is_ready or _serves_on(int(environment["HEADWATER_PORT"]))
    try:
        await process.start(lambda: ready(process), timeout_s=_COMMAND_TIMEOUT_S)
        yield process, container
    finally:
        if process.is_running:
            container.send(signal.SIGKILL, pid=process.pid)
            process.kill()


def _serves_on(port: int) -> Callable[[ServerProcess], Awaitable[bool]]:
    async def is_ready(_: ServerProcess) -> bool:
        async with http_client(timeout=2.0) as client:
            try:
                return (await client.get(f"http://{LOOPBACK}:{port}/readyz")).status_code == 200
            except httpx.TransportError:
                return False

    return is_ready


def _logs(word: str) -> Callable[[ServerProcess], Awaitable[bool]]:
    async def is_ready(process: ServerProcess) -> bool:
        return word in process.log

    return is_ready


async def _health(headwater: Image, environment: Mapping[str, str]) -> int:
    """The exit code of the image's own HEALTHCHECK, asked of the server on this port."""
    check = headwater.stage.healthcheck
    assert check is not None
    code, _ = await _run(headwater, [], environment, entrypoint=check.command)
    return code


async def _run(
    headwater: Image,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    entrypoint: Sequence[str] | None = None,
) -> tuple[int, str]:
    """Exit code and output of one short-lived container with an empty volume."""
    container = headwater.container(
        *arguments, volume=headwater.new_volume(), environment=environment, entrypoint=entrypoint
    )
    done = await asyncio.to_thread(
        subprocess.run,
        container.command,
        env=container.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_COMMAND_TIMEOUT_S,
        check=False,
    )
    return done.returncode, done.stdout
