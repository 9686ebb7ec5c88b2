"""What is asked of a PostgreSQL server. Everything works on versions 12 to 18 unless a line says otherwise.

`SETTINGS` fixes how names, types and expressions are spelled, so that the same catalog reads the same for every role.
The search path has `pg_catalog` first, and no function or operator takes arguments that would make the server prefer a
look-alike in `public`: polymorphic functions are written with their schema or as array constructors.

A *detail* statement takes the oids of some tables ($1) and gives rows that belong to them (`table_oid`). `with_hash`
adds a hash to each row of it, `signatures` sums these hashes up per table on the server: a table's signature covers by
construction exactly what is read of it. (Row versions, `xmin`, would not: they miss a renamed type or function inside
an expression, and move with every GRANT, TRUNCATE and CLUSTER.)
"""

# https://www.postgresql.org/docs/12/runtime-config-client.html — as pg_dump does, so that texts do not depend on who
# asks. jit, parallel workers: getting ready would take longer than the work, and they are the server's own to use.
SETTINGS = """
SET LOCAL search_path = pg_catalog, public;
SET LOCAL quote_all_identifiers = off;
SET LOCAL datestyle = 'ISO, MDY';
SET LOCAL intervalstyle = 'postgres';
SET LOCAL timezone = 'UTC';
SET LOCAL bytea_output = 'hex';
SET LOCAL jit = off;
SET LOCAL max_parallel_workers_per_gather = 0;
SET LOCAL lock_timeout = {lock_timeout_ms:d};
SET LOCAL statement_timeout = {statement_timeout_ms:d};
SET LOCAL idle_in_transaction_session_timeout = 0
"""

# https://www.postgresql.org/docs/12/functions-info.html
SERVER = """
SELECT pg_catalog.current_database()::text AS database,
       pg_catalog.current_setting('server_version') AS version,
       pg_catalog.current_setting('server_version_num')::int AS version_number,
       pg_catalog.current_setting('max_connections')::int AS max_connections,
       pg_catalog.current_setting('superuser_reserved_connections')::int AS reserved_connections,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       pg_catalog.current_setting('is_superuser') = 'on' AS is_superuser
"""

# https://www.postgresql.org/docs/12/monitoring-stats.html#PG-STAT-ACTIVITY-VIEW
# Of other roles' sessions an ordinary role sees that they are there, but not their backend_type.
CONNECTIONS_IN_USE = """
SELECT pg_catalog.count(*)
FROM pg_catalog.pg_stat_activity
WHERE datid IS NOT NULL AND (backend_type IS NULL OR backend_type = 'client backend')
"""

# https://www.postgresql.org/docs/12/functions-info.html#FUNCTIONS-INFO-ACCESS-TABLE
SCHEMA_PRIVILEGES = """
SELECT n.nspname::text AS name,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS usable,
       pg_catalog.count(c.oid) AS tables,
       pg_catalog.count(c.oid) FILTER (WHERE pg_catalog.has_table_privilege(c.oid, 'SELECT')) AS selectable
FROM pg_catalog.pg_namespace n
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname::text !~ '^pg_(toast|temp_|toast_temp_)'::text
GROUP BY n.oid, n.nspname
ORDER BY n.nspname
LIMIT $1
"""

# What the statements below read; a hardened server may have revoked some of it from PUBLIC.
CATALOGS = (
    "pg_am", "pg_attrdef", "pg_attribute", "pg_class", "pg_constraint", "pg_description", "pg_enum",
    "pg_foreign_server", "pg_foreign_table", "pg_index", "pg_inherits", "pg_namespace", "pg_type",
)  # fmt: skip

# https://www.postgresql.org/docs/12/functions-info.html#FUNCTIONS-INFO-ACCESS-TABLE
UNREADABLE_CATALOGS = """
SELECT name
FROM pg_catalog.unnest($1::text[]) AS name
WHERE NOT pg_catalog.has_table_privilege('pg_catalog.' || name, 'SELECT')
"""

# https://www.postgresql.org/docs/12/catalog-pg-namespace.html
NAMESPACES = """
SELECT n.oid, n.nspname::text AS name, pg_catalog.obj_description(n.oid, 'pg_namespace') AS comment
FROM pg_catalog.pg_namespace n
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname::text !~ '^pg_(toast|temp_|toast_temp_)'::text
ORDER BY n.nspname
LIMIT $1
"""

# https://www.postgresql.org/docs/12/catalog-pg-class.html — partitions (relispartition) are folded under their parent.
TABLES = """
SELECT c.oid, c.relnamespace AS namespace_oid, c.relname::text AS name, c.relnatts::int AS columns
FROM pg_catalog.pg_class c
WHERE c.relnamespace = ANY ($1::oid[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
LIMIT $2
"""

