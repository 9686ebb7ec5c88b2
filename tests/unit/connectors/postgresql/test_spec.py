"""PostgreSQL settings: what is taken, what is refused and where the refusal points."""

from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from connectors.postgresql.spec import PostgresqlSpec
from domain.errors import InvalidInput
from domain.models.data_source import TlsMode
from domain.ports.connector import ConnectorSpec

SPEC: ConnectorSpec = PostgresqlSpec()
LEAST: dict[str, Any] = {"host": "db.example", "database": "shop", "user": "reader"}
CA_PEM = trustme.CA().cert_pem.bytes().decode()


def test_defaults_are_filled_in() -> None:
    assert SPEC.parse(LEAST) == {
        "host": "db.example",
        "port": 5432,
        "database": "shop",
        "user": "reader",
        "replicas": [],
        "statement_timeout_ms": 30_000,
        "tls": {"mode": "REQUIRED", "ca_pem": None, "client_certificate_pem": None},
    }


@pytest.mark.parametrize(
    ("settings", "mode"),
    [
        ({}, TlsMode.REQUIRED),
        ({"host": "localhost"}, TlsMode.DISABLED),
        ({"host": "LOCALHOST."}, TlsMode.DISABLED),
        ({"host": "127.0.0.2"}, TlsMode.DISABLED),
        ({"host": "::1"}, TlsMode.DISABLED),
        ({"host": "10.0.0.1"}, TlsMode.REQUIRED),
        ({"host": "localhost.example"}, TlsMode.REQUIRED),
        ({"tls": {"ca_pem": CA_PEM}}, TlsMode.VERIFY_FULL),
        ({"host": "localhost", "tls": {"mode": "VERIFY_CA"}}, TlsMode.VERIFY_CA),
        ({"tls": {"mode": "DISABLED"}}, TlsMode.DISABLED),
        ({"tls": {"mode": None}}, TlsMode.REQUIRED),
    ],
)
def test_the_mode_that_holds(settings: dict[str, Any], mode: TlsMode) -> None:
    assert SPEC.parse(LEAST | settings)["tls"]["mode"] == mode


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"hots": "x"}, ("hots",)),
        ({"dsn": "postgresql://db"}, ("dsn",)),
        ({"password": "x"}, ("password",)),
        ({"port": 0}, ("port",)),
        ({"port": 70_000}, ("port",)),
        ({"port": -1}, ("port",)),
        ({"port": "5432"}, ("port",)),
        ({"port": True}, ("port",)),
        ({"port": 10**30}, ("port",)),
        ({"host": ""}, ("host",)),
        ({"host": None}, ("host",)),
        ({"host": "/run/postgresql"}, ("host",)),
        ({"host": "@abstract"}, ("host",)),
        ({"host": "postgresql://db/shop"}, ("host",)),
        ({"host": "host=db dbname=shop"}, ("host",)),
        ({"host": "a,b"}, ("host",)),
        ({"host": "db:5432"}, ("host",)),
        ({"host": "[::1]"}, ("host",)),
        ({"host": "fe80::1%eth0"}, ("host",)),
        ({"host": "a b"}, ("host",)),
        ({"host": "a\0b"}, ("host",)),
        ({"host": "x" * 254}, ("host",)),
        ({"host": "x" * 1_000_000}, ("host",)),
        ({"database": ""}, ("database",)),
        ({"database": "a\0options\0-c x=y"}, ("database",)),
        ({"database": "é" * 32}, ("database",)),
        ({"database": "\ud800"}, ("database",)),
        ({"user": "x" * 256}, ("user",)),
        ({"user": "a\nb"}, ("user",)),
        ({"replicas": "db2"}, ("replicas",)),
        ({"replicas": ["db2", "/tmp"]}, ("replicas", "1")),  # noqa: S108
        ({"replicas": ["db2:70000"]}, ("replicas", "0")),
        ({"replicas": ["db2"] * 17}, ("replicas",)),
        ({"replicas": [1]}, ("replicas", "0")),
        ({"statement_timeout_ms": 1}, ("statement_timeout_ms",)),
        ({"tls": {"mode": "PREFER"}}, ("tls", "mode")),
        ({"tls": {"verify": False}}, ("tls", "verify")),
        ({"tls": {"ca_pem": "no"}}, ("tls", "ca_pem")),
        ({"tls": {"ca_pem": "x" * 65_537}}, ("tls", "ca_pem")),
        ({"tls": {"mode": "REQUIRED", "ca_pem": CA_PEM}}, ("tls", "ca_pem")),
        ({"tls": {"client_certificate_pem": "/etc/cert.pem"}}, ("tls", "client_certificate_pem")),
        ({"tls": {"mode": "DISABLED", "client_certificate_pem": CA_PEM}}, ("tls", "client_certificate_pem")),
        ({"tls": 1}, ("tls",)),
    ],
)
def test_refusals_point_at_the_field(settings: dict[str, Any], path: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput) as refused:
        SPEC.parse(LEAST | settings)
    assert refused.value.problem.path == path
    assert len(refused.value.problem.message) < 200


@pytest.mark.parametrize("field", ["host", "database", "user"])
def test_what_is_needed(field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        SPEC.parse({name: value for name, value in LEAST.items() if name != field})
    assert (refused.value.problem.path, refused.value.problem.constraint) == ((field,), "required")


def test_awkward_but_good_values_are_taken() -> None:
    good = {"host": "datenbank.münchen.example", "database": 'a"b=c d', "user": "o'hara@server", "port": 65_535}
    assert SPEC.parse(LEAST | good).items() >= good.items()
    replicas = ["db2", "db3:5433", "::1", "[::1]:5432", "10.0.0.2"]
    assert SPEC.parse(LEAST | {"replicas": replicas})["replicas"] == replicas


@given(st.dictionaries(st.sampled_from(["host", "port", "database", "user", "tls", "x"]), st.integers() | st.text()))
def test_anything_is_parsed_or_refused(settings: dict[str, Any]) -> None:
    try:
        parsed = SPEC.parse(LEAST | settings)
    except InvalidInput:
        return
    assert SPEC.parse(parsed) == parsed


def test_summary_shows_no_secret_and_no_certificate() -> None:
    summary = SPEC.summary(SPEC.parse(LEAST | {"tls": {"ca_pem": CA_PEM}, "host": "::1"}))
    assert (summary.endpoint, summary.database, summary.username) == ("[::1]:5432", "shop", "reader")
    assert summary.tls is TlsMode.VERIFY_FULL
    assert "CERTIFICATE" not in repr(summary)


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        ({}, True),
        ({"database": "other"}, True),
        ({"statement_timeout_ms": 1_000}, True),
        ({"host": "DB.example"}, True),
        ({"host": "evil.example"}, False),
        ({"port": 5433}, False),
        ({"user": "writer"}, False),
        ({"tls": {"mode": "DISABLED"}}, False),
        ({"tls": {"ca_pem": CA_PEM}}, False),
        ({"replicas": ["evil.example"]}, False),
    ],
)
def test_to_whom_the_secret_would_be_shown(change: dict[str, Any], is_same: bool) -> None:
    before, after = SPEC.audience(SPEC.parse(LEAST)), SPEC.audience(SPEC.parse(LEAST | change))
    assert (before == after) is is_same


def test_every_no_has_its_reason() -> None:
    assert all(capability.reason for capability in SPEC.capabilities if not capability.available)
    assert len({capability.name for capability in SPEC.capabilities}) == len(SPEC.capabilities)
