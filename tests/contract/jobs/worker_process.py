"""A worker as a process of its own: writes a line per event to a file. Arguments: URL, name, file, seconds of work."""

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path

from persistence.jobs import DocketJobs


async def main(url: str, name: str, file: str, work_s: float) -> None:
    def tell(what: str) -> None:
        with Path(file).open("a") as lines:
            lines.write(f"{what} {os.getpid()}\n")

    async def handle(operation_id: str) -> None:
        tell(f"start {operation_id}")
        await asyncio.sleep(work_s)
        tell(f"end {operation_id}")

    async def tick() -> None:
        tell("tick")

    async with (
        DocketJobs(url, name=name, redelivery=timedelta(seconds=1)) as jobs,
        jobs.run_workers(handle, {"every_half_second": (0.5, tick)}),
    ):
        tell("ready")
        await asyncio.Event().wait()


asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))
