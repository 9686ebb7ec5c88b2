"""What of a table, index or view is written nowhere but in its SQL text.

The pragmas tell names, types, keys and indexes. Expressions of CHECK and of generated columns, names of constraints,
collations, AUTOINCREMENT and predicates of indexes stand only in `sqlite_schema.sql`. Everything here is total:
whatever the text is, there is an answer, if need be an empty one. https://www.sqlite.org/lang_createtable.html
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from enum import Enum
from itertools import islice, pairwise

from msgspec import Struct, field


class TokenKind(Enum):
    """WORD: a keyword or a bare name; QUOTED: a name in "…", […] or `…`; STRING: '…'; OTHER: all else."""

    WORD = 1
    QUOTED = 2
    STRING = 3
    OTHER = 4


class Token(Struct, frozen=True):
    """A piece of SQL text; `value` is without quotes, `start` and `end` are its place in the text."""

    kind: TokenKind
    value: str
    start: int
    end: int

    @property
    def is_name(self) -> bool:
        """Whether it may name something. SQLite takes a string for a name where only a name can stand."""
        return self.kind is not TokenKind.OTHER

    def says(self, *words: str) -> bool:
        """Whether it is one of these keywords (given in upper case)."""
        return self.kind is TokenKind.WORD and self.value.upper() in words

    def marks(self, character: str) -> bool:
        """Whether it is this punctuation."""
        return self.kind is TokenKind.OTHER and self.value == character


# https://www.sqlite.org/lang_keywords.html and tokenize.c: every character from U+0080 on may stand in a bare name.
_TOKEN = re.compile(
    r"""
      (?P<space>   [ \t\n\f\r]+ | --[^\n]* | /\*(?:.*?\*/|.*) )
    | (?P<string>  [xX]?'[^']*(?:''[^']*)*'? )
    | (?P<double>  "[^"]*(?:""[^"]*)*"? )
    | (?P<back>    `[^`]*(?:``[^`]*)*`? )
    | (?P<square>  \[[^\]]*\]? )
    | (?P<word>    [A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]* )
    | (?P<number>  \.?[0-9][A-Za-z0-9_.]* )
    | (?P<mark>    . )
    """,
    re.VERBOSE | re.DOTALL,
)


def tokens(sql: str) -> tuple[Token, ...]:
    """All tokens without white space and comments."""
    return tuple(_tokens(sql))


def _tokens(sql: str, start: int = 0) -> Iterator[Token]:
    for found in _TOKEN.finditer(sql, start):
        group, text = found.lastgroup, found.group()
        match group:
            case "space":
                continue
            case "word":
                kind, value = TokenKind.WORD, text
            case "double" | "back":
                kind, value = TokenKind.QUOTED, _unquoted(text)
            case "square":
                kind, value = TokenKind.QUOTED, text[1:].removesuffix("]")
            case "string" if text[0] == "'":
                kind, value = TokenKind.STRING, _unquoted(text)
            case _:
                kind, value = TokenKind.OTHER, text
        yield Token(kind, value, found.start(), found.end())


def _unquoted(text: str) -> str:
    quote = text[0]
    inner = text[1:-1] if len(text) > 1 and text.endswith(quote) else text[1:]
    return inner.replace(quote * 2, quote)


def fold(name: str) -> str:
    """The form in which SQLite compares names: only the letters A to Z have no case."""
    return name.translate(_LOWER)


_LOWER = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


class WrittenColumn(Struct):
    """A column as its definition is written. `generated`: such as `ALWAYS AS (a * 2) STORED`."""

    name: str
    collation: str | None = None
    generated: str | None = None
    is_autoincrement: bool = False


class WrittenKey(Struct, frozen=True):
    """A PRIMARY KEY or UNIQUE as written; `columns` are folded."""

    name: str | None
    columns: tuple[str, ...]


class WrittenCheck(Struct, frozen=True):
    """A CHECK as written; `column` when it stands in that column's definition."""

    name: str | None
    expression: str
    column: str | None = None


class WrittenReference(Struct, frozen=True):
    """A foreign key as written. `columns` are folded; `to_columns` is empty where the parent's primary key is meant."""

    name: str | None
    columns: tuple[str, ...]
    table: str
    to_columns: tuple[str, ...]
    is_deferred: bool


class WrittenTable(Struct):
    """All that was understood of a CREATE TABLE."""

    columns: dict[str, WrittenColumn] = field(default_factory=dict)  # by folded name
    primary_key: WrittenKey | None = None
    uniques: list[WrittenKey] = field(default_factory=list)
    checks: list[WrittenCheck] = field(default_factory=list)
    references: list[WrittenReference] = field(default_factory=list)
    is_without_rowid: bool = False
    is_strict: bool = False
    module: str | None = None  # of a virtual table


class WrittenIndex(Struct, frozen=True):
    """All that was understood of a CREATE INDEX."""

    keys: tuple[str, ...] = ()  # the text of each, without ASC or DESC
    predicate: str | None = None


# Without any of these words the text tells nothing that the pragmas do not tell: most tables, and four times as fast.
_WORTH_READING = re.compile(
    r"constraint|check|collate|\bas\b|autoincrement|deferr|rowid|strict|virtual", re.IGNORECASE | re.ASCII
)


def read_details(sql: str) -> WrittenTable:
    """As `read_table`, but empty where the pragmas tell as much."""
    return read_table(sql) if _WORTH_READING.search(sql) else WrittenTable()


def read_table(sql: str) -> WrittenTable:
    """A CREATE TABLE or CREATE VIRTUAL TABLE statement."""
    found = tokens(sql)
    if len(found) > 1 and found[1].says("VIRTUAL"):
        return WrittenTable(module=_module(found))
    table = WrittenTable()
    opening = next((at for at, token in enumerate(found) if token.marks("(")), len(found))
    items, after = _items(found, opening)
    for item in items:
        _TableItem(sql, item, table).read()
    options = found[after:]
    table.is_without_rowid = any(token.says("ROWID") for token in options)
    table.is_strict = any(token.says("STRICT") for token in options)
    return table


def targets(sql: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What foreign keys point at, as written: table and columns. A comment or string may add one that is none."""
    found = []
    for word in _REFERENCES.finditer(sql):
        name, *following = (*islice(_tokens(sql, word.end()), _MAX_KEY_TOKENS), _NOTHING)
        if name.is_name:
            items, _ = _items(following, 0) if following and following[0].marks("(") else ([], 0)
            found.append((name.value, tuple(item[0].value for item in items)))
    return tuple(found)


_REFERENCES = re.compile(r"\breferences\b", re.IGNORECASE | re.ASCII)
_MAX_KEY_TOKENS = 4_000  # a key has at most 2,000 columns
_NOTHING = Token(TokenKind.OTHER, "", 0, 0)


def read_index(sql: str) -> WrittenIndex:
    """A CREATE INDEX statement."""
    found = tokens(sql)
    opening = next((at for at, token in enumerate(found) if token.marks("(")), len(found))
    items, after = _items(found, opening)
    rest = found[after:]
    predicate = sql[rest[0].end :].strip() if rest and rest[0].says("WHERE") else None
    return WrittenIndex(tuple(_text(sql, _without_order(item)) for item in items), predicate)


def names_in(sql: str) -> tuple[str, ...]:
    """Every name in the text, folded, as often as it occurs, except before a dot (there it only qualifies)."""
    found = tokens(sql)
    return tuple(
        fold(token.value)
        for token, following in pairwise((*found, _NOTHING))
        if token.is_name and not following.marks(".")
    )


def repetitions(sql: str) -> int:
    """At most how often a part of a view is copied because common table expressions are named more than once."""
    found = tokens(sql)
    if not any(token.says("WITH") for token in found):
        return 1
    named = Counter(names_in(sql))
    copies = 1
    for at, token in enumerate(found):
        if token.says("AS") and _opens_query(found, at + 1):
            copies *= max(1, named[_name_before(found, at)] - 1)
        copies = min(copies, 10**9)
    return copies


def _opens_query(found: Sequence[Token], at: int) -> bool:
    while at < len(found) and found[at].says("NOT", "MATERIALIZED"):
        at += 1
    return at + 1 < len(found) and found[at].marks("(") and found[at + 1].says("SELECT", "VALUES", "WITH")


def _name_before(found: Sequence[Token], at: int) -> str:
    """The folded name that `AS` at this place belongs to, past a list of columns in parentheses."""
    at -= 1
    if at >= 0 and found[at].marks(")"):
        while at >= 0 and not found[at].marks("("):
            at -= 1
        at -= 1
    return fold(found[at].value) if at >= 0 else ""


def columns_in(expression: str) -> frozenset[str]:
    """Every name in an expression that may be a column's, folded: no string, no function, no qualifier."""
    found = tokens(expression)
    return frozenset(
        fold(token.value)
        for token, following in pairwise((*found, _NOTHING))
        if token.kind in (TokenKind.WORD, TokenKind.QUOTED) and not (following.marks(".") or following.marks("("))
    )


def _module(found: Sequence[Token]) -> str | None:
    at = next((at for at, token in enumerate(found) if token.says("USING")), None)
    return found[at + 1].value if at is not None and at + 1 < len(found) else None


def _items(found: Sequence[Token], opening: int) -> tuple[list[Sequence[Token]], int]:
    """What stands between the commas inside the parenthesis that opens at `opening`, and the place after its end."""
    items: list[Sequence[Token]] = []
    depth, start = 0, opening + 1
    for at in range(opening, len(found)):
        token = found[at]
        if token.kind is not TokenKind.OTHER:
            continue
        if token.value == "(":
            depth += 1
        elif token.value == ")":
            depth -= 1
        if depth == 0 or (depth == 1 and token.value == ","):
            if at > start:
                items.append(found[start:at])
            start = at + 1
        if depth == 0:
            return items, at + 1
    if len(found) > start:
        items.append(found[start:])
    return items, len(found)


def _text(sql: str, item: Sequence[Token]) -> str:
    return sql[item[0].start : item[-1].end] if item else ""


def _without_order(item: Sequence[Token]) -> Sequence[Token]:
    return item[:-1] if len(item) > 1 and item[-1].says("ASC", "DESC") else item


def _key_names(item: Sequence[Sequence[Token]]) -> tuple[str, ...]:
    return tuple(fold(part[0].value) for part in item if part)


class _TableItem:
    """Reads one item of a CREATE TABLE, a column or table constraints, from left to right."""

    def __init__(self, sql: str, item: Sequence[Token], table: WrittenTable) -> None:
        self._sql = sql
        self._item = item
        self._table = table
        self._at = 0
        self._name: str | None = None  # given by CONSTRAINT to what follows
        self._column: WrittenColumn | None = None

    def read(self) -> None:
        if not self._item[0].says("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"):
            first = self._item[0]
            self._column = WrittenColumn(first.value)
            self._table.columns.setdefault(fold(first.value), self._column)
            self._at = 1
        while self._at < len(self._item):
            self._read_one()

    def _read_one(self) -> None:
        token = self._item[self._at]
        self._at += 1
        match token.value.upper() if token.kind is TokenKind.WORD else token.value if token.marks("(") else "":
            case "(":  # of a type such as DECIMAL(10, 2), or of something that we do not know
                self._at -= 1
                self._parenthesis()
            case "CONSTRAINT":
                self._name = self._next_name()
            case "PRIMARY":
                self._primary_key()
            case "UNIQUE":
                self._table.uniques.append(WrittenKey(self._take_name(), self._key_columns()))
            case "CHECK":
                expression = self._parenthesis()
                column = self._column.name if self._column else None
                self._table.checks.append(WrittenCheck(self._take_name(), expression, column))
            case "FOREIGN":
                self._skip("KEY")
                self._reference(_key_names(self._list()))
            case "REFERENCES" if self._column is not None:
                self._at -= 1
                self._reference((fold(self._column.name),))
            case "COLLATE" if self._column is not None:
                self._column.collation = self._next_name()
            case "AS" if self._column is not None:
                self._generated(self._column)
            case "SET" if self._at < len(self._item) and self._item[self._at].says("NULL", "DEFAULT"):
                self._at += 1  # ON DELETE SET DEFAULT has no value
            case "DEFAULT":
                self._name = None
                self._skip_value()
            case "NULL":
                self._name = None
            case _:
                pass

    def _primary_key(self) -> None:
        self._skip("KEY")
        columns = self._key_columns()
        self._table.primary_key = WrittenKey(self._take_name(), columns)
        if self._column is None:
            for item in self._item:  # PRIMARY KEY (id AUTOINCREMENT) is allowed too
                if item.says("AUTOINCREMENT") and columns and columns[0] in self._table.columns:
                    self._table.columns[columns[0]].is_autoincrement = True
        else:
            self._column.is_autoincrement = any(token.says("AUTOINCREMENT") for token in self._item[self._at :])

    def _generated(self, column: WrittenColumn) -> None:
        expression = self._parenthesis()
        is_stored = self._at < len(self._item) and self._item[self._at].says("STORED")
        column.generated = f"ALWAYS AS ({expression}) {'STORED' if is_stored else 'VIRTUAL'}"
        self._name = None

    def _reference(self, columns: tuple[str, ...]) -> None:
        self._skip("REFERENCES")
        table = self._next_name() or ""
        to_columns = _key_names(self._list())
        rest = self._item[self._at :]
        initially = next((at for at, token in enumerate(rest) if token.says("INITIALLY")), len(rest))
        is_deferred = any(token.says("DEFERRED") for token in rest[initially : initially + 2])
        self._table.references.append(WrittenReference(self._take_name(), columns, table, to_columns, is_deferred))

    def _key_columns(self) -> tuple[str, ...]:
        return _key_names(self._list()) if self._column is None else (fold(self._column.name),)

    def _skip(self, keyword: str) -> None:
        if self._at < len(self._item) and self._item[self._at].says(keyword):
            self._at += 1

    def _skip_value(self) -> None:
        """The value of a DEFAULT may be a word that means something elsewhere."""
        if self._at < len(self._item) and self._item[self._at].marks("("):
            self._parenthesis()
        else:
            self._at += 1

    def _take_name(self) -> str | None:
        name, self._name = self._name, None
        return name

    def _next_name(self) -> str | None:
        if self._at >= len(self._item) or not self._item[self._at].is_name:
            return None
        self._at += 1
        return self._item[self._at - 1].value

    def _list(self) -> list[Sequence[Token]]:
        if self._at >= len(self._item) or not self._item[self._at].marks("("):
            return []
        items, self._at = _items(self._item, self._at)
        return items

    def _parenthesis(self) -> str:
        """The text inside the parenthesis that opens here; empty when none does."""
        if self._at >= len(self._item) or not self._item[self._at].marks("("):
            return ""
        opening = self._item[self._at]
        _, self._at = _items(self._item, self._at)
        closing = self._item[self._at - 1]
        end = closing.start if closing.marks(")") and closing is not opening else closing.end
        return self._sql[opening.end : end].strip()
