"""What a PostgreSQL database says of itself, asked in other ways than Headwater asks.

By the SQL standard's views (information_schema), the views for administrators (pg_indexes, pg_matviews) and the
definitions that the server writes out for people (pg_get_constraintdef), table by table, and read here.
"""

import re
from typing import Any

import asyncpg

from tests.samples.statements import Path, Statement, Statements, closing, fqn, split_top
from tests.samples.walk import bare_generated
from tests.servers.postgresql import PostgresqlDatabase

_SCHEMAS = """
SELECT schema_name AS name, obj_description(quote_ident(schema_name)::regnamespace) AS comment
FROM information_schema.schemata
WHERE schema_name NOT IN ('information_schema', 'pg_catalog', 'pg_toast')
  AND NOT starts_with(schema_name, 'pg_temp_') AND NOT starts_with(schema_name, 'pg_toast_temp_')
"""
# A partition is seen through its parent only.
_TABLES = """
SELECT name, kind, obj_description(oid, 'pg_class') AS comment, definition, is_filled, oid::text AS oid_text,
       pg_get_partkeydef(oid) AS partition_key,
       (SELECT count(*) FROM pg_partition_tree(oid) WHERE isleaf AND relid <> oid) AS partitions
FROM (
    SELECT table_name::text AS name, NULL::text AS definition, true AS is_filled,
           CASE table_type WHEN 'FOREIGN' THEN 'FOREIGN_TABLE' ELSE 'TABLE' END AS kind,
           (quote_ident(table_schema) || '.' || quote_ident(table_name))::regclass AS oid
    FROM information_schema.tables WHERE table_schema = $1 AND table_type <> 'VIEW'
    UNION ALL
    SELECT table_name, view_definition, true, 'VIEW',
           (quote_ident(table_schema) || '.' || quote_ident(table_name))::regclass
    FROM information_schema.views WHERE table_schema = $1
    UNION ALL
    SELECT matviewname, definition, ispopulated, 'MATERIALIZED_VIEW',
           (quote_ident(schemaname) || '.' || quote_ident(matviewname))::regclass
    FROM pg_matviews WHERE schemaname = $1
) AS listed
WHERE NOT EXISTS (SELECT FROM pg_partition_ancestors(oid) WHERE relid <> oid)
"""
# The standard's view knows no materialized views.
_COLUMNS = """
SELECT column_name::text AS name, ordinal_position::int AS ordinal, is_nullable = 'YES' AS nullable, column_default,
       identity_generation, generation_expression
FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2
UNION ALL
SELECT attname, attnum, true, NULL, NULL, NULL
FROM pg_attribute
WHERE attrelid = (SELECT format('%I.%I', schemaname, matviewname)::regclass FROM pg_matviews
                  WHERE schemaname = $1 AND matviewname = $2)
  AND attnum > 0 AND NOT attisdropped
"""
_TYPE = """
SELECT format_type(atttypid, atttypmod) AS spelled, atttypid AS type_oid, col_description(attrelid, attnum) AS comment
FROM pg_attribute WHERE attrelid = format('%I.%I', $1::text, $2::text)::regclass AND attnum = $3
"""
_CONSTRAINTS = """
SELECT conname::text AS name, contype::text AS kind, pg_get_constraintdef(oid) AS text
FROM pg_constraint
WHERE conrelid = format('%I.%I', $1::text, $2::text)::regclass AND contype IN ('p', 'u', 'f', 'c', 'x')
  AND conparentid = 0
"""
# A check depends on the columns that it names.
_CHECKED_COLUMNS = """
SELECT conname::text AS name, array_agg(DISTINCT attname::text) AS columns
FROM pg_depend d JOIN pg_constraint con ON con.oid = d.objid
JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
WHERE d.classid = 'pg_constraint'::regclass AND d.refclassid = 'pg_class'::regclass AND contype = 'c'
  AND conrelid = format('%I.%I', $1::text, $2::text)::regclass AND refobjid = conrelid
GROUP BY 1
"""
_KEY_COLUMNS = """
SELECT column_name::text AS name
FROM information_schema.key_column_usage JOIN information_schema.table_constraints
    USING (constraint_schema, constraint_name, table_schema, table_name)
WHERE table_schema = $1 AND table_name = $2 AND constraint_type = 'PRIMARY KEY'
ORDER BY ordinal_position
"""
# Without any partition there is nothing to count, and a partition may lie on another server.
_IS_COUNTED = """
SELECT count(*) FILTER (WHERE isleaf AND relkind <> 'p') > 0 AND bool_and(relkind <> 'f')
FROM pg_partition_tree($1::text::regclass) JOIN pg_class ON oid = relid
"""
_FACTS = {
    "inherits": """
        SELECT string_agg(nspname || '.' || relname, ', ' ORDER BY inhseqno)
        FROM pg_inherits JOIN pg_class p ON p.oid = inhparent JOIN pg_namespace n ON n.oid = relnamespace
        WHERE inhrelid = format('%I.%I', $1::text, $2::text)::regclass
    """,
    "foreign_server": """
        SELECT foreign_server_name FROM information_schema.foreign_tables
        WHERE foreign_table_schema = $1 AND foreign_table_name = $2
    """,
    "persistence": """
        SELECT 'UNLOGGED' FROM pg_class
        WHERE relpersistence = 'u' AND oid = format('%I.%I', $1::text, $2::text)::regclass
    """,
}
_KINDS = {"p": "PRIMARY_KEY", "u": "UNIQUE", "f": "FOREIGN_KEY", "c": "CHECK", "x": "EXCLUSION"}
_NAME = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
_INDEX = re.compile(rf"CREATE (UNIQUE )?INDEX {_NAME} ON (?:ONLY )?{_NAME}\.{_NAME} USING (\w+) (\(.*)", re.DOTALL)
_FOREIGN_KEY = re.compile(rf"FOREIGN KEY \((.*?)\) REFERENCES ({_NAME})\.({_NAME})(\(.*)", re.DOTALL)
_IDENTITY = {"ALWAYS": "ALWAYS AS IDENTITY", "BY DEFAULT": "BY DEFAULT AS IDENTITY"}


