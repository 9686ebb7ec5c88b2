"""What is asked of a connector's discovery, what it streams back, and what a run has covered."""

from datetime import datetime

from msgspec import Struct

from domain.models.catalog import Namespace, Statistics, Table
from domain.models.change import ChangeEntry
from domain.models.data_source import DiscoveryScope
from domain.models.fact import Fact
from domain.models.operation import SyncMode
from domain.models.problem import Remedy


class DiscoveryRequest(Struct, frozen=True):
    """`known`: local name (`rules.fqn.join(path)`) of a table → the signature read last time; INCREMENTAL only."""

    mode: SyncMode
    scope: DiscoveryScope
    known: dict[str, str]
    statement_timeout_s: float
    batch_tables: int = 200


class Unreadable(Struct, frozen=True):
    """A namespace or table that is there but was not read, and why. What was not read is not removed."""

    path: tuple[str, ...]
    reason: str
    fix: tuple[Remedy, ...] = ()


class FoundTable(Struct, frozen=True):
    """A table that was read. `signature` is the server's own fingerprint of it, cheap to ask for again."""

    table: Table
    signature: str | None
    statistics: Statistics


class UnchangedTable(Struct, frozen=True):
    """A table whose signature is still the known one: nothing else of it was transferred."""

    path: tuple[str, ...]
    statistics: Statistics


class DiscoveryBatch(Struct, frozen=True):
    """A bounded piece of what a discovery finds.

    The first batch lists: all namespaces in scope, and `listed`, the paths of all tables in scope. Tables that were
    listed but neither found, unchanged nor unreadable when the stream ends or breaks are taken as not read.
    """

    namespaces: tuple[Namespace, ...] = ()
    listed: tuple[tuple[str, ...], ...] = ()
    found: tuple[FoundTable, ...] = ()
    unchanged: tuple[UnchangedTable, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


class Coverage(Struct, frozen=True):
    """What one ended run saw: all in `scope` except `unread`. A source keeps those since its last complete run."""

    at: datetime
    mode: SyncMode
    scope: DiscoveryScope
    unread: tuple[Unreadable, ...]
    share: float  # tables read (or known unchanged) of those listed, 0 to 1


class Freshness(Struct, frozen=True):
    """How much of a source's catalog is how old."""

    discovered_at: datetime | None = None
    mode: SyncMode | None = None
    coverage: float = 0.0
    unread: tuple[Unreadable, ...] = ()


class Comparison(Struct, frozen=True):
    """What publishing a staged run would do, in tables."""

    current: int  # tables of the published revision
    added: int
    modified: int
    removed: int
    namespaces_changed: int

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to publish."""
        return not (self.added or self.modified or self.removed or self.namespaces_changed)


class Published(Struct, frozen=True):
    """What a publish did: the new revision and how many objects of which kind were added, removed, modified.

    `changes` holds the single changes when there are at most 500 and the revision is not the first one; else it is
    empty and clients page `schemaDiff`.
    """

    revision: int
    counts: tuple[Fact, ...]
    changes: tuple[ChangeEntry, ...] = ()