# https://www.postgresql.org/docs/12/catalog-pg-class.html, catalog-pg-partitioned-table.html
# A sub-partitioned table counts through its leaves, which hold the rows.
RELATIONS = """
SELECT c.oid AS table_oid, c.relkind::text AS kind, c.relpersistence::text AS persistence,
       pg_catalog.left(pg_catalog.obj_description(c.oid, 'pg_class'), 100000) AS comment,
       CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.left(pg_catalog.pg_get_viewdef(c.oid), 1000000)
       END AS definition,
       CASE WHEN c.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) END AS partition_key,
       CASE WHEN c.relkind = 'p' THEN (
           WITH RECURSIVE member AS (
               SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid
               UNION ALL
               SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN member m ON i.inhparent = m.inhrelid)
           SELECT pg_catalog.count(*)
           FROM member m JOIN pg_catalog.pg_class leaf ON leaf.oid = m.inhrelid
           WHERE leaf.relkind <> 'p') END AS partitions,
       CASE WHEN c.relkind IN ('r', 'f') THEN ARRAY(
           SELECT pn.nspname::text || '.' || p.relname::text
           FROM pg_catalog.pg_inherits i
           JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
           JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
           WHERE i.inhrelid = c.oid
           ORDER BY i.inhseqno) END AS inherits,
       fs.srvname::text AS foreign_server
FROM pg_catalog.pg_class c
LEFT JOIN pg_catalog.pg_foreign_table ft ON ft.ftrelid = c.oid
LEFT JOIN pg_catalog.pg_foreign_server fs ON fs.oid = ft.ftserver
WHERE c.oid = ANY ($1::oid[])
"""

# https://www.postgresql.org/docs/12/catalog-pg-attribute.html (attgenerated: 12), catalog-pg-type.html,
# catalog-pg-enum.html
# `base` leads from each domain, also one over another domain, to the type under all of them.
COLUMNS = """
WITH RECURSIVE step AS (
    SELECT t.oid AS domain_oid, t.typbasetype AS type_oid, t.typnotnull AS not_null
    FROM pg_catalog.pg_type t WHERE t.typtype = 'd'
    UNION ALL
    SELECT s.domain_oid, t.typbasetype, s.not_null OR t.typnotnull
    FROM step s JOIN pg_catalog.pg_type t ON t.oid = s.type_oid WHERE t.typtype = 'd'
), base AS (
    SELECT s.domain_oid, s.type_oid, s.not_null
    FROM step s JOIN pg_catalog.pg_type t ON t.oid = s.type_oid WHERE t.typtype <> 'd'
)
SELECT a.attrelid AS table_oid, a.attnum::int AS ordinal, a.attname::text AS name,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS native_type,
       t.typname::text AS type_name, t.typtype::text AS type_kind, t.typcategory::text AS type_category,
       NOT (a.attnotnull OR coalesce(base.not_null, false)) AS nullable,
       pg_catalog.left(pg_catalog.pg_get_expr(d.adbin, d.adrelid), 100000) AS expression,
       a.attidentity::text AS identity, a.attgenerated::text AS generated,
       pg_catalog.left(de.description, 100000) AS comment,
       CASE WHEN coalesce(e.typtype, t.typtype) = 'e' THEN ARRAY(
           SELECT en.enumlabel::text FROM pg_catalog.pg_enum en
           WHERE en.enumtypid = coalesce(e.oid, t.oid) ORDER BY en.enumsortorder) END AS enum_values
FROM pg_catalog.pg_attribute a
LEFT JOIN base ON base.domain_oid = a.atttypid
JOIN pg_catalog.pg_type t ON t.oid = coalesce(base.type_oid, a.atttypid)
LEFT JOIN base element ON element.domain_oid = t.typelem
LEFT JOIN pg_catalog.pg_type e ON t.typcategory = 'A' AND e.oid = coalesce(element.type_oid, t.typelem)
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_catalog.pg_description de
       ON de.objoid = a.attrelid AND de.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND de.objsubid = a.attnum
WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
"""

