"""What every connector's discovery keeps to."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest

from domain.errors import Unreachable
from domain.models.catalog import Constraint, ConstraintKind, DataTypeFamily, Table, TableKind
from domain.models.data_source import DiscoveryScope
from domain.models.discovery import DiscoveryBatch, DiscoveryRequest, FoundTable
from domain.models.operation import SyncMode
from domain.models.relationship import ReferentialAction
from domain.rules import fqn
from domain.rules.diff import diff
from domain.rules.match import table_in_scope
from tests.contract.connectors.systems import System, connector_of, table_named

GOLDEN = Path(__file__).parent / "golden"
DEADLINE_S = 30.0


def request(
    mode: SyncMode = SyncMode.FULL,
    scope: DiscoveryScope | None = None,
    known: dict[str, str] | None = None,
    batch_tables: int = 200,
) -> DiscoveryRequest:
    return DiscoveryRequest(
        mode, scope or DiscoveryScope(), known or {}, statement_timeout_s=10.0, batch_tables=batch_tables
    )


async def discover(system: System, asked: DiscoveryRequest) -> list[DiscoveryBatch]:
    async with (
        connector_of(system).open(system.target, system.dialer, deadline_s=DEADLINE_S) as session,
        aclosing(session.discover(asked)) as batches,
    ):
        return [batch async for batch in batches]


def found_in(batches: list[DiscoveryBatch]) -> dict[str, FoundTable]:
    return {fqn.join(found.table.path): found for batch in batches for found in batch.found}


async def shop(system: System) -> dict[str, Table]:
    """The shop's tables by their own name."""
    found = found_in(await discover(system, request()))
    return {one.table.path[-1]: one.table for one in found.values() if one.table.path[:-1] == system.namespace}


@pytest.fixture
def needs(system: System) -> Callable[[str], bool]:
    """Whether the connector says that it can; a claim that the test then holds it to, either way."""
    said = {capability.name: capability.available for capability in connector_of(system).spec.capabilities}
    return lambda name: said[name]


async def test_finds_what_is_there(system: System, update_golden: bool):
    batches = await discover(system, request())
    tables = sorted((system.comparable(one.table) for one in found_in(batches).values()), key=lambda table: table.path)
    text = msgspec.json.format(msgspec.json.encode({"tables": tables}), indent=1).decode() + "\n"
    golden = GOLDEN / system.golden
    if update_golden:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, "utf-8")
    if not golden.exists():
        pytest.skip(f"{golden.name} was never written: pytest tests/contract/connectors --update-golden")
    assert text == golden.read_text("utf-8")
    assert [batch.unreadable for batch in batches if batch.unreadable] == []


async def test_the_first_batch_lists_everything_and_all_are_bounded(system: System):
    batches = await discover(system, request(batch_tables=3))
    listed = batches[0].listed
    assert set(listed) == {found.table.path for found in found_in(batches).values()}
    assert len(listed) == len(set(listed)) == sum(len(batch.found) for batch in batches) > 9
    assert system.namespace in {namespace.path for namespace in batches[0].namespaces}
    assert {path[:-1] for path in listed} <= {namespace.path for namespace in batches[0].namespaces}
    assert all(len(batch.found) + len(batch.unchanged) <= 3 for batch in batches)
    assert not any(batch.listed or batch.namespaces for batch in batches[1:])


async def test_discovering_twice_gives_equal_results(system: System):
    first = found_in(await discover(system, request()))
    second = found_in(await discover(system, request(batch_tables=2)))
    assert first.keys() == second.keys()
    for name, one in first.items():
        assert diff(one.table, second[name].table) == ()
        assert one.table == second[name].table
        assert one.signature is not None
        assert one.signature == second[name].signature


async def test_what_is_found_is_in_the_promised_order(system: System):
    for one in found_in(await discover(system, request())).values():
        table = one.table
        assert [column.ordinal for column in table.columns] == sorted({column.ordinal for column in table.columns})
        assert [index.name for index in table.indexes] == sorted(index.name for index in table.indexes)
        assert [key.name for key in table.constraints] == sorted(key.name for key in table.constraints)
        assert all(len(column.path) == 1 for column in table.columns)


async def test_incremental_leaves_out_what_did_not_change(system: System):
    first = found_in(await discover(system, request()))
    known = {name: one.signature for name, one in first.items() if one.signature is not None}
    batches = await discover(system, request(SyncMode.INCREMENTAL, known=known))
    assert found_in(batches) == {}
    unchanged = {fqn.join(one.path): one.statistics for batch in batches for one in batch.unchanged}
    assert unchanged == {name: one.statistics for name, one in first.items()}
    assert {fqn.join(path) for path in batches[0].listed} == set(known)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE {shipments} ADD COLUMN carrier VARCHAR(10) DEFAULT 'post'",
        "ALTER TABLE {shipments} RENAME COLUMN weight_kg TO weight",
        "ALTER TABLE {shipments} DROP COLUMN weight_kg",
        "CREATE INDEX shipments_by_day ON {shipments} (sent_at)",
    ],
)
async def test_incremental_finds_only_what_changed(system: System, change: str):
    first = found_in(await discover(system, request()))
    known = {name: one.signature for name, one in first.items() if one.signature is not None}
    await system.execute(change.format(shipments=system.quoted("shipments")))
    batches = await discover(system, request(SyncMode.INCREMENTAL, known=known))
    name = fqn.join(table_named(system, "shipments"))
    found = found_in(batches)
    assert set(found) == {name}
    assert diff(first[name].table, found[name].table) != ()
    assert {fqn.join(one.path) for batch in batches for one in batch.unchanged} == set(known) - {name}


