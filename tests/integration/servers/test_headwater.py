import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.servers.headwater import HeadwaterServer
from tests.servers.process import ServerError


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[HeadwaterServer]:
    server = HeadwaterServer(data_dir=tmp_path / "data")
    await server.start()
    yield server
    await server.discard()


async def test_is_ready_and_ends_in_order(server: HeadwaterServer):
    async with httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.get("/readyz")).status_code == 200
    # uvicorn raises the signal again once it has shut down in order.
    assert await server.stop() in {0, -signal.SIGTERM}
    assert not server.is_running


async def test_comes_back_at_the_same_address(server: HeadwaterServer):
    await server.restart()
    server.kill()
    assert not server.is_running
    await server.start()
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{server.url}/livez")).status_code == 200


async def test_settings_come_from_the_test_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HEADWATER_NO_SUCH_SETTING", "1")
    inherited = HeadwaterServer(data_dir=tmp_path / "inherited")
    await inherited.start()
    await inherited.discard()
    told = HeadwaterServer(data_dir=tmp_path / "told", environment={"HEADWATER_NO_SUCH_SETTING": "1"})
    with pytest.raises(ServerError) as refusal:
        await told.start()
    assert refusal.value.exit_code
    await told.discard()
