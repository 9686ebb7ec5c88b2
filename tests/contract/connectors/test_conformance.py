"""That specs and connectors are what the port says, without any system."""

import inspect
import typing
from collections.abc import Callable
from typing import Any

import pytest

from connectors.registry import ConnectorRegistry
from domain.errors import InvalidInput
from domain.models.data_source import DataSourceKind
from domain.ports import connector as port
from domain.ports.connector import Connector, Connectors, ConnectorSpec

SETTINGS: dict[DataSourceKind, dict[str, Any]] = {
    DataSourceKind.POSTGRESQL: {"host": "db.example.com", "database": "shop", "user": "reader"},
    DataSourceKind.SQLITE: {"path": "/data/shop.db"},
}

pytestmark = pytest.mark.parametrize("kind", sorted(DataSourceKind), ids=str.lower)


@pytest.fixture
def spec(kind: DataSourceKind) -> ConnectorSpec:
    return ConnectorRegistry().spec(kind)


def methods(protocol: type) -> list[str]:
    return [name for name, value in vars(protocol).items() if callable(value) and not name.startswith("_")]


def shape(method: Callable[..., Any]) -> tuple[list[tuple[str, Any, Any]], dict[str, Any]]:
    parameters = [(one.name, one.kind, one.default) for one in inspect.signature(method).parameters.values()]
    return parameters, typing.get_type_hints(method)


def assert_conforms(implementation: type, protocol: type) -> None:
    for name in methods(protocol):
        assert shape(getattr(implementation, name)) == shape(getattr(protocol, name)), f"{implementation}.{name}"


def test_signatures_are_those_of_the_port(kind: DataSourceKind, spec: ConnectorSpec):
    connector = ConnectorRegistry().connector(kind)
    assert_conforms(type(spec), port.ConnectorSpec)
    assert_conforms(type(connector), port.Connector)
    assert_conforms(ConnectorRegistry, port.Connectors)
    assert connector.spec.kind is kind


def test_types_are_those_of_the_port(kind: DataSourceKind):
    registry: Connectors = ConnectorRegistry()
    connector: Connector = registry.connector(kind)
    assert registry.connector(kind) is connector
    assert registry.spec(kind) is registry.spec(kind)


def test_capabilities_are_answers_with_a_reason(spec: ConnectorSpec):
    names = [capability.name for capability in spec.capabilities]
    assert len(names) == len(set(names))
    assert all(capability.reason for capability in spec.capabilities if not capability.available)


def test_all_kinds_answer_for_the_same_capabilities(spec: ConnectorSpec):
    others = {
        capability.name for other in DataSourceKind for capability in ConnectorRegistry().spec(other).capabilities
    }
    assert {capability.name for capability in spec.capabilities} == others


def test_parsing_is_idempotent(kind: DataSourceKind, spec: ConnectorSpec):
    parsed = spec.parse(SETTINGS[kind])
    assert spec.parse(parsed) == parsed
    assert SETTINGS[kind].items() <= parsed.items()


@pytest.mark.parametrize("name", ["dsn", "url", "options", "password", "", "päth"])
def test_unknown_settings_are_refused(kind: DataSourceKind, spec: ConnectorSpec, name: str):
    with pytest.raises(InvalidInput) as caught:
        spec.parse(SETTINGS[kind] | {name: "x"})
    assert caught.value.problem.path == (name,)


@pytest.mark.parametrize("value", [None, 1, [], {}, "", "\0", "\ud800", "x" * 100_000, True])
def test_every_wrong_value_is_a_problem_that_names_its_place(kind: DataSourceKind, spec: ConnectorSpec, value: object):
    for name in SETTINGS[kind]:
        with pytest.raises(InvalidInput) as caught:
            spec.parse(SETTINGS[kind] | {name: value})
        assert caught.value.problem.path[:1] == (name,)


def test_a_summary_can_be_shown(kind: DataSourceKind, spec: ConnectorSpec):
    summary = spec.summary(spec.parse(SETTINGS[kind]))
    assert summary.endpoint
    assert not set(spec.secret_fields) & {fact.name for fact in summary.options}


def test_another_audience_is_another_one(kind: DataSourceKind, spec: ConnectorSpec):
    parsed = spec.parse(SETTINGS[kind])
    assert spec.audience(parsed) == spec.audience(dict(parsed))
    changed = {"host": "other.example.com", "path": "/data/other.db"}
    moved = spec.parse(parsed | {name: value for name, value in changed.items() if name in parsed})
    assert spec.audience(moved) != spec.audience(parsed)
