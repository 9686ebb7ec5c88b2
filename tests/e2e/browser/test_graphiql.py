"""GraphiQL in a real browser: its tabs, its key, its subscriptions, and nothing that comes from elsewhere."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Route, expect

from tests.e2e.browser.graphiql import PATIENCE_MS, Graphiql, NewPage
from tests.e2e.conftest import ADMIN_KEY
from tests.servers.headwater import HeadwaterServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

_AT = re.compile(r'"at": "([^"]+)"')
_ASKS_FOR_KEY = re.compile("This server asks for its key")


@pytest_asyncio.fixture(loop_scope="session")
async def graphiql(new_page: NewPage, demo_server: HeadwaterServer) -> AsyncIterator[Graphiql]:
    """The page on the demo. Whatever a test does there: all comes from the server, and the browser never complains."""
    graphiql = await new_page()
    await graphiql.open(demo_server.url)
    yield graphiql
    assert graphiql.hosts == {f"127.0.0.1:{demo_server.port}"}
    assert graphiql.complaints == []


async def live_values(graphiql: Graphiql, count: int) -> set[str]:
    """The times of `count` different values, as they come."""
    times: set[str] = set()
    while len(times) < count:
        seen = "|".join(map(re.escape, times)) or "nothing yet"
        answer = await graphiql.wait_for_answer(rf'"at": "(?!(?:{seen})")[^"]+"')
        times.update(_AT.findall(answer))
    return times


class TestOnTheDemo:
    async def test_the_query_is_answered(self, graphiql: Graphiql, screenshots: Path):
        assert await graphiql.page.title() == "Headwater"
        await graphiql.run()
        answer = await graphiql.wait_for_answer('"nullable"')
        assert '"name": "demo_shop"' in answer
        await graphiql.page.screenshot(path=screenshots / "graphiql-query.png")

    async def test_the_mutation_tests_the_connection(self, graphiql: Graphiql, screenshots: Path):
        await graphiql.choose_tab("TestConnection")
        await graphiql.run()
        answer = await graphiql.wait_for_answer('"steps"')
        assert '"state": "SUCCEEDED"' in answer
        await graphiql.page.screenshot(path=screenshots / "graphiql-mutation.png")

    async def test_the_subscription_is_live_until_it_is_stopped(self, graphiql: Graphiql, screenshots: Path):
        await graphiql.choose_tab("Health")
        await graphiql.run()
        await live_values(graphiql, 3)
        await graphiql.page.screenshot(path=screenshots / "graphiql-subscription.png")
        (socket,) = graphiql.sockets
        async with socket.expect_event("close"):
            await graphiql.run()

    async def test_fields_are_suggested_and_explained(self, graphiql: Graphiql, screenshots: Path):
        await graphiql.page.get_by_role("button", name="Show Documentation Explorer").click()
        docs = graphiql.page.locator(".graphiql-doc-explorer")
        await docs.get_by_role("link", name="Query", exact=True).click()
        await expect(docs).to_contain_text("Sources, by name.")
        await graphiql.write_query("{ dataS")
        await graphiql.page.keyboard.press("Control+Space")
        suggestions = graphiql.page.locator(".suggest-widget.visible")
        await expect(suggestions).to_contain_text("dataSources")
        await graphiql.page.screenshot(path=screenshots / "graphiql-suggestions.png")

    async def test_it_follows_the_system_from_light_to_dark(self, graphiql: Graphiql, screenshots: Path):
        editor = graphiql.page.locator(".graphiql-query-editor .monaco-editor").first
        await graphiql.page.emulate_media(color_scheme="light")
        await expect(editor).to_have_class(re.compile(r"\bvs\b"))
        assert await _brightness(graphiql) > 0.8
        await graphiql.page.emulate_media(color_scheme="dark")
        await expect(editor).to_have_class(re.compile(r"\bvs-dark\b"))
        assert await _brightness(graphiql) < 0.3
        await graphiql.run()
        await graphiql.wait_for_answer('"nullable"')
        await graphiql.page.screenshot(path=screenshots / "graphiql-dark.png")


async def test_localhost_is_as_good_a_name(new_page: NewPage, demo_server: HeadwaterServer):
    graphiql = await new_page()
    await graphiql.open(f"http://localhost:{demo_server.port}")
    await graphiql.run()
    await graphiql.wait_for_answer('"name": "demo_shop"')
    await graphiql.choose_tab("Health")
    await graphiql.run()
    await graphiql.wait_for_answer('"status"')
    assert graphiql.complaints == []


async def test_the_key_is_asked_for_told_and_not_kept(
    new_page: NewPage, keyed_server: HeadwaterServer, screenshots: Path
):
    graphiql = await new_page()
    await graphiql.open(keyed_server.url)
    await graphiql.run()
    await graphiql.wait_for_answer("UNAUTHENTICATED")
    await expect(graphiql.notice).to_have_text(_ASKS_FOR_KEY)
    await graphiql.page.screenshot(path=screenshots / "graphiql-asks-for-key.png")

    await graphiql.write_headers(json.dumps({"Authorization": f"Bearer {ADMIN_KEY}"}))
    await graphiql.run()
    await graphiql.wait_for_answer('"name": "demo_shop"')
    await expect(graphiql.notice).to_be_empty()
    # The schema, which had been refused, is asked for again.
    await graphiql.page.get_by_role("button", name="Show Documentation Explorer").click()
    await expect(graphiql.page.locator(".graphiql-doc-explorer")).to_contain_text("query: Query")

    await graphiql.write_query("subscription Health { health { name status at } }")
    await graphiql.run()
    await graphiql.wait_for_answer('"status"')

    await graphiql.page.wait_for_timeout(1_000)  # GraphiQL keeps its state half a second after a change
    kept = await graphiql.page.evaluate("JSON.stringify({ ...localStorage })")
    assert "subscription Health" in kept
    assert ADMIN_KEY not in kept


async def test_a_subscription_without_the_key_says_so(new_page: NewPage, keyed_server: HeadwaterServer):
    graphiql = await new_page()
    await graphiql.open(keyed_server.url)
    await graphiql.choose_tab("Health")
    await graphiql.run()
    await graphiql.wait_for_answer("4403")
    await expect(graphiql.notice).to_have_text(_ASKS_FOR_KEY)
    assert len(graphiql.sockets) == 1  # a key that is wrong is not shown again and again


async def test_a_subscription_is_back_after_the_server_was_gone(
    new_page: NewPage, server: HeadwaterServer, screenshots: Path
):
    graphiql = await new_page()
    await graphiql.open(server.url)
    await graphiql.write_query("subscription Beat { events(heartbeatSeconds: 1) { cursor } }")
    await graphiql.run()
    await graphiql.wait_for_answer('"cursor"')
    await server.stop()
    await expect(graphiql.notice).to_have_text(re.compile("No connection since .* Trying again"))
    await graphiql.page.screenshot(path=screenshots / "graphiql-lost.png")
    await server.start()
    await expect(graphiql.notice).to_have_text(re.compile("Connected again"), timeout=PATIENCE_MS)
    await graphiql.page.screenshot(path=screenshots / "graphiql-back.png")
    async with graphiql.sockets[-1].expect_event("framereceived", predicate=lambda frame: '"next"' in frame):
        pass  # the next heartbeat


async def test_a_server_that_tells_no_schema_still_answers(new_page: NewPage, demo_server: HeadwaterServer):
    async def refuse_introspection(route: Route) -> None:
        if "IntrospectionQuery" in (route.request.post_data or ""):
            await route.fulfill(json={"errors": [{"message": "Introspection is off."}]})
        else:
            await route.continue_()

    graphiql = await new_page()
    await graphiql.page.route("**/graphql", refuse_introspection)
    await graphiql.open(demo_server.url)
    await graphiql.run()
    await graphiql.wait_for_answer('"name": "demo_shop"')
    assert graphiql.complaints == []


async def _brightness(graphiql: Graphiql) -> float:
    """Of the page's background: 0 is black, 1 is white."""
    colour = await graphiql.page.locator(".graphiql-container").evaluate(
        "element => getComputedStyle(element).backgroundColor"
    )
    red, green, blue = (int(each) for each in re.findall(r"\d+", colour)[:3])
    return (red + green + blue) / 3 / 255
