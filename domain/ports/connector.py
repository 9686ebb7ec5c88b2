"""How we speak with a foreign system: the same few sentences to every kind."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from msgspec import Struct

from domain.models.data_source import Capability, ConnectionSummary, DataSourceKind, Pool
from domain.models.discovery import DiscoveryBatch, DiscoveryRequest
from domain.models.health import HealthCheck
from domain.models.operation import Step
from domain.ports.dialer import Dialer


class ConnectorSpec(Protocol):
    """What can be said of a kind of system without speaking to one. Loads no driver."""

    kind: DataSourceKind
    secret_fields: tuple[str, ...]  # such as ("password", "tls_client_key"); the first is the credential shown
    capabilities: tuple[Capability, ...]

    def parse(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings checked and complete (defaults filled in), as plain JSON values.

        Raises `InvalidInput` whose path points into the settings: an unknown name, a port outside 1 to 65535, a DSN.
        """
        ...

    def summary(self, settings: Mapping[str, Any]) -> ConnectionSummary:
        """What may be shown of parsed settings."""
        ...

    def audience(self, settings: Mapping[str, Any]) -> tuple[Any, ...]:
        """To whom the secret would be shown (host, port, user, TLS): when it changes, the secret is needed again."""
        ...


class Target(Struct, frozen=True):
    """A system to speak to: parsed settings and opened secrets. Never logged, never stored."""

    settings: dict[str, Any]
    secrets: dict[str, str]  # secret field → plain text
    pool: Pool

    def __repr__(self) -> str:
        return "Target(***)"


class Session(Protocol):
    """An open conversation. Every call is bounded by the deadline that the session was opened with."""

    def discover(self, request: DiscoveryRequest) -> AsyncGenerator[DiscoveryBatch]:
        """What is inside, in bounded batches. Raises `Unreachable` when the conversation breaks."""
        ...


class Connector(Protocol):
    """One kind of system. Stateless: it keeps no connection between calls."""

    spec: ConnectorSpec

    def check(self, target: Target, dialer: Dialer, *, budget_s: float) -> AsyncGenerator[Step]:
        """Tests the connection in phases and yields each step when it starts (RUNNING) and when it ended.

        resolve, connect, tls, authenticate, authorize, read_catalog, latency: each with measured duration, share of the
        budget, facts, and on failure a `Problem` and `Remedy`s. After a mandatory step failed the rest is SKIPPED.
        Never raises for what the foreign system does; ends within `budget_s`.
        """
        ...

    async def ping(self, target: Target, dialer: Dialer, *, timeout_s: float) -> HealthCheck:
        """One health check: open, ask the least that shows it works, close. `ok=False` with a problem, never raises."""
        ...

    def open(self, target: Target, dialer: Dialer, *, deadline_s: float) -> AbstractAsyncContextManager[Session]:
        """A session that ends by itself after `deadline_s`. Raises `Unreachable`."""
        ...


class Connectors(Protocol):
    """All kinds that can be spoken with."""

    def spec(self, kind: DataSourceKind) -> ConnectorSpec:
        """What can be said without a driver."""
        ...

    def connector(self, kind: DataSourceKind) -> Connector:
        """The connector; loads its driver on first use."""
        ...
