"""Settings of a SQLite source."""

from typing import Any

import pytest

from connectors.sqlite.spec import SqliteSpec
from domain.errors import InvalidInput
from domain.models.data_source import TlsMode

SPEC = SqliteSpec()


def test_the_path_is_all():
    parsed = SPEC.parse({"path": "/data/shop #1?.db"})
    assert parsed == {"path": "/data/shop #1?.db"}
    summary = SPEC.summary(parsed)
    assert (summary.endpoint, summary.database, summary.username) == ("/data/shop #1?.db", None, None)
    assert summary.tls is TlsMode.DISABLED
    assert SPEC.secret_fields == ()


@pytest.mark.parametrize(
    ("settings", "path", "constraint"),
    [
        ({}, "path", "required"),
        ({"path": 7}, "path", "type"),
        ({"path": "/a", "mode": "rw"}, "mode", "unknown"),
        ({"path": "file:/a?mode=rwc"}, "path", "pattern"),
        ({"path": ":memory:"}, "path", "pattern"),
        ({"path": ""}, "path", "absolute"),
        ({"path": "shop.db"}, "path", "absolute"),
        ({"path": "~/shop.db"}, "path", "absolute"),
        ({"path": "../shop.db"}, "path", "absolute"),
        ({"path": "/a\0b"}, "path", "pattern"),
        ({"path": "/\ud800"}, "path", "pattern"),
        ({"path": "/" + "x" * 5_000}, "path", "maxLength"),
    ],
)
def test_what_is_refused(settings: dict[str, Any], path: str, constraint: str):
    with pytest.raises(InvalidInput) as caught:
        SPEC.parse(settings)
    assert caught.value.problem.path == (path,)
    assert caught.value.problem.constraint == constraint
