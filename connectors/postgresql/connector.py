"""The conversation with a PostgreSQL server: check, ping, open."""

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime

from connectors.postgresql import check, discovery
from connectors.postgresql.spec import PostgresqlSpec, load
from connectors.postgresql.wire import Conversation, converse
from connectors.shared.deadlines import Deadline
from domain.errors import ProblemError
from domain.models.discovery import DiscoveryBatch, DiscoveryRequest
from domain.models.health import HealthCheck
from domain.models.operation import Step
from domain.ports.connector import ConnectorSpec, Session, Target
from domain.ports.dialer import Dialer


class PostgresqlSession:
    """An open conversation with one database."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def discover(self, request: DiscoveryRequest) -> AsyncGenerator[DiscoveryBatch]:
        """Everything in scope, in batches."""
        return discovery.discover(self._conversation, request)


class PostgresqlConnector:
    """PostgreSQL 12 to 18."""

    spec: ConnectorSpec = PostgresqlSpec()

    def check(self, target: Target, dialer: Dialer, *, budget_s: float) -> AsyncGenerator[Step]:
        """Tests the connection phase by phase; the facts are listed in `connectors.postgresql.check`."""
        return check.check(target, dialer, budget_s=budget_s)

    async def ping(self, target: Target, dialer: Dialer, *, timeout_s: float) -> HealthCheck:
        """Connects and asks `SELECT 1`; `latency_ms` is that one round trip."""
        at = datetime.now(UTC)
        try:
            async with _conversation(target, dialer, timeout_s) as conversation:
                async with conversation.speaking("latency") as connection:
                    started = time.perf_counter()
                    await connection.execute("SELECT 1")
                    latency_ms = (time.perf_counter() - started) * 1_000
                expires_at = conversation.tls.certificate_expires_at if conversation.tls else None
        except ProblemError as error:
            return HealthCheck(at=at, ok=False, problem=error.problem)
        return HealthCheck(at=at, ok=True, latency_ms=latency_ms, certificate_expires_at=expires_at)

    def open(self, target: Target, dialer: Dialer, *, deadline_s: float) -> AbstractAsyncContextManager[Session]:
        """A session of at most `deadline_s`."""
        return _session(target, dialer, deadline_s)


@asynccontextmanager
async def _session(target: Target, dialer: Dialer, deadline_s: float) -> AsyncIterator[Session]:
    async with _conversation(target, dialer, deadline_s) as conversation:
        yield PostgresqlSession(conversation)


@asynccontextmanager
async def _conversation(target: Target, dialer: Dialer, deadline_s: float) -> AsyncIterator[Conversation]:
    deadline, settings = Deadline.after(deadline_s), load(target.settings)
    addresses = await dialer.resolve(settings.host, settings.port, timeout_s=deadline.left_s)
    async with converse(target, settings, addresses, deadline) as conversation:
        yield conversation
