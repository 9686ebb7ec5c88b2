"""From what is there and what was said to what shall be: the pure half of registering and changing a source."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from domain.errors import InvalidInput
from domain.models.data_source import Connection, DataSource, DataSourceKind, DataSourceStatus, DiscoveryScope, Pool
from domain.models.registration import ConnectionInput, DataSourcePatch, PoolInput
from domain.ports.connector import ConnectorSpec

T = TypeVar("T")

MAX_NAME = 255
MAX_TEXT = 10_000
MAX_TAGS = 100
MAX_PROPERTIES_BYTES = 65_536
MAX_GLOBS = 1_000
MAX_POOL = 1_000
MAX_POOL_TIMEOUT_S = 600.0
_CHOSEN_STATUSES = frozenset({DataSourceStatus.ACTIVE, DataSourceStatus.DISABLED})
_DEFAULTS = {field.name: field.default for field in msgspec.structs.fields(DataSource)}
# Attributes that are stored as they were said; the others need a thought of their own.
_PLAIN = (
    "location",
    "environment",
    "criticality",
    "sensitivity",
    "cloud_provider",
    "region",
    "scan_frequency",
    "owner",
    "team",
    "description",
    "properties",
)


def check_name(name: str) -> str:
    """The name as it is kept. Raises `InvalidInput` for an empty, over-long or unprintable one."""
    if not 0 < len(name) <= MAX_NAME or name != name.strip() or not name.isprintable():
        raise InvalidInput(
            f"A name has 1 to {MAX_NAME} printable characters and no space at its ends.",
            path=("name",),
            constraint="name",
        )
    return name


def merge_connection(spec: ConnectorSpec, current: Connection | None, said: ConnectionInput) -> Connection:
    """The settings after the change, checked and complete. Another kind of system replaces all that was said before."""
    before = current.settings if current is not None and current.kind is said.kind else {}
    try:
        settings = spec.parse(_merge(before, said.settings))
    except InvalidInput as error:
        raise error.below(*connection_path(said.kind)) from error
    return Connection(kind=said.kind, settings=settings)


def connection_path(kind: DataSourceKind) -> tuple[str, str]:
    """Where in an input the settings and secrets of this kind of system lie."""
    return ("connection", kind.lower())


def needs_secret_again(spec: ConnectorSpec, current: Connection, wanted: Connection) -> bool:
    """Whether the stored secret would be shown to somebody else than the one that it was given for."""
    return current.kind is not wanted.kind or spec.audience(current.settings) != spec.audience(wanted.settings)


def apply_patch(source: DataSource, patch: DataSourcePatch, connection: Connection) -> DataSource:
    """The source after the change, with its version and times as they were. Raises `InvalidInput`."""
    values: dict[str, Any] = {name: _said(patch, name, getattr(source, name)) for name in _PLAIN}
    for name in ("region", "owner", "team", "description"):
        _check_text(name, values[name])
    values["name"] = source.name if patch.name is UNSET else check_name(patch.name)
    values["status"] = _status(source.status, patch.status)
    values["pool"] = _pool(source.pool, patch.pool)
    values["scope"] = source.scope if patch.scope is UNSET else check_scope(patch.scope or DiscoveryScope())
    values["tags"] = source.tags if patch.tags is UNSET else _tags(patch.tags)
    _check_properties(values["properties"])
    return msgspec.structs.replace(source, connection=connection, **values)


def next_version(before: DataSource, after: DataSource, now: datetime) -> DataSource:
    """The changed source as it is saved."""
    return msgspec.structs.replace(after, version=before.version + 1, updated_at=now)


def _merge(before: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """A None clears a setting; nested settings (TLS) merge likewise."""
    merged = dict(before)
    for name, value in said.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            inner = merged.get(name)
            merged[name] = _merge(inner if isinstance(inner, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged


def _said(patch: DataSourcePatch, name: str, current: T) -> T:
    value = getattr(patch, name)
    if value is UNSET:
        return current
    if value is None:
        return _DEFAULTS[name]  # type: ignore[no-any-return]  # the default of this very attribute
    return value  # type: ignore[no-any-return]  # the patch has the same type, attribute by attribute


def _status(current: DataSourceStatus, said: DataSourceStatus | UnsetType) -> DataSourceStatus:
    if said is UNSET or said is current:
        return current
    if said not in _CHOSEN_STATUSES:
        raise InvalidInput(
            "A status can be set to ACTIVE or DISABLED; the others follow from health.", path=("status",)
        )
    if said is DataSourceStatus.DISABLED:
        return said
    # Switched on again: what it is will be known after the next check; one that was never off keeps what it is.
    return DataSourceStatus.REGISTERED if current is DataSourceStatus.DISABLED else current


def _pool(current: Pool, said: PoolInput | None | UnsetType) -> Pool:
    if said is UNSET:
        return current
    if said is None:
        return Pool()
    default = Pool()
    values = {
        name: getattr(current if value is UNSET else default, name) if value is UNSET or value is None else value
        for name, value in ((f.name, getattr(said, f.name)) for f in msgspec.structs.fields(Pool))
    }
    pool = Pool(**values)
    for name, value, low, high in (
        ("size", pool.size, 1, MAX_POOL),
        ("maxOverflow", pool.max_overflow, 0, MAX_POOL),
        ("timeoutSeconds", pool.timeout_s, 0.1, MAX_POOL_TIMEOUT_S),
    ):
        if not low <= value <= high:
            raise InvalidInput(
                f"{name} is a number from {low} to {high}.", path=("pool", name), constraint=f"{low}..{high}"
            )
    return pool


def check_scope(scope: DiscoveryScope) -> DiscoveryScope:
    """The scope, if its globs and bounds are reasonable. Raises `InvalidInput`."""
    if len(scope.include) + len(scope.exclude) > MAX_GLOBS:
        raise InvalidInput(f"A scope has at most {MAX_GLOBS} patterns.", path=("scope",), constraint="maxItems")
    if any(not 0 < len(glob) <= MAX_NAME for glob in (*scope.include, *scope.exclude)):
        raise InvalidInput(f"A pattern has 1 to {MAX_NAME} characters.", path=("scope",), constraint="length")
    if scope.max_tables is not None and scope.max_tables < 1:
        raise InvalidInput("maxTables is at least 1.", path=("scope", "maxTables"), constraint="minimum")
    return scope


def _tags(said: tuple[str, ...] | None) -> tuple[str, ...]:
    tags = tuple(dict.fromkeys(said or ()))
    if len(tags) > MAX_TAGS or any(not 0 < len(tag) <= MAX_NAME or not tag.isprintable() for tag in tags):
        raise InvalidInput(
            f"There are at most {MAX_TAGS} tags of 1 to {MAX_NAME} printable characters.", path=("tags",)
        )
    return tags


def _check_text(name: str, value: str | None) -> None:
    # Lone surrogates (JSON can spell them) are no text: neither store nor client could take them.
    if value is not None and (len(value) > MAX_TEXT or "\0" in value or not _is_unicode(value)):
        raise InvalidInput(f"{name} has at most {MAX_TEXT} characters of valid Unicode, no NUL.", path=(name,))


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_properties(properties: dict[str, Any] | None) -> None:
    if properties is None:
        return
    if not isinstance(properties, dict):
        raise InvalidInput("properties is a JSON object.", path=("properties",), constraint="object")
    try:
        size = len(json.dumps(properties, allow_nan=False).encode())
    except (ValueError, RecursionError, UnicodeEncodeError) as error:
        raise InvalidInput("properties is not valid JSON.", path=("properties",), constraint="JSON") from error
    if size > MAX_PROPERTIES_BYTES:
        raise InvalidInput(
            f"properties has at most {MAX_PROPERTIES_BYTES} bytes.", path=("properties",), constraint="maxBytes"
        )
