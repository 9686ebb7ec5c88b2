"""All objects of a file with the signature of each, made of `sqlite_schema` alone. Pure and total.

A signature covers the object's own SQL text, those of its indexes, and what else its description is made of: for a
foreign key how its parent spells the key, for a view everything that it reads, because `SELECT *` changes with it.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from connectors.sqlite import ddl
from connectors.sqlite.ddl import fold
from connectors.sqlite.mapping import referenced, signature

# SQLite expands a view by copying what it reads, each time that it is named: 40 views that name the one before twice
# would keep it busy for years, and nothing stops it meanwhile.
MAX_EXPANSIONS = 50_000

_MOST_COLUMNS = 2_000  # https://www.sqlite.org/limits.html#max_column

_RESERVED = "sqlite_"  # https://www.sqlite.org/fileformat2.html#internal_schema_objects


class Unusable(Struct, frozen=True):
    """A table whose name cannot be kept: not UTF-8, or with U+0000 in it."""

    shown: str


class Listed(Struct, frozen=True):
    """A table or view that is there."""

    name: str
    is_view: bool
    is_virtual: bool
    signature: str
    has_rowid: bool = True
    columns_at_most: int = 1  # to bound a batch: what the number of commas in the SQL text allows
    expansions: int = 1  # how many parts SQLite makes of it when it works out the columns of a view

    @property
    def is_fragile(self) -> bool:
        """Whether SQLite must look beyond the object itself to tell its columns, which may fail."""
        return self.is_view or self.is_virtual


class Listing(Struct, frozen=True):
    """What is in the file: tables and views by folded name."""

    tables: dict[str, Listed]
    unusable: tuple[Unusable, ...]


class _Object(Struct):
    name: str
    is_view: bool
    is_virtual: bool
    sql: str
    indexes: list[str] = field(default_factory=list)


ObjectRow = tuple[str, bytes | None, bytes | None, int | None, bytes | None]  # a row of `queries.OBJECTS`


def listing(rows: Iterable[ObjectRow]) -> Listing:
    """From the rows of `queries.OBJECTS`."""
    objects: dict[str, _Object] = {}
    unusable: list[Unusable] = []
    indexes: list[tuple[str, str, str]] = []  # folded table, index, SQL text
    for kind, raw_name, raw_table, root_page, raw_sql in rows:
        name = _name(raw_name)
        if kind == "index":
            indexes.append((fold(_name(raw_table) or ""), name or "", text(raw_sql)))
        elif name is None:
            unusable.append(Unusable((raw_name or b"").decode("utf-8", "replace").replace("\0", "�")))
        elif not fold(name).startswith(_RESERVED):
            is_view = kind == "view"
            objects[fold(name)] = _Object(name, is_view, not is_view and not root_page, text(raw_sql))
    for table, index, sql in indexes:
        if table in objects:
            objects[table].indexes.append(f"{index}\0{sql}")
    return Listing(_Signatures(objects).all(), tuple(unusable))


def text(raw: bytes | None) -> str:
    """SQL text as SQLite reads it: up to the first U+0000."""
    return (raw or b"").partition(b"\0")[0].decode("utf-8", "replace")


def _name(raw: bytes | None) -> str | None:
    try:
        name = (raw or b"").decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in name or raw is None else name


class _Signatures:
    """Signatures of all objects; those of views follow what they read, in any order and even in a circle."""

    def __init__(self, objects: Mapping[str, _Object]) -> None:
        self._objects = objects
        self._parents: dict[str, ddl.WrittenTable] = {}
        self._done: dict[str, Listed] = {}

    def all(self) -> dict[str, Listed]:
        for key, found in self._objects.items():
            if not found.is_view:
                has_rowid = "rowid" not in found.sql.lower() or not ddl.read_table(found.sql).is_without_rowid
                self._done[key] = Listed(
                    found.name,
                    False,
                    found.is_virtual,
                    self._of_table(found),
                    has_rowid,
                    min(_MOST_COLUMNS, found.sql.count(",") + 1),
                )
        reads = {key: self._reads(found) for key, found in self._objects.items() if found.is_view}
        for key in _innermost_first(reads):
            self._done[key] = self._of_view(self._objects[key], reads[key])
        return self._done

    def _of_table(self, table: _Object) -> str:
        rest = sorted(table.indexes)
        rest.extend(self._depends(parent, columns) for parent, columns in ddl.targets(table.sql))
        return signature(False, table.sql, rest)

    def _depends(self, name: str, columns: Sequence[str]) -> str:
        key = fold(name)
        parent = self._objects.get(key)
        if parent is None or parent.is_view:
            return name if parent is None else parent.name
        if key not in self._parents:
            self._parents[key] = ddl.read_table(parent.sql)
        return referenced(columns, parent.name, self._parents[key])

    def _reads(self, view: _Object) -> tuple[str, ...]:
        own = fold(view.name)
        return tuple(name for name in ddl.names_in(view.sql) if name in self._objects and name != own)

    def _of_view(self, view: _Object, reads: Sequence[str]) -> Listed:
        read = [self._done[name] for name in reads if name in self._done]
        expansions = ddl.repetitions(view.sql) * (1 + sum(one.expansions for one in read if one.is_view))
        rest = sorted({one.signature for one in read})
        if len(read) < len(reads):
            rest.append("circular")
        expansions = min(expansions, MAX_EXPANSIONS + 1)
        columns = min(_MOST_COLUMNS, view.sql.count(",") + 1 + sum(one.columns_at_most for one in read))
        return Listed(
            view.name, True, False, signature(True, view.sql, rest), columns_at_most=columns, expansions=expansions
        )


def _innermost_first(reads: Mapping[str, Sequence[str]]) -> list[str]:
    """Views in an order in which each comes after those that it reads; in a circle, anywhere."""
    order: list[str] = []
    seen: set[str] = set()
    for start in reads:
        stack = [(start, iter(reads[start]))] if start not in seen else []
        seen.add(start)
        while stack:
            name, rest = stack[-1]
            following = next((other for other in rest if other in reads and other not in seen), None)
            if following is None:
                order.append(name)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(reads[following])))
    return order
