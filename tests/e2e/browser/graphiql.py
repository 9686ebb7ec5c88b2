"""GraphiQL as a person uses it: by keys and clicks, reading what is on the screen."""

import re
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from playwright.async_api import ConsoleMessage, Error, Locator, Page, Request, WebSocket, expect

PATIENCE_MS = 30_000  # a machine with two busy cores opens Monaco in a few seconds


class Graphiql:
    """One page. It notes what its browser asked of which host, and what the browser complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.sockets: list[WebSocket] = []
        self._asked: set[str] = set()
        page.set_default_timeout(PATIENCE_MS)
        page.on("request", self._note_request)
        page.on("websocket", self._note_socket)
        page.on("console", self._note_console)
        page.on("pageerror", self._note_error)

    @property
    def hosts(self) -> set[str]:
        """Every host that was asked for anything, by HTTP or socket."""
        return {urlsplit(url).netloc for url in self._asked if urlsplit(url).scheme not in {"data", "blob"}}

    async def open(self, server_url: str) -> None:
        """Returns once a person could type."""
        await self.page.goto(f"{server_url}/graphiql")
        await self.page.locator(".graphiql-query-editor .view-line").first.wait_for()

    async def choose_tab(self, name: str) -> None:
        await self.page.get_by_role("tab", name=name).click()
        await expect(self.page.locator(".graphiql-query-editor .view-lines")).to_contain_text(name)

    async def run(self) -> None:
        """By keyboard, from within the query. Stops a subscription that runs."""
        await self._focus(".graphiql-query-editor")
        await self.page.keyboard.press("Control+Enter")

    async def write_query(self, text: str) -> None:
        """Replaces the query by what the keys write; an editor that closes brackets by itself would double them."""
        await self._focus(".graphiql-query-editor")
        await self.page.keyboard.press("Control+A")
        await self.page.keyboard.insert_text(text)

    async def write_headers(self, text: str) -> None:
        await self.page.get_by_role("button", name="Headers", exact=True).click()
        await self._focus(".graphiql-editor-tool .graphiql-editor:not(.hidden)")
        await self.page.keyboard.press("Control+A")
        await self.page.keyboard.insert_text(text)

    @property
    def answer(self) -> Locator:
        """The lines of the answer that are in view."""
        return self.page.locator(".graphiql-response .view-lines")

    @property
    def notice(self) -> Locator:
        """What the page says about its server."""
        return self.page.locator(".notice")

    async def wait_for_answer(self, pattern: str) -> str:
        """The answer, once it has `pattern` in view."""
        # Monaco writes no-break spaces.
        await expect(self.answer).to_contain_text(re.compile(pattern.replace(" ", r"\s")), timeout=PATIENCE_MS)
        return await self.read_answer()

    async def read_answer(self) -> str:
        return (await self.answer.inner_text()).replace("\xa0", " ")

    async def _focus(self, editor: str) -> None:
        await self.page.locator(f"{editor} .view-lines").first.click()

    def _note_request(self, request: Request) -> None:
        self._asked.add(request.url)

    def _note_socket(self, socket: WebSocket) -> None:
        self.sockets.append(socket)
        self._asked.add(socket.url)

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text}")

    def _note_error(self, error: Error) -> None:
        self.complaints.append(f"uncaught: {error}")


NewPage = Callable[..., Awaitable[Graphiql]]