async def test_a_full_discovery_ignores_what_is_known(system: System):
    first = found_in(await discover(system, request()))
    known = {name: one.signature for name, one in first.items() if one.signature is not None}
    assert found_in(await discover(system, request(known=known))).keys() == first.keys()


@pytest.mark.parametrize(
    ("include", "exclude"),
    [
        (("*.orders",), ()),
        (("*.order*", '*."order*'), ("*.orders",)),
        ((), ("*.*er*",)),
        (("*customers",), ()),
        (("nothing.*",), ()),
        ((), ("*",)),
    ],
)
async def test_only_what_is_in_scope_is_listed(system: System, include: tuple[str, ...], exclude: tuple[str, ...]):
    scope = DiscoveryScope(include, exclude)
    everything = found_in(await discover(system, request()))
    batches = await discover(system, request(SyncMode.SELECTIVE, scope=scope))
    expected = {one.table.path for one in everything.values() if table_in_scope(one.table.path, scope)}
    assert set(batches[0].listed) == expected
    assert {one.table.path for one in found_in(batches).values()} == expected


async def test_tables_beyond_the_limit_are_listed_and_not_read(system: System):
    batches = await discover(system, request(scope=DiscoveryScope(max_tables=4)))
    found = {one.table.path for one in found_in(batches).values()}
    assert len(found) == 4
    assert len(batches[0].listed) > 9
    unread = {one.path for batch in batches for one in batch.unreadable}
    assert unread == set(batches[0].listed) - found


async def test_the_deadline_ends_a_session(system: System):
    started_s = asyncio.get_running_loop().time()
    with pytest.raises(Unreachable) as caught:  # noqa: PT012 -- any of these may be where it ends
        async with (
            connector_of(system).open(system.target, system.dialer, deadline_s=0.5) as session,
            aclosing(session.discover(request(batch_tables=1))) as batches,
        ):
            await anext(batches)
            await asyncio.sleep(0.6)
            async for _ in batches:
                pass
    assert caught.value.problem.code == "TIMED_OUT"
    assert asyncio.get_running_loop().time() - started_s < 1.6
    assert await settled(system) == []


async def test_no_time_at_all_is_an_error_too(system: System):
    with pytest.raises(Unreachable) as caught:
        async with connector_of(system).open(system.target, system.dialer, deadline_s=0.0):
            pass
    assert caught.value.problem.code == "TIMED_OUT"
    assert await settled(system) == []


async def test_where_nothing_is_open_says_so(system: System):
    with pytest.raises(Unreachable) as caught:
        async with connector_of(system).open(system.absent, system.dialer, deadline_s=5.0):
            pass
    problem = caught.value.problem
    assert problem.phase in {"resolve", "connect"}
    assert not any(word in str(problem) for word in system.confidential)


async def test_cancelling_leaves_nothing_behind(system: System):
    before = asyncio.all_tasks()
    reached = asyncio.Event()

    async def run() -> None:
        async with (
            connector_of(system).open(system.target, system.dialer, deadline_s=DEADLINE_S) as session,
            aclosing(session.discover(request(batch_tables=1))) as batches,
        ):
            await anext(batches)
            reached.set()
            async for _ in batches:
                pass

    task = asyncio.create_task(run())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await settled(system) == []
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("after_s", [0.0, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016])
async def test_cancelling_at_any_moment_leaves_nothing_behind(system: System, after_s: float):
    before = asyncio.all_tasks()
    task = asyncio.create_task(discover(system, request(batch_tables=1)))
    await asyncio.sleep(after_s)
    task.cancel()
    await asyncio.wait([task])
    assert await settled(system) == []
    assert asyncio.all_tasks() == before


async def test_leaving_early_leaves_nothing_behind(system: System):
    async with (
        connector_of(system).open(system.target, system.dialer, deadline_s=DEADLINE_S) as session,
        aclosing(session.discover(request(batch_tables=1))) as batches,
    ):
        await anext(batches)
        await anext(batches)
    assert await settled(system) == []


async def test_two_sessions_do_not_disturb_each_other(system: System):
    one, other = await asyncio.gather(discover(system, request(batch_tables=1)), discover(system, request()))
    assert found_in(one) == found_in(other)


async def test_columns(system: System):
    tables = await shop(system)
    lines = {column.path[0]: column for column in tables["order lines"].columns}
    assert list(lines) == ["order_id", "line_no", "sku", "quantity", "unit_price", "line_total"]
    assert lines["sku"].data_type is DataTypeFamily.TEXT
    assert lines["unit_price"].data_type is DataTypeFamily.DECIMAL
    assert not lines["quantity"].nullable
    assert lines["quantity"].default == "1"
    assert [column.path[0] for column in tables["group"].columns] == ["order", "primary", 'he said "hi"']
    assert tables["audit.log"].columns[1].nullable


