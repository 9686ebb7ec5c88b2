"""Absent, null and given are three different things."""

import pytest
import strawberry
from msgspec import UNSET

from api.graphql.inputs.connection import ConnectionInput, PostgresqlInput, SqliteInput, TlsInput, connection
from api.graphql.inputs.data_source import DataSourceInput, DataSourcePatch, PoolInput, data_source_input, patch
from api.graphql.inputs.event import EventFilter, event_filter
from api.graphql.inputs.scope import ScopeInput
from api.graphql.inputs.secret import SecretInput, SecretReferenceInput, secret
from domain.errors import InvalidInput
from domain.models.data_source import DataSourceKind, DiscoveryScope, PoolMode, TlsMode
from domain.models.event import EventType
from domain.models.registration import DataSourcePatch as Patch
from domain.models.registration import PoolInput as Pool
from domain.models.secret import SecretLiteral, SecretReference


def test_a_patch_that_says_nothing():
    assert patch(DataSourcePatch()) == Patch()


def test_a_patch_that_clears():
    said = patch(DataSourcePatch(owner=None, tags=None, pool=None, scope=None, environment=None))
    assert said == Patch(owner=None, tags=None, pool=None, scope=None, environment=None)


def test_a_patch_that_says_something():
    said = patch(
        DataSourcePatch(
            name="n",
            tags=["a"],
            pool=PoolInput(mode=PoolMode.PGBOUNCER, size=None, timeout_seconds=2.5),
            scope=ScopeInput(include=["x.*"]),
        )
    )
    assert said.name == "n"
    assert said.tags == ("a",)
    assert said.pool == Pool(mode=PoolMode.PGBOUNCER, size=None, timeout_s=2.5)
    assert said.scope == DiscoveryScope(include=("x.*",))
    assert said.owner is UNSET


@pytest.mark.parametrize("name", ["name", "status", "connection"])
def test_what_cannot_be_cleared(name: str):
    with pytest.raises(InvalidInput) as refused:
        patch(DataSourcePatch(**{name: None}))
    assert refused.value.problem.path == (name,)


def test_a_registration():
    said = data_source_input(
        DataSourceInput(name="n", expected_version=3, connection=ConnectionInput(sqlite=SqliteInput(path="/x")))
    )
    assert (said.name, said.expected_version) == ("n", 3)
    assert said.patch.connection is not UNSET
    assert (said.patch.connection.kind, said.patch.connection.settings) == (DataSourceKind.SQLITE, {"path": "/x"})


def test_settings_and_secrets_of_a_connection_are_kept_apart():
    said = connection(
        ConnectionInput(
            postgresql=PostgresqlInput(
                host="h",
                database="d",
                user="u",
                port=None,
                password=SecretInput(literal="s3cret"),
                tls=TlsInput(mode=TlsMode.VERIFY_FULL, ca_pem=None, client_key=None),
            )
        )
    )
    assert said.kind is DataSourceKind.POSTGRESQL
    assert said.settings == {
        "host": "h",
        "database": "d",
        "user": "u",
        "port": None,
        "tls": {"mode": "VERIFY_FULL", "ca_pem": None},
    }
    assert said.secrets == {"password": SecretLiteral("s3cret"), "tls_client_key": None}
    assert "s3cret" not in repr(said)


def test_tls_can_be_cleared_whole():
    said = connection(ConnectionInput(postgresql=PostgresqlInput(host="h", database="d", user="u", tls=None)))
    assert said.settings["tls"] is None
    assert said.secrets == {}


def test_a_secret_elsewhere():
    assert secret(
        SecretInput(reference=SecretReferenceInput(store="env", locator="HEADWATER_SECRET_A"))
    ) == SecretReference("env", "HEADWATER_SECRET_A")
    assert secret(SecretInput(literal="")) == SecretLiteral("")


def test_an_event_filter():
    assert event_filter(strawberry.UNSET).data_sources is None
    said = event_filter(EventFilter(data_sources=[strawberry.ID("src_1@4")], under='a."b.c"', types=[EventType.HEALTH]))
    assert said.data_sources == frozenset({"src_1"})
    assert said.under == ("a", "b.c")
    assert said.types == frozenset({EventType.HEALTH})
    assert event_filter(EventFilter(data_sources=[])).data_sources == frozenset()
