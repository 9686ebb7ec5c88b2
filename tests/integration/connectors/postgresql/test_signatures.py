"""INCREMENTAL: exactly the tables that would read differently are read again, whatever was altered."""

import pytest

from domain.models.discovery import DiscoveryBatch
from domain.models.operation import SyncMode
from domain.rules import fqn
from tests.integration.connectors.postgresql.support import discover, found, target
from tests.servers.postgresql import PostgresqlDatabase

SHOP = """
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE TYPE address AS (street text);
CREATE FUNCTION twice(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE SEQUENCE numbers;
CREATE TABLE customer (id bigint PRIMARY KEY, name text NOT NULL DEFAULT 'x', mood mood, score positive, home address);
CREATE SCHEMA sales;
CREATE TABLE sales.orders (
    id bigint PRIMARY KEY DEFAULT nextval('numbers'), customer bigint CONSTRAINT of_customer REFERENCES customer,
    amount integer CHECK (twice(amount) > 0), doubled integer GENERATED ALWAYS AS (amount * 2) STORED
);
CREATE INDEX by_twice ON sales.orders (twice(amount));
CREATE VIEW best AS SELECT c.name, twice(c.score) AS twice FROM customer c;
CREATE MATERIALIZED VIEW sums AS SELECT customer, sum(amount) AS total FROM sales.orders GROUP BY customer;
CREATE TABLE measurement (taken date) PARTITION BY RANGE (taken);
CREATE TABLE measurement_1 PARTITION OF measurement FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE plain (a int);
"""
ALL = {"best", "customer", "measurement", "orders", "plain", "sums"}


def _signatures(batches: list[DiscoveryBatch]) -> dict[str, str]:
    known = {}
    for table in found(batches).values():
        assert table.signature is not None
        known[fqn.join(table.table.path)] = table.signature
    return known