async def test_keys(system: System, needs: Callable[[str], bool]):
    tables = await shop(system)
    assert _only(tables["order lines"], ConstraintKind.PRIMARY_KEY).columns == ("order_id", "line_no")
    assert _only(tables["Preis-Änderungen"], ConstraintKind.PRIMARY_KEY).columns == ("gültig ab", "sku")
    assert not any(key.kind is ConstraintKind.PRIMARY_KEY for key in tables["audit.log"].constraints)
    uniques = [key.columns for key in tables["categories"].constraints if key.kind is ConstraintKind.UNIQUE]
    assert uniques == ([("parent_id", "name")] if needs("unique_constraints") else [])


async def test_foreign_keys(system: System, needs: Callable[[str], bool]):
    tables = await shop(system)
    if not needs("foreign_keys"):
        assert not any(key.references for table in tables.values() for key in table.constraints)
        return
    line = _only(tables["shipments"], ConstraintKind.FOREIGN_KEY)
    assert line.name == "shipments_line_fkey"
    assert line.columns == ("order_id", "line_no")
    assert line.references is not None
    assert line.references.table_path == table_named(system, "order lines")
    assert line.references.columns == ("order_id", "line_no")  # not named where the key was declared
    assert line.references.on_delete is ReferentialAction.CASCADE
    assert line.references.on_update is ReferentialAction.NO_ACTION
    itself = _only(tables["customers"], ConstraintKind.FOREIGN_KEY).references
    assert itself is not None
    assert itself.table_path == tables["customers"].path
    assert itself.on_delete is ReferentialAction.SET_NULL


async def test_check_constraints(system: System, needs: Callable[[str], bool]):
    tables = await shop(system)
    checks = [key for key in tables["customers"].constraints if key.kind is ConstraintKind.CHECK]
    assert [key.name for key in checks] == (["customers_email_check"] if needs("check_constraints") else [])
    assert all(key.expression and "_%@_%" in key.expression and key.columns == ("email",) for key in checks)


async def test_indexes(system: System, needs: Callable[[str], bool]):
    tables = await shop(system)
    indexes = {index.name: index for table in tables.values() for index in table.indexes}
    if not needs("indexes"):
        assert indexes == {}
        return
    assert indexes["customers by name & country"].unique
    assert indexes["customers by name & country"].columns == ("full name", "country", "joined_on")
    assert indexes["orders_newest"].columns == ("placed_at", "customer_id")
    assert not indexes["orders_newest"].unique
    assert indexes["orders_newest"].predicate is None
    predicate = indexes["orders_open"].predicate
    assert predicate is not None
    assert "'paid'" in predicate
    (expression,) = indexes["products_by_name"].columns
    assert expression.startswith("lower(")


async def test_generated_columns(system: System, needs: Callable[[str], bool]):
    tables = await shop(system)
    price = next(column for column in tables["products"].columns if column.path == ("price_with_tax",))
    if needs("generated_columns"):
        assert price.generated is not None
        assert price.generated.startswith("ALWAYS AS (")
        assert price.generated.endswith(") STORED")
        assert "tax_rate" in price.generated
    else:
        assert price.generated is None


async def test_views(system: System, needs: Callable[[str], bool]):
    tables = await shop(system)
    assert needs("views")
    view = tables["active_customers"]
    assert view.kind is TableKind.VIEW
    assert [column.path[0] for column in view.columns] == ["id", "email", "full name", "country"]
    assert view.definition is not None
    assert "is_active" in view.definition
    materialized = [name for name, table in tables.items() if table.kind is TableKind.MATERIALIZED_VIEW]
    assert materialized == (["orders per month"] if needs("materialized_views") else [])


async def test_comments_and_enums(system: System, needs: Callable[[str], bool]):
    tables = await shop(system)
    comments = [tables["customers"].comment, tables["customers"].columns[2].comment]
    assert all(comments) if needs("comments") else not any(comments)
    status = next(column for column in tables["orders"].columns if column.path == ("status",))
    assert status.enum_values == (("new", "paid", "shipped", "returned") if needs("enum_values") else None)


async def test_counts(system: System, needs: Callable[[str], bool]):
    found = found_in(await discover(system, request()))
    counts = {one.table.path[-1]: one.statistics.row_count for one in found.values()}
    orders = counts["orders"]
    if needs("exact_row_counts"):
        assert orders is not None
        assert (orders.value, orders.exact) == (300, True)
    else:
        assert orders is None or not orders.exact


def _only(table: Table, kind: ConstraintKind) -> Constraint:
    (found,) = (key for key in table.constraints if key.kind is kind)
    return found


async def settled(system: System) -> list[str]:
    """What is still there after the moment that a server takes to notice that a connection has gone."""
    for _ in range(20):
        if not (left := await system.leftovers()):
            break
        await asyncio.sleep(0.05)
    return left
