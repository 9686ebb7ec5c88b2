"""A registered system: how it is reached, what it matters, who owns it. Never a secret."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct

from domain.models.fact import Fact
from domain.models.problem import Remedy


class DataSourceKind(StrEnum):
    """The systems that Headwater speaks with."""

    POSTGRESQL = "POSTGRESQL"
    SQLITE = "SQLITE"


class DataSourceStatus(StrEnum):
    """Where a source stands in its life: DEGRADED and UNREACHABLE follow its health, DISABLED is somebody's choice."""

    REGISTERED = "REGISTERED"
    ACTIVE = "ACTIVE"
    DEGRADED = "DEGRADED"
    UNREACHABLE = "UNREACHABLE"
    DISABLED = "DISABLED"


class SourceLocation(StrEnum):
    """Where the system runs."""

    ON_PREM = "ON_PREM"
    CLOUD = "CLOUD"
    HYBRID = "HYBRID"


class CloudProvider(StrEnum):
    """Whose cloud it runs in."""

    AWS = "AWS"
    AZURE = "AZURE"
    GCP = "GCP"
    OTHER = "OTHER"


class SourceEnvironment(StrEnum):
    """What the system is used for."""

    PRODUCTION = "PRODUCTION"
    STAGING = "STAGING"
    DEVELOPMENT = "DEVELOPMENT"
    TEST = "TEST"


class SourceCriticality(StrEnum):
    """How much it hurts when the system is away."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"


class Sensitivity(StrEnum):
    """How much it hurts when its content is seen by the wrong eyes; ordered."""

    PUBLIC = "PUBLIC"
    INTERNAL = "INTERNAL"
    CONFIDENTIAL = "CONFIDENTIAL"
    RESTRICTED = "RESTRICTED"

    @property
    def rank(self) -> int:
        """0 for PUBLIC to 3 for RESTRICTED."""
        return list(Sensitivity).index(self)


class ScanFrequency(StrEnum):
    """How often a source is discovered without being asked."""

    MANUAL = "MANUAL"
    HOURLY = "HOURLY"
    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"


class TlsMode(StrEnum):
    """What is demanded of the encryption of a connection."""

    DISABLED = "DISABLED"
    REQUIRED = "REQUIRED"  # encrypted, the certificate is not checked
    VERIFY_CA = "VERIFY_CA"
    VERIFY_FULL = "VERIFY_FULL"


class PoolMode(StrEnum):
    """Whether connections go straight to the server or through a PgBouncer in transaction mode."""

    DIRECT = "DIRECT"
    PGBOUNCER = "PGBOUNCER"


class Connection(Struct, frozen=True):
    """How a system is reached, in its connector's own words (`spec.py`), without any secret."""

    kind: DataSourceKind
    settings: dict[str, Any]


class ConnectionSummary(Struct, frozen=True):
    """What may be shown of a connection."""

    endpoint: str
    database: str | None
    username: str | None
    tls: TlsMode
    options: tuple[Fact, ...] = ()
    replicas: tuple[str, ...] = ()


class CredentialHandle(Struct, frozen=True):
    """Which secret a source uses, without the secret. `locator` only for references."""

    store: str  # "sealed" (kept by us, encrypted), "env" or "file"
    version: int
    rotated_at: datetime
    locator: str | None = None
    key_id: str | None = None


class Pool(Struct, frozen=True):
    """The desired connection pool of a source."""

    mode: PoolMode = PoolMode.DIRECT
    size: int = 5
    max_overflow: int = 5
    timeout_s: float = 30.0


class DiscoveryScope(Struct, frozen=True):
    """What of a source is discovered: globs over `namespace.table` names; empty `include` means all."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_tables: int | None = None


class Capability(Struct, frozen=True):
    """An answer with a reason: what a connector can do for this kind of system, or why not."""

    name: str
    available: bool
    reason: str | None = None
    fix: tuple[Remedy, ...] = ()


class DataSource(Struct, frozen=True):
    """A registered system. `version` counts changes of the registration, `revision` published discoveries."""

    id: str
    name: str
    connection: Connection
    created_at: datetime
    updated_at: datetime
    status: DataSourceStatus = DataSourceStatus.REGISTERED
    version: int = 1
    revision: int = 0
    location: SourceLocation = SourceLocation.ON_PREM
    environment: SourceEnvironment = SourceEnvironment.DEVELOPMENT
    criticality: SourceCriticality = SourceCriticality.MEDIUM
    sensitivity: Sensitivity = Sensitivity.INTERNAL
    scan_frequency: ScanFrequency = ScanFrequency.MANUAL
    pool: Pool = Pool()
    scope: DiscoveryScope = DiscoveryScope()
    cloud_provider: CloudProvider | None = None
    region: str | None = None
    owner: str | None = None
    team: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    properties: dict[str, Any] | None = None
    credential: CredentialHandle | None = None
    created_by: str | None = None
    last_tested_at: datetime | None = None
    last_discovered_at: datetime | None = None

    @property
    def kind(self) -> DataSourceKind:
        """The system that this source is."""
        return self.connection.kind
