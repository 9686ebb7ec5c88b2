"""A real Chromium without a window, in which nothing but this machine can be reached."""

import os
import shutil
from pathlib import Path

from playwright.async_api import Browser, Playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_ELSEWHERE = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
_FLAGS = (
    # A name that is asked for is an error at once, in a network or without one.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


def find_binary() -> Path | None:
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    candidates = (found, *_ELSEWHERE) if found else _ELSEWHERE
    return next((Path(each) for each in candidates if Path(each).exists()), None)


async def launch(playwright: Playwright) -> Browser:
    """The browser; the caller closes it."""
    binary = find_binary()
    if binary is None:
        raise RuntimeError("Chromium is not installed: run tests/servers/setup")
    # Its sandbox refuses to be root's.
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return await playwright.chromium.launch(
        executable_path=binary, args=_FLAGS, chromium_sandbox=not is_root, timeout=60_000
    )
