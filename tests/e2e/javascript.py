"""Programs of tests/e2e/clients, run with Node.js."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from tests.servers.node import CLIENTS, NODE

_TIMEOUT_S = 30


async def told_by(program: str, *arguments: str, request: Any = None) -> list[Any]:
    """What it printed until its end, a JSON value a line."""
    async with running(program, *arguments, request=request) as process:
        output, complaints = await asyncio.wait_for(process.communicate(), _TIMEOUT_S)
    assert process.returncode == 0, complaints.decode()
    return [json.loads(line) for line in output.splitlines()]


@contextlib.asynccontextmanager
async def running(program: str, *arguments: str, request: Any = None) -> AsyncIterator[asyncio.subprocess.Process]:
    """The program while it runs; killed at the end. It reads `request` as JSON: keys do not belong into arguments."""
    process = await asyncio.create_subprocess_exec(
        NODE,
        program,
        *arguments,
        cwd=CLIENTS,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=16 * 1024 * 1024,
    )
    try:
        if request is not None:
            await tell(process, request)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def tell(process: asyncio.subprocess.Process, message: Any) -> None:
    """A JSON value, in a line of its standard input."""
    assert process.stdin is not None
    process.stdin.write(json.dumps(message).encode() + b"\n")
    await process.stdin.drain()


async def next_told(process: asyncio.subprocess.Process) -> Any:
    """The next JSON value that it prints; None at its end."""
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), _TIMEOUT_S)
    return json.loads(line) if line else None
