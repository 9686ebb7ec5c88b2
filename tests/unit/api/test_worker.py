import pytest

from api.settings import Settings
from api.worker import work
from domain.errors import StartRefused

POSTGRESQL, SQLITE = "postgresql+asyncpg://u@127.0.0.1:1/x", "sqlite+aiosqlite:////nonexistent/x"
REDIS = "redis://127.0.0.1:1"


@pytest.mark.parametrize(
    ("database_url", "redis_url", "named"),
    [
        (None, REDIS, "set HEADWATER_DATABASE_URL."),
        (POSTGRESQL, None, "set HEADWATER_REDIS_URL."),
        (None, None, "set HEADWATER_DATABASE_URL and HEADWATER_REDIS_URL."),
        (SQLITE, REDIS, "PostgreSQL store"),
    ],
)
def test_what_it_must_share_with_servers_is_named(database_url: str | None, redis_url: str | None, named: str):
    with pytest.raises(StartRefused, match=named):
        work(Settings(database_url=database_url, redis_url=redis_url))
