"""Who asks, what they may do, and which sources they may see."""

from enum import StrEnum

from msgspec import Struct

from domain.models.data_source import Sensitivity, SourceEnvironment


class Permission(StrEnum):
    """A thing that one may be allowed to do."""

    SOURCE_READ = "SOURCE_READ"
    SOURCE_WRITE = "SOURCE_WRITE"
    SOURCE_TEST = "SOURCE_TEST"
    SECRET_WRITE = "SECRET_WRITE"  # noqa: S105 — the name of a permission
    DISCOVER = "DISCOVER"


class Scope(Struct, frozen=True):
    """Which sources are visible: those that satisfy every bound that is set. Persistence makes one predicate of it."""

    data_sources: frozenset[str] | None = None  # ids; None: any
    environments: frozenset[SourceEnvironment] | None = None
    sensitivity_ceiling: Sensitivity | None = None

    def allows(self, data_source_id: str, environment: SourceEnvironment, sensitivity: Sensitivity) -> bool:
        """The same decision as the SQL predicate, for what is already in memory (events at delivery)."""
        return (
            (self.data_sources is None or data_source_id in self.data_sources)
            and (self.environments is None or environment in self.environments)
            and (self.sensitivity_ceiling is None or sensitivity.rank <= self.sensitivity_ceiling.rank)
        )


class Viewer(Struct, frozen=True):
    """Who asks. Every service and port that reads or writes takes one; it has no default."""

    name: str  # recorded as the actor of what they do
    kind: str  # "local", "key", "system"
    permissions: frozenset[Permission]
    scope: Scope


def system_viewer(name: str) -> Viewer:
    """Headwater itself at work (the scheduler, a worker with an operation): sees all, is recorded under `name`."""
    return Viewer(name=name, kind="system", permissions=frozenset(Permission), scope=Scope())
