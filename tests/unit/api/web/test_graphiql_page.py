import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.middleware import Middleware

from api.web import graphiql_page
from api.web.middleware import SecurityHeaders

INDEX = "<!doctype html><title>Headwater</title>"
SCRIPT = "export const answer = 42;\n"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """What a build leaves: a page, and a script with its compressed forms."""
    assets = tmp_path / "dist" / "assets"
    assets.mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("not for the web")
    (tmp_path / "dist" / "index.html").write_text(INDEX)
    (assets / "index-C0ffee.js").write_text(SCRIPT)
    (assets / "index-C0ffee.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    (assets / "index-C0ffee.js.br").write_bytes(b"as brotli")
    (assets / "icon-C0ffee.svg").write_text("<svg/>")
    return tmp_path / "dist"


@pytest_asyncio.fixture
async def http(built: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client(built) as http:
        yield http


def client(built: Path) -> httpx.AsyncClient:
    app = Starlette(routes=graphiql_page.routes(built), middleware=[Middleware(SecurityHeaders)])
    app.router.redirect_slashes = False
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://headwater.test", headers={"accept-encoding": "identity"}
    )


@pytest.mark.parametrize("path", ["/graphiql", "/graphiql/"])
async def test_the_page_is_asked_for_again_each_time(http: httpx.AsyncClient, path: str):
    answer = await http.get(path)
    assert (answer.status_code, answer.text) == (200, INDEX)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_page_runs_scripts_of_its_own_origin_only(http: httpx.AsyncClient):
    policy = dict(
        each.strip().split(" ", 1)
        for each in (await http.get("/graphiql")).headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == policy["worker-src"] == policy["connect-src"] == "'self'"


async def test_assets_are_kept_for_good(http: httpx.AsyncClient):
    answer = await http.get("/graphiql/assets/index-C0ffee.js")
    assert (answer.status_code, answer.text) == (200, SCRIPT)
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (await http.get("/graphiql/assets/icon-C0ffee.svg")).headers["content-type"] == "image/svg+xml"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br", "br"),
        ("GZIP;q=0.5", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br; q=0.0", None),
        ("zstd", None),
        ("*", None),
        ("", None),
    ],
)
async def test_what_is_sent_is_what_the_client_unpacks(http: httpx.AsyncClient, accepted: str, encoding: str | None):
    request = http.build_request("GET", "/graphiql/assets/index-C0ffee.js", headers={"accept-encoding": accepted})
    answer = await http.send(request, stream=True)
    assert answer.headers.get("content-encoding") == encoding
    assert answer.headers["vary"] == "Accept-Encoding"
    await answer.aclose()


async def test_what_has_no_compressed_form_is_sent_as_it_is(http: httpx.AsyncClient):
    answer = await http.get("/graphiql/assets/icon-C0ffee.svg", headers={"accept-encoding": "br, gzip"})
    assert "content-encoding" not in answer.headers
    assert answer.text == "<svg/>"


async def test_what_the_client_has_is_not_sent_again(http: httpx.AsyncClient):
    tag = (await http.get("/graphiql")).headers["etag"]
    answer = await http.get("/graphiql", headers={"if-none-match": f'"another", W/{tag}'})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == tag
    other = await http.get("/graphiql/assets/index-C0ffee.js", headers={"if-none-match": tag})
    assert other.status_code == 200


async def test_each_encoding_has_its_own_tag(http: httpx.AsyncClient):
    path = "/graphiql/assets/index-C0ffee.js"
    tags = {(await http.head(path, headers={"accept-encoding": each})).headers["etag"] for each in ("", "gzip", "br")}
    assert len(tags) == 3


@pytest.mark.parametrize("path", ["/graphiql", "/graphiql/assets/index-C0ffee.js"])
async def test_head_says_what_get_says(http: httpx.AsyncClient, path: str):
    head, get = await http.head(path), await http.get(path)
    assert head.status_code == 200
    assert head.headers == get.headers


@pytest.mark.parametrize(
    "path",
    [
        "/graphiql/assets/missing.js",
        "/graphiql/assets/",
        "/graphiql/assets",
        "/graphiql/assets/index.html",
        "/graphiql/assets/..%2findex.html",
        "/graphiql/assets/..%2f..%2fsecret.txt",
        "/graphiql/assets/%2e%2e/index.html",
        "/graphiql/%2e%2e/%2e%2e/secret.txt",
        "/graphiql/assets/..%5c..%5csecret.txt",
        "/graphiql/assets/index-C0ffee.js.br",
        "/graphiql/assets/index-C0ffee.js%00",
        "/graphiql//",
        "/graphiql/index.html",
        "/graphiql/package.json",
    ],
)
async def test_only_what_was_built_is_there(http: httpx.AsyncClient, path: str):
    assert (await http.get(path)).status_code == 404


async def test_nothing_can_be_sent_to_it(http: httpx.AsyncClient):
    assert (await http.post("/graphiql")).status_code == 405


async def test_the_root_leads_to_the_page_of_whatever_host(http: httpx.AsyncClient):
    answer = await http.get("/", headers={"host": "evil.test"})
    assert (answer.status_code, answer.headers["location"]) == (307, "/graphiql")


async def test_without_a_build_it_says_what_to_run(tmp_path: Path):
    async with client(tmp_path / "dist") as http:
        answer = await http.get("/graphiql")
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert "make run" in answer.text
        assert (await http.get("/graphiql/assets/index-C0ffee.js")).status_code == 404
