"""What a SQLite file says of itself: the pragmas, one table at a time, and the SQL text where only that tells.

https://www.sqlite.org/pragma.html, https://www.sqlite.org/lang_createtable.html
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing as closed
from pathlib import Path as File
from typing import Any

from tests.samples.statements import Path, Statement, Statements, closing, fqn
from tests.samples.walk import bare_generated

_MADE_UP_NAME = re.compile(r"PRIMARY KEY( #\d+)?|(UNIQUE|CHECK|FOREIGN KEY) \(.*", re.DOTALL)
_CLASSES = {"PRIMARY": "PRIMARY_KEY", "UNIQUE": "UNIQUE", "CHECK": "CHECK", "FOREIGN": "FOREIGN_KEY"}
_CLASSES["REFERENCES"] = "FOREIGN_KEY"


def sqlite_says(file: File, source: str) -> Statements:
    """Everything that Headwater should have found under the name `source`."""
    with closed(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return _Reading(connection, source).read()


def without_made_up_names(found: Statements) -> Statements:
    """What Headwater says, less the names that it gives to constraints which nobody named."""
    plain = Statements()
    for each, times in found.items():
        if each.what == "constraint":
            kind, name, *rest = each.value
            plain[each._replace(value=(kind, *rest))] += times
            if not _MADE_UP_NAME.fullmatch(name):
                plain[Statement("constraint name", each.where, (kind, name))] += times
        else:
            plain[each] += times
    return plain


class _Reading:
    def __init__(self, connection: sqlite3.Connection, source: str) -> None:
        self._connection = connection
        self._source = source
        self._said = Statements()
        self._collations: dict[Path, str] = {}

    def read(self) -> Statements:
        self._say("comment", ("main",), None)
        self._kinds = {row["name"]: row for row in self._pragma("table_list") if row["schema"] == "main"}
        self._kinds = {name: row for name, row in self._kinds.items() if not name.lower().startswith("sqlite_")}
        self._spelled = {_lower(name): name for name in self._kinds}
        for name, row in self._kinds.items():
            self._read_table(name, row)
        return self._said

    def _pragma(self, name: str, argument: str | None = None) -> list[sqlite3.Row]:
        quoted = "" if argument is None else '("' + argument.replace('"', '""') + '")'
        return self._connection.execute(f"PRAGMA main.{name}{quoted}").fetchall()

    def _say(self, what: str, where: Path, value: Any) -> None:
        self._said[Statement(what, where, value)] += 1

    def _read_table(self, name: str, row: sqlite3.Row) -> None:
        where = ("main", name)
        is_view = row["type"] == "view"
        (sql,) = self._connection.execute(
            "SELECT sql FROM sqlite_schema WHERE name = ? AND type IN ('table', 'view')", (name,)
        ).fetchone()
        is_virtual = row["type"] == "virtual"
        text = "" if is_view or is_virtual else sql
        self._say("kind", where, "VIEW" if is_view else "TABLE")
        self._say("comment", where, None)
        self._say("definition", where, sql if is_view or is_virtual else None)
        columns = self._pragma("table_xinfo", name)
        indexes = self._pragma("index_list", name) if not is_view else []
        key = tuple(column["name"] for column in sorted(columns, key=lambda one: one["pk"]) if column["pk"])
        self._say("primary key", where, key)
        if not is_view and not is_virtual:
            quoted = '"' + name.replace('"', '""') + '"'
            self._say("rows", where, self._connection.execute(f"SELECT count(*) FROM main.{quoted}").fetchone()[0])
        self._read_facts(where, row, sql, text)
        self._read_columns(where, columns, text, rowid=_rowid(columns, indexes, row))
        self._read_constraints(where, columns, text, key)
        for index in indexes:
            self._read_index(where, index)
        self._read_keys(where)

    def _read_facts(self, where: Path, row: sqlite3.Row, sql: str, text: str) -> None:
        if row["wr"]:
            self._say("fact", where, ("without_rowid", "true"))
        if row["strict"]:
            self._say("fact", where, ("strict", "true"))
        if row["type"] == "virtual":
            (found,) = re.findall(r"\bUSING\s+(\w+)", _masked(sql), re.IGNORECASE)
            self._say("fact", where, ("virtual_table_module", found))
        spelled = {_lower(_first_name(item)): _first_name(item) for item in reversed(_items(text))}
        for item in _items(text):
            top = _outside_parentheses(item)
            for found in re.finditer(r"\bCOLLATE\s+", top, re.IGNORECASE):
                collation = _first_name(item[found.end() :])
                self._collations[*where, _lower(_first_name(item))] = collation
                self._say("fact", where, (f"collation.{_first_name(item)}", collation))
            if re.search(r"\bINITIALLY\s+DEFERRED\b", top, re.IGNORECASE):
                names = re.search(r"FOREIGN\s+KEY\s*(?=\()", _masked(item), re.IGNORECASE)
                columns = [_first_name(name) for name in _items(item[names.end() :])] if names else [_first_name(item)]
                fact = (
                    f"foreign_key.{', '.join(fqn(spelled[_lower(name)]) for name in columns)}",
                    "DEFERRABLE INITIALLY DEFERRED",
                )
                self._say("fact", where, fact)

    def _read_columns(self, where: Path, columns: list[sqlite3.Row], text: str, rowid: str | None) -> None:
        expressions = {}
        for item in _items(text):
            found = re.search(r"\bAS\s*\(", _masked(item), re.IGNORECASE)
            if found:
                expressions[_lower(_first_name(item))] = item[found.end() : _closing(item, found.end() - 1)].strip()
        increments = re.search(r"\bAUTOINCREMENT\b", _masked(text), re.IGNORECASE)
        for column in columns:
            place = (*where, column["name"])
            generated = None
            if column["hidden"] == 1:
                generated = "HIDDEN"
            elif column["hidden"]:
                expression = expressions[_lower(column["name"])]
                generated = bare_generated(
                    f"ALWAYS AS ({expression}) {'STORED' if column['hidden'] == 3 else 'VIRTUAL'}"
                )
            elif increments and column["name"] == rowid:
                generated = "AUTOINCREMENT"
            self._say("ordinal", place, column["cid"] + 1)
            self._say("type", place, column["type"])
            self._say("nullable", place, not column["notnull"] and column["name"] != rowid)
            self._say("default", place, column["dflt_value"])
            self._say("generated", place, generated)
            self._say("comment", place, None)
            self._say("in primary key", place, bool(column["pk"]))
            self._say("enum values", place, None)

    def _read_constraints(self, where: Path, columns: list[sqlite3.Row], text: str, key: Path) -> None:
        if key:
            self._say("constraint", where, ("PRIMARY_KEY", key, None))
        for index in self._pragma("index_list", where[-1]) if text else []:
            if index["origin"] == "u":
                names = tuple(row["name"] for row in self._pragma("index_info", index["name"]))
                self._say("constraint", where, ("UNIQUE", names, None))
        masked = _masked(text)
        for found in re.finditer(r"\bCHECK\s*\(", masked, re.IGNORECASE):
            expression = text[found.end() : _closing(text, found.end() - 1)].strip()
            used = tuple(sorted(one["name"] for one in columns if _is_used(one["name"], expression)))
            self._say("constraint", where, ("CHECK", used, expression))
        names = re.finditer(r"\bCONSTRAINT\b", masked, re.IGNORECASE)
        for found in names:
            name = _first_name(text[found.end() :])
            rest = masked[found.end() :].lstrip()
            following = re.match(r"\S*?\s*(PRIMARY|UNIQUE|CHECK|FOREIGN|REFERENCES)\b", rest, re.IGNORECASE)
            if following:
                self._say("constraint name", where, (_CLASSES[following[1].upper()], name))

    def _read_index(self, where: Path, index: sqlite3.Row) -> None:
        keys = [row for row in self._pragma("index_xinfo", index["name"]) if row["key"]]
        # The key of a table without rowid is the table itself: that index is not in the schema.
        texts = self._connection.execute(
            "SELECT sql FROM sqlite_schema WHERE type = 'index' AND name = ?", (index["name"],)
        ).fetchall()
        sql = texts[0]["sql"] or "" if texts else ""
        written, predicate = _items(sql), None
        if index["partial"]:
            where_word = re.search(r"\bWHERE\b", _masked(sql), re.IGNORECASE)
            assert where_word, sql
            predicate = sql[where_word.end() :].strip()
        columns = tuple(
            row["name"] if row["name"] is not None else "rowid" if row["cid"] == -1 else _without_order(written[place])
            for place, row in enumerate(keys)
        )
        order = [self._order(where, row) for row in keys]
        if any(order):
            value = ", ".join(one or "ASC" for one in order)
            self._say("fact", where, (f"index_order.{index['name']}", value))
        self._say("index", where, (index["name"], bool(index["unique"]), columns, None, predicate))

    def _order(self, where: Path, key: sqlite3.Row) -> str:
        """How a key of an index is ordered, where that is not how its column is."""
        words = []
        usual = self._collations.get((*where, _lower(key["name"] or "")), "BINARY")
        if key["name"] is not None and _lower(key["coll"]) != _lower(usual):
            words.append(f"COLLATE {key['coll']}")
        return " ".join([*words, *(["DESC"] if key["desc"] else [])])

    def _read_keys(self, where: Path) -> None:
        parts: dict[int, list[sqlite3.Row]] = {}
        for row in self._pragma("foreign_key_list", where[-1]):
            parts.setdefault(row["id"], []).append(row)
        for group in parts.values():
            columns = tuple(row["from"] for row in group)
            parent = self._spelled.get(_lower(group[0]["table"]), group[0]["table"])
            self._say("constraint", where, ("FOREIGN_KEY", columns, None))
            is_there = parent in self._kinds
            spelled = {_lower(row["name"]): row["name"] for row in self._pragma("table_info", parent)}
            to_columns = tuple(spelled.get(_lower(row["to"]), row["to"]) for row in group if row["to"] is not None)
            if not to_columns:
                ordered = sorted(self._pragma("table_info", parent), key=lambda one: one["pk"])
                to_columns = tuple(row["name"] for row in ordered if row["pk"])
            there = tuple(name for name in to_columns if name in spelled.values())
            key = (
                (fqn(self._source, *where), columns, columns),
                (fqn(self._source, "main", parent), to_columns, there if is_there else None),
                group[0]["on_delete"].replace(" ", "_"),
                group[0]["on_update"].replace(" ", "_"),
            )
            target = ("main", parent)
            for table in {where, target} if is_there else {where}:
                self._say("relationship", table, ("DECLARED", *key))
            for column in columns:
                self._say("reference", (*where, column), key)
            for column in there if is_there else ():
                self._say("referenced by", (*target, column), key)


def _rowid(columns: list[sqlite3.Row], indexes: list[sqlite3.Row], row: sqlite3.Row) -> str | None:
    """The column that is the rowid, which is never NULL: https://www.sqlite.org/lang_createtable.html#rowid"""
    keys = [column for column in columns if column["pk"]]
    if len(keys) != 1 or row["wr"] or row["type"] == "view" or any(index["origin"] == "pk" for index in indexes):
        return None
    return str(keys[0]["name"]) if keys[0]["type"].upper() == "INTEGER" else None


