"""From what is there and what was said to what shall be."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import UNSET

from domain.errors import InvalidInput
from domain.models.data_source import (
    Connection,
    ConnectionSummary,
    DataSource,
    DataSourceKind,
    DataSourceStatus,
    DiscoveryScope,
    Pool,
    SourceEnvironment,
    TlsMode,
)
from domain.models.registration import ConnectionInput, DataSourcePatch, PoolInput
from domain.rules import register

NOW = datetime(2026, 1, 2, tzinfo=UTC)
CONNECTION = Connection(DataSourceKind.POSTGRESQL, {"host": "a", "port": 1, "tls": {"mode": "REQUIRED", "ca_pem": "x"}})


def source(**values: Any) -> DataSource:
    return DataSource(id="src_1", name="shop", connection=CONNECTION, created_at=NOW, updated_at=NOW, **values)


class Spec:
    """A kind of system that takes every setting."""

    kind = DataSourceKind.POSTGRESQL
    secret_fields = ("password",)
    capabilities = ()

    def parse(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        return {"port": 5432, **settings}

    def summary(self, settings: Mapping[str, Any]) -> ConnectionSummary:
        return ConnectionSummary(str(settings["host"]), None, None, TlsMode.DISABLED)

    def audience(self, settings: Mapping[str, Any]) -> tuple[Any, ...]:
        return (settings["host"], settings["port"])


def patched(before: DataSource, **said: Any) -> DataSource:
    return register.apply_patch(before, DataSourcePatch(**said), before.connection)


@pytest.mark.parametrize("name", ["", " a", "a ", "a\n", "a\x00b", "x" * 256, "\ud800"])
def test_names_that_cannot_be_kept(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        register.check_name(name)
    assert refused.value.problem.path == ("name",)


@pytest.mark.parametrize("name", ["a", 'with "quotes" and. dots', "Ünïcødé 日本", "x" * 255])
def test_names_that_can(name: str) -> None:
    assert register.check_name(name) == name


def test_what_was_not_said_stays_and_none_clears() -> None:
    before = source(owner="ann", environment=SourceEnvironment.PRODUCTION, tags=("a",))
    assert patched(before) == before
    after = patched(before, owner=None, environment=None, tags=None)
    assert (after.owner, after.environment, after.tags) == (None, SourceEnvironment.DEVELOPMENT, ())


def test_nested_settings_merge() -> None:
    said = ConnectionInput(DataSourceKind.POSTGRESQL, {"port": None, "tls": {"mode": "DISABLED"}})
    merged = register.merge_connection(Spec(), CONNECTION, said)
    assert merged.settings == {"host": "a", "port": 5432, "tls": {"mode": "DISABLED", "ca_pem": "x"}}


def test_another_kind_of_system_replaces_all() -> None:
    said = ConnectionInput(DataSourceKind.SQLITE, {"path": "/x"})
    assert register.merge_connection(Spec(), CONNECTION, said).settings == {"port": 5432, "path": "/x"}


def test_a_secret_is_needed_again_for_another_audience_only() -> None:
    other_host = Connection(DataSourceKind.POSTGRESQL, {**CONNECTION.settings, "host": "b"})
    other_option = Connection(DataSourceKind.POSTGRESQL, {**CONNECTION.settings, "application": "x"})
    assert register.needs_secret_again(Spec(), CONNECTION, other_host)
    assert not register.needs_secret_again(Spec(), CONNECTION, other_option)


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ({"status": DataSourceStatus.UNREACHABLE}, ("status",)),
        ({"pool": PoolInput(size=0)}, ("pool", "size")),
        ({"pool": PoolInput(timeout_s=float("nan"))}, ("pool", "timeoutSeconds")),
        ({"tags": ("",)}, ("tags",)),
        ({"tags": tuple(map(str, range(101)))}, ("tags",)),
        ({"description": "x" * 10_001}, ("description",)),
        ({"owner": "\ud800"}, ("owner",)),
        ({"properties": {"a": "x" * 70_000}}, ("properties",)),
        ({"scope": DiscoveryScope(include=("",))}, ("scope",)),
        ({"scope": DiscoveryScope(max_tables=0)}, ("scope", "maxTables")),
    ],
)
def test_what_is_refused(said: dict[str, Any], path: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput) as refused:
        patched(source(), **said)
    assert refused.value.problem.path == path


def test_pool_settings_merge_one_by_one() -> None:
    before = source(pool=Pool(size=7, max_overflow=3))
    assert patched(before, pool=PoolInput(size=9, max_overflow=UNSET)).pool == Pool(size=9, max_overflow=3)
    assert patched(before, pool=PoolInput(size=None)).pool == Pool(size=5, max_overflow=3)
    assert patched(before, pool=None).pool == Pool()


def test_switching_off_and_on() -> None:
    off = patched(source(status=DataSourceStatus.ACTIVE), status=DataSourceStatus.DISABLED)
    assert off.status is DataSourceStatus.DISABLED
    assert patched(off, status=DataSourceStatus.ACTIVE).status is DataSourceStatus.REGISTERED
    degraded = source(status=DataSourceStatus.DEGRADED)
    assert patched(degraded, status=DataSourceStatus.ACTIVE).status is DataSourceStatus.DEGRADED
