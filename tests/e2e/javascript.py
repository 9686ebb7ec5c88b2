"""Programs of tests/e2e/clients, run with Node.js."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from tests.servers.node import CLIENTS, NODE

_TIMEOUT_S = 30


async def told_by(program: str, *arguments: str) -> list[Any]:
    """What it printed until its end, a JSON value a line."""
    async with running(program, *arguments) as process:
        output, complaints = await asyncio.wait_for(process.communicate(), _TIMEOUT_S)
    assert process.returncode == 0, complaints.decode()
    return [json.loads(line) for line in output.splitlines()]


@contextlib.asynccontextmanager
async def running(program: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The program while it runs; killed at the end."""
    process = await asyncio.create_subprocess_exec(
        NODE,
        program,
        *arguments,
        cwd=CLIENTS,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def next_told(process: asyncio.subprocess.Process) -> Any:
    """The next JSON value that it prints; None at its end."""
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), _TIMEOUT_S)
    return json.loads(line) if line else None