@pytest.mark.parametrize(
    ("statement", "changed"),
    [
        # of the table itself
        ("ALTER TABLE customer ADD COLUMN more int", {"customer"}),
        ("ALTER TABLE plain RENAME COLUMN a TO b", {"plain"}),
        ("ALTER TABLE plain DROP COLUMN a", {"plain"}),
        ("ALTER TABLE plain ALTER COLUMN a TYPE bigint", {"plain"}),
        ("ALTER TABLE plain ALTER COLUMN a SET NOT NULL", {"plain"}),
        ("ALTER TABLE plain ALTER COLUMN a SET DEFAULT 1", {"plain"}),
        ("ALTER TABLE customer ALTER COLUMN name SET DEFAULT 'y'", {"customer"}),
        ("ALTER TABLE customer ALTER COLUMN name DROP DEFAULT", {"customer"}),
        ("ALTER TABLE customer ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY", {"customer"}),
        ("CREATE TABLE heir () INHERITS (plain)", {"heir"}),
        ("ALTER TABLE sales.orders ALTER COLUMN doubled DROP EXPRESSION", {"orders"}),
        ("ALTER TABLE plain RENAME TO simple", {"simple"}),
        ("ALTER TABLE plain SET SCHEMA sales", {"plain"}),
        ("ALTER TABLE plain SET UNLOGGED", {"plain"}),
        ("COMMENT ON TABLE plain IS 'x'", {"plain"}),
        ("COMMENT ON COLUMN plain.a IS 'x'", {"plain"}),
        ("COMMENT ON VIEW best IS 'x'", {"best"}),
        ("CREATE INDEX ON plain (a)", {"plain"}),
        ("DROP INDEX sales.by_twice", {"orders"}),
        ("ALTER INDEX sales.by_twice RENAME TO by_double", {"orders"}),
        ("CREATE UNIQUE INDEX ON sums (customer)", {"sums"}),
        ("ALTER TABLE plain ADD CHECK (a > 0)", {"plain"}),
        ("ALTER TABLE sales.orders DROP CONSTRAINT of_customer", {"orders"}),
        ("ALTER TABLE sales.orders RENAME CONSTRAINT of_customer TO belongs", {"orders"}),
        ("ALTER TABLE plain ADD PRIMARY KEY (a)", {"plain"}),
        ("CREATE OR REPLACE VIEW best AS SELECT c.name, 1 AS twice FROM customer c", {"best"}),
        ("CREATE TABLE m2 PARTITION OF measurement FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')", {"measurement"}),
        ("DROP TABLE measurement_1", {"measurement"}),
        ("ALTER TABLE measurement DETACH PARTITION measurement_1", {"measurement", "measurement_1"}),
        ("DROP TABLE plain; CREATE TABLE plain (a text)", {"plain"}),
        ("DROP VIEW best; CREATE TABLE best (name text, twice integer)", {"best"}),
        # of what it refers to by name
        ("ALTER TABLE customer RENAME TO client", {"client", "orders", "best"}),
        ("ALTER TABLE customer RENAME COLUMN id TO key", {"customer", "orders"}),
        ("ALTER TABLE customer RENAME COLUMN name TO title", {"customer", "best"}),
        ("ALTER TABLE customer SET SCHEMA sales", {"customer", "orders", "best"}),
        ("ALTER SCHEMA sales RENAME TO sold", {"orders", "sums"}),
        ("ALTER TYPE mood ADD VALUE 'great'", {"customer"}),
        ("ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'", {"customer"}),
        ("ALTER TYPE mood RENAME TO feeling", {"customer"}),
        ("ALTER TYPE mood SET SCHEMA sales", {"customer"}),
        ("ALTER DOMAIN positive RENAME TO above_zero", {"customer"}),
        ("ALTER DOMAIN positive SET NOT NULL", {"customer"}),
        ("ALTER TYPE address RENAME TO place", {"customer"}),
        ("ALTER FUNCTION twice(integer) RENAME TO double", {"orders", "best"}),
        ("ALTER SEQUENCE numbers RENAME TO counter", {"orders"}),
        # of nothing that is read
        ("INSERT INTO customer (id) SELECT generate_series(1, 1000); ANALYZE", set()),
        ("TRUNCATE plain; ALTER TABLE plain SET (fillfactor = 50); GRANT SELECT ON plain TO PUBLIC", set()),
        ("REINDEX TABLE sales.orders; CLUSTER sales.orders USING orders_pkey", set()),
        ("REFRESH MATERIALIZED VIEW sums", set()),
    ],
)
async def test_what_an_alteration_changes(
    statement: str, changed: set[str], postgresql_database: PostgresqlDatabase
) -> None:
    await postgresql_database.execute(SHOP)
    at = target(postgresql_database)
    first = await discover(at)
    known = _signatures(first)
    await postgresql_database.execute(statement)

    second = await discover(at, mode=SyncMode.INCREMENTAL, known=known)
    assert {table.table.path[-1] for table in found(second).values()} == changed
    unchanged = {table.path for batch in second for table in batch.unchanged}
    listed = {path for batch in second for path in batch.listed}
    assert len(unchanged) + len(changed) == len(listed)

    # What the server sums up is what we sum up, and what is called unchanged would read the same.
    full = found(await discover(at))
    before = found(first)
    for path in unchanged:
        name = ".".join(path[1:])
        assert full[name].table == before[name].table
        assert full[name].signature == known[fqn.join(path)]
    for name, table in found(second).items():
        assert full[name] == table
        assert name not in before or before[name].table != table.table


async def test_statistics_of_unchanged_tables_are_read(postgresql_database: PostgresqlDatabase) -> None:
    await postgresql_database.execute(SHOP)
    known = _signatures(await discover(target(postgresql_database)))
    await postgresql_database.execute("INSERT INTO plain SELECT generate_series(1, 500); ANALYZE plain")
    batches = await discover(target(postgresql_database), mode=SyncMode.INCREMENTAL, known=known)
    (plain,) = [table for batch in batches for table in batch.unchanged if table.path[-1] == "plain"]
    assert plain.statistics.row_count is not None
    assert plain.statistics.row_count.value == 500
    assert plain.statistics.size_bytes is not None


async def test_unknown_signatures_and_other_modes_read_everything(postgresql_database: PostgresqlDatabase) -> None:
    await postgresql_database.execute(SHOP)
    at = target(postgresql_database)
    known = _signatures(await discover(at))
    for mode, signatures in (
        (SyncMode.INCREMENTAL, dict.fromkeys(known, "another")),
        (SyncMode.INCREMENTAL, {}),
        (SyncMode.FULL, known),
        (SyncMode.SELECTIVE, known),
    ):
        batches = await discover(at, mode=mode, known=signatures)
        assert {table.table.path[-1] for table in found(batches).values()} == ALL
