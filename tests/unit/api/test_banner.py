import json
import shutil
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from api import banner
from api.settings import Settings

KEY = "an-admin-key-of-some-length"
# Stands in for curl in the shell, and tells the arguments that everybody on the machine can read.
SPY = """
curl() { printf '%s\\n' "$@" >&2; command curl "$@"; }
"""


@pytest.fixture
def server() -> Iterator[tuple[int, list[tuple[str | None, dict]]]]:
    """A port, and key and body of each request that came to it."""
    asked: list[tuple[str | None, dict]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            asked.append((self.headers["authorization"], json.loads(body)))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield http.server_port, asked
        http.shutdown()
        thread.join()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("key", [None, KEY])
def test_what_it_says_can_be_pasted(key: str | None, server: tuple[int, list[tuple[str | None, dict]]]):
    port, asked = server
    text = banner.text(Settings(admin_key=key), port, Path("/tmp/a shop's.sqlite"))  # noqa: S108  # only a name
    commands = [line for line in text.splitlines() if "curl" in line]
    for command in commands:
        ran = subprocess.run(
            ["sh", "-c", SPY + command],
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HEADWATER_ADMIN_KEY": KEY},
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        assert KEY not in ran.stderr
    assert [each for each, _ in asked] == [None if key is None else f"Bearer {KEY}"] * 3
    assert KEY not in text
    assert asked[1][1]["variables"] == {"path": "/tmp/a shop's.sqlite"}  # noqa: S108


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000/graphql"),
        ("0.0.0.0", "http://127.0.0.1:8000/graphql"),  # noqa: S104
        ("::", "http://localhost:8000/graphql"),
        ("::1", "http://[::1]:8000/graphql"),
        ("headwater.example", "http://headwater.example:8000/graphql"),
    ],
)
def test_it_names_an_address_that_answers(host: str, said: str):
    assert f" {said} " in banner.text(Settings(host=host), 8000, None)
