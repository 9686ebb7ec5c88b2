import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.ports import free_port
from tests.servers.process import ServerError, ServerProcess, temporary_folder

REPOSITORY = Path(__file__).resolve().parents[3]

_TEST_RUN_THAT_DIES = """
import asyncio, os, pathlib, signal, sys
from tests.servers.process import ServerProcess

async def is_ready():
    return True

async def main():
    process = ServerProcess(["sleep", "60"], folder=pathlib.Path(sys.argv[1]))
    await process.start(is_ready)
    print(process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def is_ready() -> bool:
    return True


async def is_never_ready() -> bool:
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
async def test_no_server_outlives_the_run(tmp_path: Path):
    run = subprocess.run(
        [sys.executable, "-c", _TEST_RUN_THAT_DIES, str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.returncode == -signal.SIGKILL, run.stderr
    for _ in range(200):
        try:
            state = Path(f"/proc/{int(run.stdout)}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        await asyncio.sleep(0.01)
    pytest.fail("still there two seconds after the run died")


async def test_killing_takes_the_children_along():
    process = ServerProcess(["sh", "-c", "setsid sleep 60 & echo $!; wait"], folder=temporary_folder("family"))

    async def has_a_child() -> bool:
        return process.log.endswith("\n")

    await process.start(has_a_child)
    child = int(process.log)
    process.kill()
    assert not process.is_running
    with contextlib.suppress(FileNotFoundError):
        assert Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


async def test_waits_no_longer_than_told():
    process = ServerProcess(["sleep", "60"], folder=temporary_folder("slow"))
    with pytest.raises(ServerError, match=r"not ready after 0\.1 s"):
        await process.start(is_never_ready, timeout_s=0.1)
    assert not process.is_running


async def test_one_that_does_not_stop_is_killed():
    process = ServerProcess(
        ["sh", "-c", "trap '' TERM; echo; while :; do sleep 0.1; done"], folder=temporary_folder("deaf")
    )

    async def has_set_its_trap() -> bool:
        return process.log != ""

    await process.start(has_set_its_trap)
    with pytest.raises(ServerError, match=r"still there after 0\.1 s"):
        await process.stop(timeout_s=0.1)
    assert not process.is_running


async def test_tells_the_exit_code():
    process = ServerProcess(["sh", "-c", "sleep 0.1; exit 3"], folder=temporary_folder("short"))
    await process.start(is_ready)
    assert await process.wait(timeout_s=5) == 3


async def test_has_a_group_of_its_own():
    process = ServerProcess(["sleep", "60"], folder=temporary_folder("group"))
    await process.start(is_ready)
    assert os.getpgid(process.pid) != os.getpgid(0)
    await process.end(signal.SIGTERM)


def test_ports_are_below_those_of_outgoing_connections():
    assert {20_000 <= free_port() < 32_000 for _ in range(50)} == {True}