# https://www.postgresql.org/docs/12/catalog-pg-constraint.html
# Not here: NOT NULL constraints of version 18 (contype n), and what a key towards a partitioned table repeats for each
# of its partitions (conparentid).
CONSTRAINTS = """
SELECT con.conrelid AS table_oid, con.conname::text AS name, con.contype::text AS kind,
       ARRAY(SELECT a.attname::text
             FROM ROWS FROM (pg_catalog.unnest(con.conkey)) WITH ORDINALITY AS k (attnum, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = k.attnum
             ORDER BY k.place) AS columns,
       CASE con.contype WHEN 'c' THEN pg_catalog.left(pg_catalog.pg_get_expr(con.conbin, con.conrelid), 100000)
                        WHEN 'x' THEN pg_catalog.left(pg_catalog.pg_get_constraintdef(con.oid), 100000)
       END AS expression,
       fn.nspname::text AS referenced_namespace, f.relname::text AS referenced_table,
       ARRAY(SELECT a.attname::text
             FROM ROWS FROM (pg_catalog.unnest(con.confkey)) WITH ORDINALITY AS k (attnum, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = con.confrelid AND a.attnum = k.attnum
             ORDER BY k.place) AS referenced_columns,
       con.confdeltype::text AS on_delete, con.confupdtype::text AS on_update
FROM pg_catalog.pg_constraint con
LEFT JOIN pg_catalog.pg_class f ON f.oid = con.confrelid AND con.contype = 'f'
LEFT JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace
WHERE con.conrelid = ANY ($1::oid[]) AND con.contype IN ('p', 'u', 'f', 'c', 'x') AND con.conparentid = 0
"""

# https://www.postgresql.org/docs/12/catalog-pg-index.html — indkey counts from 0; 0 in it stands for an expression.
# Columns that the index only includes (those behind indnkeyatts) are no part of its key and are left out.
INDEXES = """
SELECT i.indrelid AS table_oid, c.relname::text AS name, i.indisunique AS is_unique, am.amname::text AS method,
       ARRAY(SELECT coalesce(a.attname::text, pg_catalog.pg_get_indexdef(i.indexrelid, k.place, false))
             FROM pg_catalog.generate_series(1, i.indnkeyatts::int) AS k (place)
             LEFT JOIN pg_catalog.pg_attribute a
                    ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.place - 1] AND a.attnum <> 0
             ORDER BY k.place) AS columns,
       pg_catalog.left(pg_catalog.pg_get_expr(i.indpred, i.indrelid), 100000) AS predicate
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_am am ON am.oid = c.relam
WHERE i.indrelid = ANY ($1::oid[]) AND i.indislive
"""

DETAILS = (RELATIONS, COLUMNS, CONSTRAINTS, INDEXES)

# https://www.postgresql.org/docs/12/catalog-pg-class.html (reltuples), functions-admin.html#FUNCTIONS-ADMIN-DBSIZE
# With all partitions summed up. reltuples is -1 where nobody counted yet; before version 14 that was 0 with no pages.
# An estimate of which any part is missing is no estimate.
_STATISTICS = """
WITH RECURSIVE member AS (
    SELECT oid AS table_oid, oid AS member_oid FROM ROWS FROM (pg_catalog.unnest($1::oid[])) AS listed (oid)
    UNION ALL
    SELECT m.table_oid, i.inhrelid
    FROM member m
    JOIN pg_catalog.pg_inherits i ON i.inhparent = m.member_oid
    JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition
)
SELECT m.table_oid,
       CASE WHEN NOT pg_catalog.bool_or(c.reltuples < 0 OR ($2::int < 140000 AND c.relpages = 0 AND c.reltuples = 0))
            THEN pg_catalog.sum(c.reltuples::float8) END AS rows,
       (pg_catalog.sum({size}) FILTER (WHERE c.relkind IN ('r', 'm')))::int8 AS size_bytes
FROM member m
JOIN pg_catalog.pg_class c ON c.oid = m.member_oid
WHERE c.relkind IN ('r', 'm', 'f')
GROUP BY m.table_oid
"""
# Asks the file system and waits for whoever holds the table exclusively.
EXACT_STATISTICS = _STATISTICS.replace("{size}", "pg_catalog.pg_total_relation_size(c.oid)")
# As of the last VACUUM, without indexes; waits for nobody.
ESTIMATED_STATISTICS = _STATISTICS.replace(
    "{size}", "c.relpages::int8 * pg_catalog.current_setting('block_size')::int8"
)


def with_hash(detail: str) -> str:
    """The same rows, each with `row_hash`: 64 bits over all its columns."""
    return f"SELECT found.*, {_HASH} AS row_hash FROM ({detail} OFFSET 0) AS found"  # noqa: S608 (constants)


def signatures(detail: str) -> str:
    """Per table the number of rows and the sum of their hashes: equal to what `row_hash` sums up to on our side."""
    return (
        f"SELECT found.table_oid, pg_catalog.count(*) AS rows, pg_catalog.sum({_HASH})::text AS hash_sum "  # noqa: S608
        f"FROM ({detail} OFFSET 0) AS found GROUP BY found.table_oid"
    )


# The 64-bit hash of text (11), which works in FIPS mode too, where md5() does not. OFFSET 0 keeps the planner from
# evaluating each expression twice, once for the column and once for the hash.
_HASH = 'pg_catalog.hashtextextended(found::text COLLATE "C", 0)'

READ_DETAILS = tuple(with_hash(detail) for detail in DETAILS)
READ_SIGNATURES = tuple(signatures(detail) for detail in DETAILS)
