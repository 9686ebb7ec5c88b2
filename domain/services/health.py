"""Watching sources: who is due is checked, judged, remembered and told."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta

import msgspec

from domain.errors import InvalidInput, ProblemError
from domain.models.access import Permission, Viewer, system_viewer
from domain.models.data_source import DataSource
from domain.models.event import HealthEvent
from domain.models.health import Health, HealthCheck, HealthSample, HealthStatus
from domain.models.secret import StoredSecret
from domain.ports.clock import Clock
from domain.ports.connector import Connectors, Target
from domain.ports.dialer import Dialer
from domain.ports.events import Telemetry
from domain.ports.repositories.data_sources import DataSourceReader
from domain.ports.repositories.health import HealthReader
from domain.ports.unit_of_work import UnitOfWork
from domain.rules.decide_access import require
from domain.rules.judge_health import MAX_CHECKS, add_check, health_status_to_source_status, hours_since, judge
from domain.rules.scan import interval_s
from domain.services.credentials import Credentials

log = logging.getLogger(__name__)

MAX_LAST = 500
_LOOK_EVERY_S = 0.5  # for sources that are due
_AT_ONCE = 8


class HealthService:
    """What people ask about health."""

    def __init__(
        self, *, reader: HealthReader, data_sources: DataSourceReader, telemetry: Telemetry, clock: Clock
    ) -> None:
        self._reader = reader
        self._data_sources = data_sources
        self._telemetry = telemetry
        self._clock = clock

    async def current(self, viewer: Viewer, source_ids: Sequence[str]) -> list[Health]:
        """The judgement of each source; UNKNOWN since now for one that was never checked."""
        require(viewer, Permission.SOURCE_READ)
        found = await self._reader.current(viewer, source_ids)
        return [found.get(id) or Health(status=HealthStatus.UNKNOWN, since=self._clock.now()) for id in source_ids]

    async def checks(self, viewer: Viewer, source_ids: Sequence[str], last: int) -> list[tuple[HealthCheck, ...]]:
        """The newest checks of each source, newest first. Raises `InvalidInput` for more than 500."""
        require(viewer, Permission.SOURCE_READ)
        if not 0 <= last <= MAX_LAST:
            raise InvalidInput(f"last is a number from 0 to {MAX_LAST}.", path=("last",), constraint=f"0..{MAX_LAST}")
        found = await self._reader.checks(viewer, source_ids, last=last)
        return [found.get(id, ()) for id in source_ids]

    async def follow(self, viewer: Viewer, source_ids: Sequence[str] | None) -> AsyncGenerator[HealthSample]:
        """The current state of each visible source first, then every sample as it comes."""
        require(viewer, Permission.SOURCE_READ)
        wanted = None if source_ids is None else frozenset(source_ids)
        async with aclosing(self._telemetry.follow()) as samples:
            for sample in await self.snapshot(viewer, source_ids):
                yield sample
            async for live in samples:
                if live is None or (wanted is not None and live.data_source_id not in wanted):
                    continue
                # Checked at delivery: a right that was taken away since ends the view of this source.
                if await self._data_sources.by_ids(viewer, [live.data_source_id]):
                    yield live

    async def snapshot(self, viewer: Viewer, source_ids: Sequence[str] | None) -> list[HealthSample]:
        """The current state of each visible source (None: of all) that was ever checked, as a sample."""
        current = await self._reader.current(viewer, source_ids)
        sources = await self._data_sources.by_ids(viewer, list(current))
        newest = await self._reader.checks(viewer, list(sources), last=1)
        samples = []
        for id, source in sources.items():
            last = newest.get(id, ())
            health = current[id]
            samples.append(
                HealthSample(
                    data_source_id=id,
                    name=source.name,
                    status=health.status,
                    previous_status=health.status,
                    score=health.score,
                    latency_ms=last[0].latency_ms if last else None,
                    at=last[0].at if last else health.since,
                )
            )
        return samples


class HealthMonitor:
    """Checks every source on its interval, a bounded number at once. Any number of processes may run one."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWork,
        connectors: Connectors,
        dialer: Dialer,
        credentials: Credentials,
        telemetry: Telemetry,
        clock: Clock,
        interval_s: float,
        timeout_s: float,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._connectors = connectors
        self._dialer = dialer
        self._credentials = credentials
        self._telemetry = telemetry
        self._clock = clock
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._viewer = system_viewer("health monitor")

    async def run(self) -> None:
        """Until cancelled. A slow source holds up nobody else: each check has its own deadline and its own task."""
        async with asyncio.TaskGroup() as group:
            running: set[asyncio.Task[None]] = set()
            while True:
                running = {task for task in running if not task.done()}
                for source_id in await self._claim(_AT_ONCE - len(running)):
                    running.add(group.create_task(self._check_safely(source_id), name=f"health of {source_id}"))
                await self._clock.sleep(_LOOK_EVERY_S)

    async def check(self, source_id: str) -> None:
        """One check of one source, from claim to telling."""
        async with self._unit_of_work(self._viewer) as tx:
            source = await tx.data_sources.get(source_id)
            stored = () if source is None else await tx.secrets.of(source_id)
        if source is None:
            return
        check = await self._ping(source, stored_secrets=stored)
        sample = await self._judged(source, check)
        if sample is not None:
            await self._telemetry.publish(sample)

    async def prune(self, *, keep: timedelta) -> int:
        """Forgets checks that are older; how many rows."""
        now = self._clock.now()
        async with self._unit_of_work(self._viewer) as tx:
            return await tx.health.prune(
                checks_before=now - keep, hours_before=hours_since(now) - timedelta(hours=1), at_most_rows=10_000
            )

    async def _claim(self, limit: int) -> tuple[str, ...]:
        if limit <= 0:
            return ()
        now = self._clock.now()
        lease = timedelta(seconds=self._timeout_s * 2 + 5)
        try:
            async with self._unit_of_work(self._viewer) as tx:
                return await tx.health.claim_due(now, lease_until=now + lease, limit=limit)
        except ProblemError as error:
            log.warning("cannot look for sources that are due: %s", error.problem.code)
            return ()

    async def _check_safely(self, source_id: str) -> None:
        try:
            await self.check(source_id)
        except ProblemError as error:
            log.warning("health of %s not kept: %s", source_id, error.problem.code)
        except Exception:
            log.exception("health check of %s failed inside Headwater", source_id)

    async def _ping(self, source: DataSource, stored_secrets: tuple[StoredSecret, ...]) -> HealthCheck:
        try:
            secrets = await self._credentials.open(source.id, stored_secrets)
        except ProblemError as error:
            return HealthCheck(at=self._clock.now(), ok=False, problem=error.problem)
        target = Target(settings=source.connection.settings, secrets=secrets, pool=source.pool)
        connector = self._connectors.connector(source.kind)
        return await connector.ping(target, self._dialer, timeout_s=self._timeout_s)

    async def _judged(self, source: DataSource, check: HealthCheck) -> HealthSample | None:
        """The judgement after this check, saved; None when the source is gone by now."""
        async with self._unit_of_work(self._viewer) as tx:
            current = await tx.data_sources.get(source.id)
            if current is None:
                return None
            previous = await tx.health.current(source.id)
            history = add_check(
                await tx.health.history(source.id, last=MAX_CHECKS, hours_since=hours_since(check.at)), check
            )
            health = judge(
                history,
                previous,
                catalog_age_s=_age_s(current.last_discovered_at, check.at),
                expected_interval_s=interval_s(current.scan_frequency),
            )
            await tx.health.add(source.id, check, history.hours[-1], health)
            jitter = random.uniform(0.9, 1.1)  # noqa: S311  # spreads checks out; nobody gains by guessing it
            await tx.health.schedule(source.id, self._clock.now() + timedelta(seconds=self._interval_s * jitter))
            status = health_status_to_source_status(health.status, current.status)
            if status is not current.status:
                await tx.data_sources.save(msgspec.structs.replace(current, status=status))
            before = HealthStatus.UNKNOWN if previous is None else previous.status
            if health.status is not before:
                tx.record(_event(current, check, health, before), current)
        return HealthSample(
            data_source_id=source.id,
            name=source.name,
            status=health.status,
            previous_status=before,
            score=health.score,
            latency_ms=check.latency_ms,
            at=check.at,
        )


def _event(source: DataSource, check: HealthCheck, health: Health, before: HealthStatus) -> HealthEvent:
    return HealthEvent(
        data_source_id=source.id,
        name=source.name,
        status=health.status,
        previous_status=before,
        score=health.score,
        latency_ms=check.latency_ms,
        at=check.at,
    )


def _age_s(last: datetime | None, now: datetime) -> float | None:
    return None if last is None else (now - last).total_seconds()
