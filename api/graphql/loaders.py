"""Loaders of one operation: all that is asked for on one level of a query is one call of a service.

Each takes keys and answers in their order; an error in the place of a value is that key's alone.
"""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from functools import partial
from typing import Any, TypeVar

from strawberry.dataloader import DataLoader

from api.services import Services
from domain.errors import InvalidInput, ProblemError
from domain.models.access import Viewer
from domain.models.catalog import CatalogEntry, ColumnEntry, NamespaceEntry, TableEntry
from domain.models.data_source import DataSource
from domain.models.discovery import Freshness
from domain.models.health import Health, HealthCheck
from domain.models.operation import Operation, OperationKind
from domain.models.relationship import RelationshipEntry
from domain.ports.repositories.catalog import CatalogFilter, ObjectAt, Pin, RelationshipFilter
from domain.rules import fqn, ids
from domain.services.catalog import MAX_NODES, At, Node, PinnedSource
from domain.services.pages import PageRequest, Window

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Loaders:
    """One loader per question; questions with different arguments (filter, page) are different questions."""

    def __init__(self, services: Services, viewer: Viewer) -> None:
        self._services = services
        self._viewer = viewer
        self._made: dict[tuple[Hashable, ...], DataLoader[Any, Any]] = {}

    # by id and name

    @property
    def sources(self) -> DataLoader[str, DataSource | None]:
        """A source by id."""
        return self._loader(("sources",), partial(self._services.data_sources.by_ids, self._viewer))

    @property
    def sources_by_name(self) -> DataLoader[str, DataSource | None]:
        """A source by name."""
        return self._loader(("sources_by_name",), partial(self._services.data_sources.by_names, self._viewer))

    @property
    def operations(self) -> DataLoader[str, Operation | None]:
        """An operation by id."""
        return self._loader(("operations",), partial(self._services.operations.by_ids, self._viewer))

    @property
    def entries(self) -> DataLoader[tuple[str, Pin], CatalogEntry | None]:
        """A catalog object by stable id, at a revision."""
        return self._loader(("entries",), partial(self._services.catalog.entries, self._viewer))

    @property
    def current(self) -> DataLoader[str, CatalogEntry | None]:
        """A catalog object as it is now."""
        return self._loader(("current",), partial(self._services.catalog.current, self._viewer))

    def nodes(self, at: At | None) -> DataLoader[str, Node | None]:
        """Any object by its global id."""

        async def read(wanted: Sequence[str]) -> Sequence[Node | None]:
            return await self._services.catalog.nodes(self._viewer, wanted, at)

        return self._loader(("nodes", at), partial(_each_alone, read, ids.parse))

    def by_fqn(self, at: At | None) -> DataLoader[str, PinnedSource | CatalogEntry | None]:
        """A source, namespace, table or column by its fully qualified name."""

        async def read(wanted: Sequence[str]) -> Sequence[PinnedSource | CatalogEntry | None]:
            return await self._services.catalog.by_fqns(self._viewer, wanted, at)

        return self._loader(("by_fqn", at), partial(_each_alone, read, fqn.split))

    # of a source

    @property
    def freshness(self) -> DataLoader[str, Freshness]:
        """How old a source's catalog is."""
        return self._loader(("freshness",), partial(self._services.data_sources.freshness, self._viewer))

    @property
    def health(self) -> DataLoader[str, Health]:
        """How a source is doing."""
        return self._loader(("health",), partial(self._services.health.current, self._viewer))

    def checks(self, last: int) -> DataLoader[str, tuple[HealthCheck, ...]]:
        """The newest checks of a source."""

        async def read(source_ids: Sequence[str]) -> Sequence[tuple[HealthCheck, ...]]:
            return await self._services.health.checks(self._viewer, source_ids, last)

        return self._loader(("checks", last), read)

    def pages_of_operations(
        self, kinds: tuple[OperationKind, ...] | None, request: PageRequest
    ) -> DataLoader[str, Window[Operation]]:
        """The operations of a source."""

        async def read(source_ids: Sequence[str]) -> Sequence[Window[Operation] | InvalidInput]:
            return await self._services.operations.pages(self._viewer, source_ids, kinds, request)

        return self._loader(("pages_of_operations", kinds, request), read)

    def count_operations(self, kinds: tuple[OperationKind, ...] | None) -> DataLoader[str, int]:
        """How many operations a source has."""

        async def read(source_ids: Sequence[str]) -> Sequence[int]:
            return await self._services.operations.counts(self._viewer, source_ids, kinds)

        return self._loader(("count_operations", kinds), read)

    # neighbours in the catalog

    def namespaces(self, wanted: CatalogFilter, request: PageRequest) -> DataLoader[Pin, Window[NamespaceEntry]]:
        """The namespaces of a source."""

        async def read(sources: Sequence[Pin]) -> Sequence[Window[NamespaceEntry] | InvalidInput]:
            return await self._services.catalog.namespaces(self._viewer, sources, wanted, request)

        return self._loader(("namespaces", wanted, request), read)

    def tables(self, wanted: CatalogFilter, request: PageRequest) -> DataLoader[Pin | ObjectAt, Window[TableEntry]]:
        """The tables of a source or namespace."""

        async def read(parents: Sequence[Pin | ObjectAt]) -> Sequence[Window[TableEntry] | InvalidInput]:
            return await self._services.catalog.tables(self._viewer, parents, wanted, request)

        return self._loader(("tables", wanted, request), read)

    def columns(self, wanted: CatalogFilter, request: PageRequest) -> DataLoader[ObjectAt, Window[ColumnEntry]]:
        """The columns of a table."""

        async def read(tables: Sequence[ObjectAt]) -> Sequence[Window[ColumnEntry] | InvalidInput]:
            return await self._services.catalog.columns(self._viewer, tables, wanted, request)

        return self._loader(("columns", wanted, request), read)

    def relationships(
        self, wanted: RelationshipFilter, request: PageRequest
    ) -> DataLoader[ObjectAt, Window[RelationshipEntry]]:
        """The relationships of a table."""

        async def read(tables: Sequence[ObjectAt]) -> Sequence[Window[RelationshipEntry] | InvalidInput]:
            return await self._services.catalog.relationships(self._viewer, tables, wanted, request)

        return self._loader(("relationships", wanted, request), read)

    @property
    def columns_named(self) -> DataLoader[tuple[ObjectAt, tuple[str, ...]], tuple[ColumnEntry, ...]]:
        """Columns of a table by name."""
        return self._loader(("columns_named",), partial(self._services.catalog.columns_named, self._viewer))

    def all_relationships(self, wanted: RelationshipFilter) -> DataLoader[ObjectAt, tuple[RelationshipEntry, ...]]:
        """What the references of a table's columns are picked from."""

        async def read(tables: Sequence[ObjectAt]) -> Sequence[tuple[RelationshipEntry, ...]]:
            return await self._services.catalog.all_relationships(self._viewer, tables, wanted)

        return self._loader(("all_relationships", wanted), read)

    # how many neighbours

    def count_namespaces(self, wanted: CatalogFilter) -> DataLoader[Pin, int]:
        """How many namespaces a source has."""

        async def read(sources: Sequence[Pin]) -> Sequence[int]:
            return await self._services.catalog.count_namespaces(self._viewer, sources, wanted)

        return self._loader(("count_namespaces", wanted), read)

    def count_tables(self, wanted: CatalogFilter) -> DataLoader[Pin | ObjectAt, int]:
        """How many tables a source or namespace has."""

        async def read(parents: Sequence[Pin | ObjectAt]) -> Sequence[int]:
            return await self._services.catalog.count_tables(self._viewer, parents, wanted)

        return self._loader(("count_tables", wanted), read)

    def count_columns(self, wanted: CatalogFilter) -> DataLoader[ObjectAt, int]:
        """How many columns a table has."""

        async def read(tables: Sequence[ObjectAt]) -> Sequence[int]:
            return await self._services.catalog.count_columns(self._viewer, tables, wanted)

        return self._loader(("count_columns", wanted), read)

    def count_relationships(self, wanted: RelationshipFilter) -> DataLoader[ObjectAt, int]:
        """How many relationships a table has."""

        async def read(tables: Sequence[ObjectAt]) -> Sequence[int]:
            return await self._services.catalog.count_relationships(self._viewer, tables, wanted)

        return self._loader(("count_relationships", wanted), read)

    def _loader(
        self, question: tuple[Hashable, ...], read: Callable[[list[K]], Awaitable[Sequence[V | BaseException]]]
    ) -> DataLoader[K, V]:
        loader = self._made.get(question)
        if loader is None:
            loader = self._made[question] = DataLoader(load_fn=read)
        return loader


async def _each_alone(
    read: Callable[[Sequence[str]], Awaitable[Sequence[V]]], check: Callable[[str], Any], keys: Sequence[str]
) -> list[V | BaseException]:
    """What is read of the keys, a bounded number at a time; a key that cannot be read spoils no other."""
    answers: dict[str, V | BaseException] = {}
    for key in keys:
        try:
            check(key)
        except InvalidInput as error:
            answers[key] = error
    good = [key for key in keys if key not in answers]
    for begin in range(0, len(good), MAX_NODES):
        part = good[begin : begin + MAX_NODES]
        try:
            answers.update(zip(part, await read(part), strict=True))
        except ProblemError:
            for key in part:
                answers[key] = await _one(read, key)
    return [answers[key] for key in keys]


async def _one(read: Callable[[Sequence[str]], Awaitable[Sequence[V]]], key: str) -> V | BaseException:
    try:
        return (await read([key]))[0]
    except ProblemError as error:
        return error