_HIDDEN = re.compile(
    r"""--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]""", re.DOTALL
)


def _masked(text: str) -> str:
    """The same text, as long as before, in which only keywords, bare names and marks are left."""
    return _HIDDEN.sub(lambda found: ("#" if found[0][0] in "'\"`[" else " ") * len(found[0]), text)


def _outside_parentheses(text: str) -> str:
    """The masked text with everything in parentheses masked too."""
    masked, depth, kept = _masked(text), 0, []
    for character in masked:
        depth -= character == ")"
        kept.append(character if depth == 0 else "#")
        depth += character == "("
    return "".join(kept)


def _closing(text: str, opening: int) -> int:
    return closing(_masked(text), opening)


def _items(text: str) -> list[str]:
    """What stands between the commas of the first parenthesis."""
    masked = _masked(text)
    opening = masked.find("(")
    if opening < 0:
        return []
    inside, at, items = masked[opening + 1 : closing(masked, opening)], opening + 1, []
    for part in _split(inside):
        items.append(text[at : at + len(part)])
        at += len(part) + 1
    return [_stripped(item) for item in items]


def _split(masked: str) -> Iterator[str]:
    depth, start = 0, 0
    for at, character in enumerate(masked):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            yield masked[start:at]
            start = at + 1
    yield masked[start:]


