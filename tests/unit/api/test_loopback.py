import pytest

from api.loopback import is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1", "[::1]", "::ffff:127.0.0.1"])
def test_this_machine_has_many_spellings(host: str):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "localhost.example", "10.0.0.9", "0.0.0.0", "::", "::ffff:10.0.0.9"])  # noqa: S104
def test_everything_else_is_elsewhere_whatever_it_resolves_to(host: str):
    assert not is_loopback(host)
