"""`headwater serve` with one task more: it writes how late the event loop is, one line (time, lag in ms) per sample.

python -m tests.benchmarks.measured_server LAG_FILE serve --port …
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from api import cli, serve
from api.bootstrap import Headwater, open_headwater
from api.settings import Settings

EVERY_S = 0.005


async def sample(file: Path) -> None:
    with file.open("w", buffering=1) as lines:
        while True:
            before_s = time.monotonic()
            await asyncio.sleep(EVERY_S)
            now_s = time.monotonic()
            lines.write(f"{now_s} {(now_s - before_s - EVERY_S) * 1_000}\n")


def main() -> None:
    file = Path(sys.argv.pop(1))

    @asynccontextmanager
    async def measured(settings: Settings, *, port: int) -> AsyncIterator[Headwater]:
        async with open_headwater(settings, port=port) as headwater:
            sampling = asyncio.create_task(sample(file))
            yield headwater
            sampling.cancel()

    serve.open_headwater = measured
    cli.main()


if __name__ == "__main__":
    main()
