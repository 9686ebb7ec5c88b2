"""What people ask for when they register or change a source.

UNSET: not said (the default on create, unchanged on update).
"""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from domain.models.data_source import (
    CloudProvider,
    DataSource,
    DataSourceKind,
    DataSourceStatus,
    DiscoveryScope,
    PoolMode,
    ScanFrequency,
    Sensitivity,
    SourceCriticality,
    SourceEnvironment,
    SourceLocation,
)
from domain.models.secret import SecretInput


class ConnectionInput(Struct, frozen=True):
    """Settings that were said, in the connector's words (a None clears one), and secret fields (None erases one)."""

    kind: DataSourceKind
    settings: dict[str, Any]
    secrets: dict[str, SecretInput | None] = {}


class PoolInput(Struct, frozen=True):
    """The pool settings that were said."""

    mode: PoolMode | None | UnsetType = UNSET
    size: int | None | UnsetType = UNSET
    max_overflow: int | None | UnsetType = UNSET
    timeout_s: float | None | UnsetType = UNSET


class DataSourcePatch(Struct, frozen=True):
    """Every attribute of a source. UNSET: unchanged; None: cleared (to its default where it needs one)."""

    name: str | UnsetType = UNSET
    connection: ConnectionInput | UnsetType = UNSET
    pool: PoolInput | None | UnsetType = UNSET
    status: DataSourceStatus | UnsetType = UNSET
    location: SourceLocation | None | UnsetType = UNSET
    environment: SourceEnvironment | None | UnsetType = UNSET
    criticality: SourceCriticality | None | UnsetType = UNSET
    sensitivity: Sensitivity | None | UnsetType = UNSET
    cloud_provider: CloudProvider | None | UnsetType = UNSET
    region: str | None | UnsetType = UNSET
    scan_frequency: ScanFrequency | None | UnsetType = UNSET
    scope: DiscoveryScope | None | UnsetType = UNSET
    owner: str | None | UnsetType = UNSET
    team: str | None | UnsetType = UNSET
    description: str | None | UnsetType = UNSET
    tags: tuple[str, ...] | None | UnsetType = UNSET
    properties: dict[str, Any] | None | UnsetType = UNSET


class DataSourceInput(Struct, frozen=True):
    """A registration: found by `name`, made when it is new, else changed by `patch`."""

    name: str
    patch: DataSourcePatch
    expected_version: int | None = None


class WriteOptions(Struct, frozen=True):
    """How a write is made: `idempotency_key` makes repeating safe, `dry_run` only says what would happen."""

    idempotency_key: str | None = None
    dry_run: bool = False


class Registered(Struct, frozen=True):
    """What became of a registration or a change."""

    data_source: DataSource
    created: bool
    unchanged: bool
