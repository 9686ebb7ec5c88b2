"""What is asked of SQLite. Lists of names go in as one bound JSON array, so that one statement serves a whole batch.

All need SQLite 3.33 (2020: the name `sqlite_schema`) with the JSON functions, which every build since 3.38 has and most
before had. Pragmas as tables: https://www.sqlite.org/pragma.html#pragfunc
"""

# For every connection: nobody writes. https://www.sqlite.org/security.html
# Not `trusted_schema = OFF`: no row is read and so nothing of a schema ever runs, what is dangerous (load_extension,
# dbstat) is refused in a schema either way, and SQLite would no longer tell the columns of views over full-text tables
# nor, from 3.38 to 3.40, parse tables and indexes with JSON functions.
SET_UP = (
    "PRAGMA query_only = ON",
    "PRAGMA cell_size_check = ON",
    "PRAGMA mmap_size = 0",
)

# Lets all well-formed entries be read where one is not: SQLite then skips what it cannot parse. The file is open
# read-only, so nothing can be written. https://www.sqlite.org/pragma.html#pragma_writable_schema
TOLERATE_MALFORMED_SCHEMA = "PRAGMA writable_schema = ON"

# The least that shows that the file answers: takes the lock and reads the first page.
SCHEMA_VERSION = "PRAGMA schema_version"
JOURNAL_MODE = "PRAGMA journal_mode"
PAGE_COUNT = "PRAGMA page_count"

# Every object, in the order of names; `name` as bytes, because a file may hold any. https://www.sqlite.org/schematab.html
OBJECTS = """
SELECT type, CAST(name AS BLOB), CAST(tbl_name AS BLOB), rootpage, CAST(sql AS BLOB)
  FROM sqlite_schema
 WHERE type IN ('table', 'view', 'index')
"""

OBJECT_COUNTS = "SELECT type, count(*) FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' GROUP BY type"

# The SQL text of these tables and views, and of the indexes on these tables.
SQL_TEXTS = """
SELECT type, name, tbl_name, sql
  FROM sqlite_schema
 WHERE type IN ('table', 'view') AND name IN (SELECT value FROM json_each(:names))
    OR type = 'index' AND tbl_name IN (SELECT value FROM json_each(:names))
"""

# Columns with hidden and generated ones. https://www.sqlite.org/pragma.html#pragma_table_xinfo
COLUMNS = """
SELECT asked.value, found.cid, found.name, found.type, found."notnull", found.dflt_value, found.pk, found.hidden
  FROM json_each(:names) AS asked
  JOIN pragma_table_xinfo(asked.value, 'main') AS found
"""

# Indexes and their keys, key by key. https://www.sqlite.org/pragma.html#pragma_index_xinfo
INDEX_KEYS = """
SELECT asked.value, found.name, found."unique", found.origin, keys.seqno, keys.cid, keys.name, keys."desc", keys.coll
  FROM json_each(:names) AS asked
  JOIN pragma_index_list(asked.value, 'main') AS found
  JOIN pragma_index_xinfo(found.name, 'main') AS keys ON keys.key = 1
"""

# https://www.sqlite.org/pragma.html#pragma_foreign_key_list
FOREIGN_KEYS = """
SELECT asked.value, found.id, found.seq, found."table", found."from", found."to", found.on_update, found.on_delete
  FROM json_each(:names) AS asked
  JOIN pragma_foreign_key_list(asked.value, 'main') AS found
"""

# What ANALYZE has left: rows per table, estimated. Absent where it never ran. https://www.sqlite.org/fileformat2.html#stat1tab
ROW_ESTIMATES = "SELECT tbl, max(CAST(stat AS INTEGER)) FROM sqlite_stat1 WHERE stat IS NOT NULL GROUP BY tbl"

# Bytes and entries of every b-tree: reads every page of the file. In a table with rowid the rows are the cells of its
# leaves; else every page holds some. Absent in builds without SQLITE_ENABLE_DBSTAT_VTAB. https://www.sqlite.org/dbstat.html
SIZES = """
SELECT name, sum(pgsize), sum(CASE WHEN pagetype = 'leaf' THEN ncell ELSE 0 END),
       sum(CASE WHEN pagetype IN ('leaf', 'internal') THEN ncell ELSE 0 END)
  FROM dbstat('main')
 GROUP BY name
"""
