"""Any sequence of runs, whatever they covered: each revision reads back as the state that it was published with."""

from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.models.catalog import ConstraintKind, Namespace, Table
from domain.models.change import (
    AddColumn,
    AddConstraint,
    AddIndex,
    AddNamespace,
    AddTable,
    Change,
    DropColumn,
    DropConstraint,
    DropIndex,
    DropNamespace,
    DropTable,
    ModifyColumn,
    ModifyConstraint,
    ModifyIndex,
    ModifyNamespace,
    ModifyTable,
)
from domain.models.discovery import Coverage, DiscoveryBatch, FoundTable, UnchangedTable
from domain.ports.repositories.catalog import RelationshipFilter
from domain.rules.coverage import is_covered, is_namespace_covered
from domain.rules.diff import sort_key
from domain.rules.fingerprint import normalise
from tests import strategies
from tests.contract.catalog.stores import ALL, NOTHING_OBSERVED, SYSTEM, CatalogStore, at, walk

Tables = dict[tuple[str, ...], Table]
Namespaces = dict[tuple[str, ...], Namespace]

# An example is hundreds of statements.
_PATIENT = settings(
    max_examples=max(10, settings.default.max_examples // 10),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# Objects with two states each; in each run each object is absent, or in one of its states.
pools = st.lists(strategies.two_states, max_size=6, unique_by=lambda states: states[0].path)
namespace_pools = st.lists(strategies.namespaces, max_size=3)
runs = st.lists(
    st.tuples(st.randoms(use_true_random=False), st.one_of(st.none(), strategies.coverages)), min_size=1, max_size=5
)


class Model:
    """What a source's catalog should be after each run."""

    def __init__(self) -> None:
        self.tables: Tables = {}
        self.namespaces: Namespaces = {}

    def run(self, tables: Tables, namespaces: Namespaces, coverage: Coverage) -> DiscoveryBatch:
        """The batch of a run over a database with this content, and the model after it."""
        found = {path: table for path, table in tables.items() if is_covered(path, coverage)}
        listed = {path: found for path, found in namespaces.items() if is_namespace_covered(path, coverage)}
        kept = {path: table for path, table in self.tables.items() if not is_covered(path, coverage)}
        unchanged = {path for path, table in found.items() if self.tables.get(path) == normalise(table)}
        self.tables = kept | {path: normalise(table) for path, table in found.items()}
        # What could not be read is there all the same, and lies in its namespace.
        inhabited = {path[:-1] for path in self.tables} | {missed.path[:-1] for missed in coverage.unread}
        staying = {
            path: namespace
            for path, namespace in self.namespaces.items()
            if path in inhabited or not is_namespace_covered(path, coverage)
        }
        implied = {path[:-1]: Namespace(path[:-1]) for path in found}
        self.namespaces = implied | staying | listed
        return DiscoveryBatch(
            namespaces=tuple(listed.values()),
            listed=tuple(found),
            found=tuple(
                FoundTable(table, None, NOTHING_OBSERVED)
                for at, (path, table) in enumerate(found.items())
                if path not in unchanged or at % 2
            ),
            unchanged=tuple(
                UnchangedTable(path, NOTHING_OBSERVED)
                for at, path in enumerate(found)
                if path in unchanged and not at % 2
            ),
            unreadable=coverage.unread,
        )


@pytest.mark.timeout(1_800)  # a fuzzing run makes hundreds of examples
@_PATIENT
@given(pools, namespace_pools, runs, strategies.randoms)
async def test_every_revision_reads_back_as_it_was_published(
    store: CatalogStore, pool: Any, namespace_pool: Any, history: Any, seed: Random
) -> None:
    source = await store.add_source()
    model = Model()
    states: list[tuple[Tables, Namespaces]] = [({}, {})]
    for random, partial in history:
        tables = {
            states_of[0].path: chosen for states_of in pool if (chosen := random.choice([None, *states_of])) is not None
        }
        namespaces = {
            found.path: found for found in random.sample(namespace_pool, random.randint(0, len(namespace_pool)))
        }
        coverage = replace(partial or store.coverage(), at=store.now)
        before = (model.tables, model.namespaces)
        batch = model.run(tables, namespaces, coverage)
        published = await store.publish(source, batch, coverage=coverage)
        after = (model.tables, model.namespaces)
        assert (published is None) == (before == after)
        if published is not None:
            assert published.revision == len(states)
            states.append(after)
    for revision, (tables, namespaces) in enumerate(states[1:], 1):
        assert await store.state(source, revision) == (tables, set(namespaces.values()))
        assert await _references(store, source, revision) == _expected_references(tables)
    pairs = list(permutations(range(len(states)), 2)) if len(states) > 1 else []
    for start, end in seed.sample(pairs, min(3, len(pairs))):
        changes = await _changes(store, source, start, end)
        assert _applied(states[start], changes) == states[end]
        count = await store.reader.count_changes(SYSTEM, source, start, end, at_most=10_000)
        assert count == len(changes)


async def _changes(store: CatalogStore, source: str, start: int, end: int) -> list[Change]:
    """Walked in small pages, each found again by its id."""
    entries = await walk(lambda page: store.reader.changes(SYSTEM, source, start, end, page), first=3)
    assert [sort_key(entry.change) for entry in entries] == sorted(sort_key(entry.change) for entry in entries)
    for entry in entries:
        assert await store.reader.change(SYSTEM, entry.id) == entry
    assert len({entry.id for entry in entries}) == len(entries)
    return [entry.change for entry in entries]


def _applied(state: tuple[Tables, Namespaces], changes: Sequence[Change]) -> tuple[Tables, Namespaces]:
    tables, namespaces = dict(state[0]), dict(state[1])

    def members(path: tuple[str, ...], name: str, before: Any, after: Any) -> None:
        kept = list(getattr(tables[path], name))
        if before is not None:
            kept.remove(before)
        tables[path] = replace(tables[path], **{name: (*kept, *([] if after is None else [after]))})

    for change in changes:
        match change:
            case AddNamespace(after) | ModifyNamespace(_, after):
                namespaces[after.path] = after
            case DropNamespace(before):
                del namespaces[before.path]
            case AddTable(after):
                tables[after.path] = after
            case DropTable(before):
                del tables[before.path]
            case ModifyTable(_, after):
                own = {name: getattr(after, name) for name in ("kind", "comment", "definition", "facts")}
                tables[after.path] = replace(tables[after.path], **own)
            case AddColumn(path, after):
                members(path, "columns", None, after)
            case DropColumn(path, before):
                members(path, "columns", before, None)
            case ModifyColumn(path, before, after):
                members(path, "columns", before, after)
            case AddIndex(path, after):
                members(path, "indexes", None, after)
            case DropIndex(path, before):
                members(path, "indexes", before, None)
            case ModifyIndex(path, before, after):
                members(path, "indexes", before, after)
            case AddConstraint(path, after):
                members(path, "constraints", None, after)
            case DropConstraint(path, before):
                members(path, "constraints", before, None)
            case ModifyConstraint(path, before, after):
                members(path, "constraints", before, after)
    return {path: normalise(table) for path, table in tables.items()}, namespaces


async def _references(store: CatalogStore, source: str, revision: int) -> Counter[tuple[Any, ...]]:
    tables = await store.tables(await store.pin(source, revision))
    paths = {table.id: table.path for table in tables}
    slices = await store.reader.relationships(SYSTEM, [at(table) for table in tables], RelationshipFilter(), ALL)
    found: Counter[tuple[Any, ...]] = Counter()
    for table, below in zip(tables, slices, strict=True):
        for item in below.items:
            is_resolved = item.to_end.table_id is not None
            assert not is_resolved or paths[str(item.to_end.table_id)] == item.to_end.table_path
            found[table.path, item.from_end.table_path, item.name, item.to_end.table_path, is_resolved] += 1
    return found


def _expected_references(tables: Tables) -> Counter[tuple[Any, ...]]:
    """Each once at either end; once when it is the same."""
    expected: Counter[tuple[Any, ...]] = Counter()
    for path, table in tables.items():
        for constraint in table.constraints:
            if constraint.kind is ConstraintKind.FOREIGN_KEY and constraint.references is not None:
                far = constraint.references.table_path
                for end in {path, far} & tables.keys():
                    expected[end, path, constraint.name, far, far in tables] += 1
    return expected
