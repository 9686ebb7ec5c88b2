"""Where the running server is, and the key to it."""

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from api import defaults
from api.cli.errors import Stop
from api.cli.exit_codes import ExitCode
from api.loopback import is_loopback

URL_VARIABLE = "HEADWATER_URL"
KEY_VARIABLE = "HEADWATER_ADMIN_KEY"
DEFAULT_URL = f"http://{defaults.HOST}:{defaults.PORT}"
_PATH = "/graphql"
_PAGE = "/graphiql"  # what people copy from the browser


@dataclass(frozen=True)
class Address:
    """One server's GraphQL address, and the key to show there."""

    url: str
    key: str | None = field(repr=False)

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine: no proxy is asked then, and files lie where we see them."""
        return is_loopback(urlsplit(self.url).hostname or "")


def address(url: str | None) -> Address:
    """From `--url` or the environment. Raises `Stop` for what is no address of a server."""
    if url is not None:
        return Address(_checked(url, "--url", ExitCode.USAGE), _key())
    return Address(_checked(os.environ.get(URL_VARIABLE) or DEFAULT_URL, URL_VARIABLE, ExitCode.CONFIG), _key())


def graphql_url(url: str) -> str:
    """The address that GraphQL is served at: with `/graphql`, in place of GraphiQL's. Raises ValueError."""
    parts = urlsplit(url.strip())
    is_plain = parts.username is None and parts.password is None and not parts.query and not parts.fragment
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_plain or parts.port == 0:
        raise ValueError
    path = parts.path.rstrip("/").removesuffix(_PAGE)
    return parts._replace(path=path if path.endswith(_PATH) else path + _PATH).geturl()


def _checked(url: str, origin: str, code: ExitCode) -> str:
    try:
        return graphql_url(url)
    except ValueError:  # also urlsplit's own, for a port that is no number; the URL is not repeated: it may hold a key
        raise Stop(
            f"{origin} is no address of a server. Give one such as {DEFAULT_URL}, without user, password or query; "
            f"the key goes into {KEY_VARIABLE}.",
            code,
        ) from None


def _key() -> str | None:
    key = (os.environ.get(KEY_VARIABLE) or "").strip()
    if not key:
        return None
    if not key.isascii() or not key.isprintable() or " " in key:
        raise Stop(
            f"{KEY_VARIABLE} holds signs that no key has. Copy the key again, without blanks or line breaks.",
            ExitCode.CONFIG,
        )
    return key
