import pytest

from api.cli.address import Address, address, graphql_url
from api.cli.errors import Stop
from api.cli.exit_codes import ExitCode


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/graphql"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/graphql"),
        ("http://127.0.0.1:8000/graphql", "http://127.0.0.1:8000/graphql"),
        ("http://127.0.0.1:8000/graphiql", "http://127.0.0.1:8000/graphql"),
        ("https://example.org/headwater/", "https://example.org/headwater/graphql"),
        ("  http://[::1]:8000/graphql/ ", "http://[::1]:8000/graphql"),
    ],
)
def test_graphql_is_found_below_it(given: str, url: str):
    assert graphql_url(given) == url


@pytest.mark.parametrize(
    "given",
    [
        "",
        "localhost:8000",
        "ftp://x",
        "http://",
        "http://u:p@x",
        "http://x?key=1",
        "http://x#y",
        "http://x:0",
        "http://[",
        "http://x:99999",
    ],
)
def test_what_is_no_address_of_a_server(given: str):
    with pytest.raises(ValueError):  # noqa: PT011  # the sentence is made by whoever knows where it came from
        graphql_url(given)


def test_the_option_goes_before_the_variable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HEADWATER_ADMIN_KEY", raising=False)
    monkeypatch.delenv("HEADWATER_URL", raising=False)
    assert address(None) == Address("http://127.0.0.1:8000/graphql", None)
    monkeypatch.setenv("HEADWATER_URL", "http://a:1")
    monkeypatch.setenv("HEADWATER_ADMIN_KEY", " key \n")
    assert address(None) == Address("http://a:1/graphql", "key")
    assert address("http://b:2").url == "http://b:2/graphql"


def test_whose_fault_it_is_decides_the_exit_code(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HEADWATER_URL", "http://u:secret@a")
    with pytest.raises(Stop) as stop:
        address(None)
    assert stop.value.code is ExitCode.CONFIG
    assert "secret" not in stop.value.message
    with pytest.raises(Stop) as stop:
        address("x")
    assert stop.value.code is ExitCode.USAGE


def test_a_local_server_is_on_loopback():
    assert Address("http://localhost:8000/graphql", None).is_local
    assert Address("http://[::1]:8000/graphql", None).is_local
    assert not Address("http://example.org/graphql", None).is_local


def test_the_key_is_not_shown():
    assert "secret" not in repr(Address("http://a/graphql", "secret"))