async def postgresql_says(database: PostgresqlDatabase, source: str) -> Statements:
    """Everything that Headwater should have found under the name `source`."""
    connection = await database.connect()
    try:
        return await _Reading(connection, (source, database.name)).read()
    finally:
        await connection.close()


class _Reading:
    def __init__(self, connection: asyncpg.Connection, prefix: Path) -> None:
        self._connection = connection
        self._prefix = prefix
        self._said = Statements()
        self._tables: set[Path] = set()
        self._columns: dict[int, tuple[int, int, str]] = {}

    async def read(self) -> Statements:
        # The spelling of types and expressions depends on it; for keys every schema is to be named.
        await self._connection.execute("SET search_path = pg_catalog, public")
        keys: list[tuple[Path, str]] = []
        for schema in await self._connection.fetch(_SCHEMAS):
            self._say("comment", (schema["name"],), schema["comment"])
            for table in await self._connection.fetch(_TABLES, schema["name"]):
                where = (schema["name"], table["name"])
                self._tables.add(where)
                await self._read_table(where, table)
                await self._read_columns(where)
                keys += [(where, text) for text in await self._read_constraints(where)]
                await self._read_indexes(where)
        for where, text in keys:
            self._say_key(where, text)
        return self._said

    def _say(self, what: str, where: Path, value: Any) -> None:
        self._said[Statement(what, where, value)] += 1

    async def _read_table(self, where: Path, table: Any) -> None:
        self._say("kind", where, table["kind"])
        self._say("comment", where, table["comment"])
        self._say("definition", where, table["definition"])
        key = tuple(row["name"] for row in await self._connection.fetch(_KEY_COLUMNS, *where))
        self._say("primary key", where, key)
        self._key = set(key)
        if table["kind"] == "TABLE":
            is_parted = table["partition_key"] is not None
            if not is_parted or await self._connection.fetchval(_IS_COUNTED, table["oid_text"]):
                counted = f"SELECT count(*) FROM {'' if is_parted else 'ONLY '}{table['oid_text']}"
                self._say("rows", where, await self._connection.fetchval(counted))
        if table["kind"] == "MATERIALIZED_VIEW":
            # One that was never filled cannot be asked.
            counted = "SELECT count(*) FROM " + table["oid_text"] if table["is_filled"] else "SELECT 0"
            self._say("rows", where, await self._connection.fetchval(counted))
        if table["partition_key"]:
            strategy, key_text = table["partition_key"].split(" ", 1)
            self._say("fact", where, ("partition_strategy", strategy))
            self._say("fact", where, ("partition_key", key_text[1:-1]))
            self._say("fact", where, ("partitions", str(table["partitions"])))
        for name, query in _FACTS.items():
            value = await self._connection.fetchval(query, *where)
            if value is not None:
                self._say("fact", where, (name, value))

    async def _read_columns(self, where: Path) -> None:
        for row in await self._connection.fetch(_COLUMNS, *where):
            place = (*where, row["name"])
            kind = await self._connection.fetchrow(_TYPE, *where, row["ordinal"])
            base, is_not_null = await self._base_of(kind["type_oid"])
            self._say("ordinal", place, row["ordinal"])
            self._say("type", place, kind["spelled"])
            self._say("nullable", place, row["nullable"] and not is_not_null)
            self._say("default", place, row["column_default"])
            generated = _IDENTITY.get(row["identity_generation"])
            if row["generation_expression"] is not None:
                generated = bare_generated(f"ALWAYS AS ({row['generation_expression']}) STORED")
            self._say("generated", place, generated)
            self._say("comment", place, kind["comment"])
            self._say("in primary key", place, row["name"] in self._key)
            self._say("enum values", place, await self._labels(base))

    async def _base_of(self, type_oid: int) -> tuple[str | None, bool]:
        """The enumeration at the bottom of domains and arrays, if it is one; whether a domain forbids NULL."""
        is_not_null = False
        while True:
            row = await self._connection.fetchrow(
                "SELECT typtype::text AS kind, typbasetype, typnotnull, typelem, typcategory::text AS category,"
                " format('%I.%I', nspname, typname) AS spelled"
                " FROM pg_type JOIN pg_namespace n ON n.oid = typnamespace WHERE pg_type.oid = $1",
                type_oid,
            )
            if row["kind"] == "e":
                return row["spelled"], is_not_null
            if row["kind"] == "d":
                type_oid, is_not_null = row["typbasetype"], is_not_null or row["typnotnull"]
            elif row["category"] == "A" and row["typelem"]:
                element, _ = await self._base_of(row["typelem"])
                return element, is_not_null
            else:
                return None, is_not_null

    async def _labels(self, enumeration: str | None) -> tuple[str, ...] | None:
        if enumeration is None:
            return None
        return tuple(await self._connection.fetchval(f"SELECT enum_range(NULL::{enumeration})::text[]"))

    async def _read_constraints(self, where: Path) -> list[str]:
        """Says all, and gives back the foreign keys."""
        checked = {row["name"]: row["columns"] for row in await self._connection.fetch(_CHECKED_COLUMNS, *where)}
        keys = []
        await self._connection.execute("SET search_path = pg_catalog")
        definitions = {row["name"]: row["text"] for row in await self._connection.fetch(_CONSTRAINTS, *where)}
        await self._connection.execute("SET search_path = pg_catalog, public")
        for row in await self._connection.fetch(_CONSTRAINTS, *where):
            text, expression = row["text"], None
            inside = text[text.index("(") + 1 : closing(text, text.index("("))]
            match row["kind"]:
                case "c":
                    columns, expression = tuple(sorted(checked.get(row["name"], []))), inside
                case "x":
                    columns = tuple(
                        _plain(part.rpartition(" WITH ")[0])
                        for part in split_top(inside)
                        if re.match(rf"{_NAME} WITH ", part)
                    )
                    expression = text
                case kind:
                    columns = tuple(_plain(part) for part in split_top(inside))
                    if kind == "f":
                        keys.append(definitions[row["name"]])
            self._say("constraint", where, (_KINDS[row["kind"]], row["name"], columns, expression))
        return keys

    def _say_key(self, where: Path, text: str) -> None:
        """A foreign key, as it is seen from both of its tables and all of its columns."""
        found = _FOREIGN_KEY.fullmatch(text)
        assert found, text
        target = (_plain(found[2]), _plain(found[3]))
        end = closing(found[4], 0)
        columns = tuple(_plain(part) for part in split_top(found[1]))
        to_columns = tuple(_plain(part) for part in split_top(found[4][1:end]))
        actions = re.sub(r"'[^']*'", "", found[4][end:])
        key = (
            (fqn(*self._prefix, *where), columns, columns),
            (fqn(*self._prefix, *target), to_columns, to_columns if target in self._tables else None),
            _action(actions, "DELETE"),
            _action(actions, "UPDATE"),
        )
        for table in {where, target} & self._tables:
            self._say("relationship", table, ("DECLARED", *key))
        for column in columns:
            self._say("reference", (*where, column), key)
        if target in self._tables:
            for column in to_columns:
                self._say("referenced by", (*target, column), key)

    async def _read_indexes(self, where: Path) -> None:
        rows = await self._connection.fetch(
            "SELECT indexname::text AS name, indexdef AS text FROM pg_indexes WHERE schemaname = $1 AND tablename = $2",
            *where,
        )
        for row in rows:
            found = _INDEX.fullmatch(row["text"])
            assert found, row["text"]
            end = closing(found[3], 0)
            columns = tuple(_key_of(part) for part in split_top(found[3][1:end]))
            _, _, predicate = found[3][end + 1 :].partition(" WHERE ")
            self._say("index", where, (row["name"], bool(found[1]), columns, found[2], predicate or None))


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _key_of(part: str) -> str:
    """A key of an index without its order, collation and operator class: a name, a call or `(an expression)`."""
    if part.startswith("("):
        return part[: closing(part, 0) + 1]
    found = re.match(rf"{_NAME}(?:\.{_NAME})?", part)
    assert found, part
    if part[found.end() : found.end() + 1] == "(":
        return part[: closing(part, found.end()) + 1]
    return _plain(found[0])


def _action(text: str, event: str) -> str:
    found = re.search(rf"ON {event} (CASCADE|RESTRICT|SET NULL|SET DEFAULT)", text)
    return found[1].replace(" ", "_") if found else "NO_ACTION"
