"""A browser for the tests of the pages. HEADWATER_SCREENSHOTS=folder keeps their pictures."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.e2e.browser.graphiql import Graphiql, NewPage
from tests.servers import chromium

PAGE = Path(__file__).resolve().parents[3] / "api" / "web" / "graphiql" / "dist" / "index.html"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A browser that all tests share."""
    if chromium.find_binary() is None:
        _missing("Chromium is not installed: run tests/servers/setup")
    if not PAGE.exists():
        _missing("GraphiQL is not built: run make test, or npm ci && npm run build in api/web/graphiql")
    async with async_playwright() as playwright:
        browser = await chromium.launch(playwright)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def new_page(browser: Browser) -> AsyncIterator[NewPage]:
    """Makes pages that remember nothing of each other; keyword arguments are those of a Playwright context."""
    contexts = []

    async def make(**options: Any) -> Graphiql:
        context = await browser.new_context(viewport={"width": 1280, "height": 800}, **options)
        contexts.append(context)
        return Graphiql(await context.new_page())

    yield make
    for context in contexts:
        await context.close()


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Where pictures go."""
    folder = Path(os.environ.get("HEADWATER_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _missing(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