def _stripped(item: str) -> str:
    """Without white space and comments before and behind."""
    masked = _masked(item)
    return item[len(masked) - len(masked.lstrip()) : len(masked.rstrip())]


def _without_order(item: str) -> str:
    found = re.search(r"\s+(ASC|DESC)$", _masked(item), re.IGNORECASE)
    return item[: found.start()] if found else item


def _first_name(text: str) -> str:
    text = _stripped(text)
    for quote, end in (('"', '"'), ("`", "`"), ("[", "]"), ("'", "'")):
        if text.startswith(quote):
            body = re.match(rf"{re.escape(quote)}((?:[^{re.escape(end)}]|{re.escape(end) * 2})*)", text)
            assert body
            return body[1] if quote == "[" else body[1].replace(end * 2, end)
    found = re.match(r"[^\s(),]+", _masked(text))
    return found[0] if found else ""


def _is_used(column: str, expression: str) -> bool:
    """Whether the expression names the column, bare or in any of SQLite's quotes."""
    bare = _masked(expression)
    if re.search(rf"(?<![\w$]){re.escape(column)}(?![\w$]|\s*[(.])", bare, re.IGNORECASE):
        return True
    quoted = [found[0] for found in _HIDDEN.finditer(expression) if found[0][0] in '"`[']
    return any(_lower(_first_name(one)) == _lower(column) for one in quoted)


def _lower(name: str) -> str:
    return "".join(chr(ord(one) + 32) if "A" <= one <= "Z" else one for one in name)
