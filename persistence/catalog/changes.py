"""What differs between two revisions: found in SQL by comparing temporal rows, told by `rules.diff`, never stored."""

import base64
import binascii
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Row, Select, and_, case, func, literal, or_, select, union_all
from sqlalchemy import Table as StoreTable
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import InvalidInput
from domain.models.catalog import Namespace
from domain.models.change import AddColumn, Change, ChangeEntry, ChangePart, DropColumn, ModifyColumn
from domain.models.page import Page, Slice
from domain.rules import fqn, ids
from domain.rules.diff import diff, diff_namespace, path_of, sort_key
from persistence.catalog.documents import Document, load_documents
from persistence.catalog.pacing import Pace
from persistence.catalog.sets import is_storable, key_table, texts
from persistence.database import Dialect
from persistence.tables.catalog import columns, namespaces, revisions, tables

_TABLES_AT_ONCE = 200
_MAX_REVISION = 2**31 - 1

# The object's local name, the kind of part, and which of several that share both (some systems let names repeat).
_Key = tuple[str, str, str]


class _ChangeId(Struct, frozen=True, array_like=True):
    """What a change's id holds: enough to derive it again. The part is a digest, for names may be long."""

    data_source_id: str
    from_revision: int
    to_revision: int
    local_name: str  # of the table or namespace
    part: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_ChangeId).decode


class _Found(Struct, frozen=True):
    """A change and where it stands; `revision` brought it."""

    key: _Key
    change: Change
    object_id: str
    local_name: str
    revision: int


async def derive_changes(
    connection: AsyncConnection, dialect: Dialect, data_source_id: str, from_revision: int, to_revision: int, page: Page
) -> Slice[ChangeEntry]:
    """A page in the order of `rules.diff.sort_key`; empty when a revision is not kept."""
    if not await _are_kept(connection, dialect, data_source_id, from_revision, to_revision):
        return Slice((), (), False)
    walk = _Walk(connection, dialect, data_source_id, from_revision, to_revision)
    after = _after(page)
    at_once = min(page.first, _TABLES_AT_ONCE) + 2
    wanted: list[_Found] = []
    held: list[_Found] = []
    position: Row[Any] | None = None
    while len(wanted) <= page.first:
        rows = await walk.candidates(at_once, after[0] if after else None, position)
        # A part of one object may sort behind the next object (of `"a"` behind `"a""b"`): it waits until that is read.
        bound = rows[-1].local_name if len(rows) == at_once else None
        rows = rows if bound is None else rows[:-1]
        held = sorted((*held, *await walk.diff(rows)), key=lambda found: found.key)
        ready = held if bound is None else [found for found in held if found.key[0] < bound]
        held = held[len(ready) :]
        wanted.extend(found for found in ready if after is None or found.key > after)
        if bound is None:
            break
        position = rows[-1]
    items = await walk.entries(wanted[: page.first])
    return Slice(items, tuple(found.key for found in wanted[: page.first]), len(wanted) > page.first)


async def count_changes(
    connection: AsyncConnection,
    dialect: Dialect,
    data_source_id: str,
    from_revision: int,
    to_revision: int,
    *,
    at_most: int,
) -> int:
    """How many `derive_changes` would walk through; at most `at_most`."""
    if not await _are_kept(connection, dialect, data_source_id, from_revision, to_revision):
        return 0
    walk = _Walk(connection, dialect, data_source_id, from_revision, to_revision)
    rows = await walk.candidates(at_most)
    if len(rows) >= at_most:  # each has one change at least
        return at_most
    whole = [row for row in rows if not _has_parts(row)]
    count = len(whole)
    parted = [row for row in rows if _has_parts(row)]
    for start in range(0, len(parted), _TABLES_AT_ONCE):
        if count + len(parted) - start >= at_most:
            return at_most
        count += len(await walk.diff(parted[start : start + _TABLES_AT_ONCE]))
    return min(count, at_most)


def source_of_change(id: str) -> str | None:
    """The source that a change's id names; None for what was never the id of a change."""
    parsed = _parse(id)
    return None if parsed is None else parsed.data_source_id


async def derive_change(connection: AsyncConnection, dialect: Dialect, id: str) -> ChangeEntry | None:
    """The change of this id; None when it cannot be derived (any more)."""
    parsed = _parse(id)
    if parsed is None:
        return None
    source, start, end = parsed.data_source_id, parsed.from_revision, parsed.to_revision
    if not await _are_kept(connection, dialect, source, start, end):
        return None
    walk = _Walk(connection, dialect, source, start, end)
    for found in await walk.diff(await walk.named(parsed.local_name)):
        if _digest(found.key) == parsed.part:
            (entry,) = await walk.entries([found])
            return entry if entry.id == id else None
    return None


class _Walk:
    """The objects that differ between two revisions. `low` and `high` are the earlier and the later one."""

    def __init__(
        self, connection: AsyncConnection, dialect: Dialect, data_source_id: str, from_revision: int, to_revision: int
    ) -> None:
        self._connection = connection
        self._dialect = dialect
        self._source = data_source_id
        self._from, self._to = from_revision, to_revision
        self._low, self._high = sorted((from_revision, to_revision))
        self._pace = Pace()

    async def candidates(
        self, at_most: int, after_local_name: str | None = None, after: Row[Any] | None = None
    ) -> Sequence[Row[Any]]:
        """In the order of local names: those behind `after` that may have changes behind `after_local_name`."""
        every = self._every()
        wanted = select(every).order_by(every.c.local_name, every.c.part).limit(at_most)
        if after is not None:
            wanted = wanted.where(
                or_(
                    every.c.local_name > after.local_name,
                    and_(every.c.local_name == after.local_name, every.c.part > after.part),
                )
            )
        elif after_local_name is not None:
            # Objects before it may have parts behind it: only such as its own name begins with.
            beginnings = texts(self._dialect, _beginnings(after_local_name))
            wanted = wanted.where(
                or_(every.c.local_name > after_local_name, every.c.local_name.in_(select(beginnings.c.text)))
            )
        return (await self._connection.execute(wanted)).all()

    async def named(self, local_name: str) -> Sequence[Row[Any]]:
        every = self._every()
        return (await self._connection.execute(select(every).where(every.c.local_name == local_name))).all()

    async def diff(self, rows: Sequence[Row[Any]]) -> list[_Found]:
        """All changes of these objects."""
        of_tables = [row for row in rows if row.part == ChangePart.TABLE]
        earlier = await self._documents(self._low, [row.id for row in of_tables if row.was is not None])
        later = await self._documents(self._high, [row.id for row in of_tables if row.now is not None])
        found: list[_Found] = []
        dropped: list[tuple[int, str]] = []
        for row in rows:
            before: Document | None = None
            after: Document | None = None
            if row.part == ChangePart.TABLE:
                before, after = earlier.get(row.id), later.get(row.id)
                older = None if before is None else before.table
                newer = None if after is None else after.table
                changes = diff(older, newer) if self._from < self._to else diff(newer, older)
            else:
                path = _split(row.local_name)
                old = None if row.was is None else Namespace(path, row.old)
                new = None if row.now is None else Namespace(path, row.new)
                changes = diff_namespace(old, new) if self._from < self._to else diff_namespace(new, old)
            counts: Counter[tuple[str, str]] = Counter()
            for change in changes:
                name, part = sort_key(change)
                revision = row.ended if row.now is None else row.now
                object_id = row.id
                if (
                    before is not None
                    and after is not None
                    and isinstance(change, AddColumn | DropColumn | ModifyColumn)
                ):
                    path = path_of(change)[len(change.table_path) :]
                    column = after.columns.get(path)
                    if column is None:
                        column = before.columns[path]
                        dropped.append((len(found), column.id))
                    revision, object_id = column.since, column.id
                key = (name, part, f"{counts[name, part]:04}")
                counts[name, part] += 1
                found.append(_Found(key, change, object_id, row.local_name, revision))
            await self._pace.breathe()
        if dropped:
            ends = await self._ends([id for _, id in dropped])
            for at, id in dropped:
                found[at] = msgspec.structs.replace(found[at], revision=ends[id])
        return found

    async def entries(self, found: Sequence[_Found]) -> tuple[ChangeEntry, ...]:
        """As they are given out."""
        times = await self._published_at(sorted({each.revision for each in found}))
        return tuple(
            ChangeEntry(
                id=self._id(each),
                data_source_id=self._source,
                revision=each.revision,
                at=times[each.revision],
                path=path_of(each.change),
                change=each.change,
                object_id=each.object_id,
            )
            for each in found
        )

    def _id(self, found: _Found) -> str:
        content = _ChangeId(self._source, self._from, self._to, found.local_name, _digest(found.key))
        return f"{ids.CHANGE}_{base64.urlsafe_b64encode(_encode(content)).decode().rstrip('=')}"

    def _every(self) -> Any:
        return union_all(
            self._differing(namespaces, namespaces.c.comment, ChangePart.NAMESPACE),
            self._differing(tables, tables.c.fingerprint, ChangePart.TABLE),
        ).subquery()

    def _differing(self, rows: StoreTable, value: ColumnElement[Any], part: ChangePart) -> Select[Any]:
        """By object: the revisions that brought its rows at both ends, the values there, and where it ended."""
        low, high = literal(self._low), literal(self._high)
        since, until = rows.c.since_revision, rows.c.until_revision
        was = and_(since <= low, until > low, until <= high)
        now = and_(since > low, since <= high, or_(until.is_(None), until > high))
        was_since, now_since = func.max(case((was, since))), func.max(case((now, since)))
        old, new = func.max(case((was, value))), func.max(case((now, value)))
        later = rows.alias()
        ended = (
            select(func.max(later.c.until_revision))
            .where(later.c.id == rows.c.id, later.c.since_revision <= high)
            .correlate(rows)
            .scalar_subquery()
        )
        return (
            select(
                rows.c.local_name,
                literal(part.value).label("part"),
                rows.c.id,
                was_since.label("was"),
                now_since.label("now"),
                old.label("old"),
                new.label("new"),
                ended.label("ended"),
            )
            .where(rows.c.data_source_id == self._source, or_(was, now))
            .group_by(rows.c.local_name, rows.c.id)
            .having(or_(was_since.is_(None), now_since.is_(None), old.is_distinct_from(new)))
        )

    async def _documents(self, revision: int, table_ids: Sequence[str]) -> dict[str, Document]:
        return await load_documents(self._connection, self._dialect, revision, table_ids)

    async def _ends(self, column_ids: Sequence[str]) -> dict[str, int]:
        """The revisions that took these columns away."""
        keys = texts(self._dialect, column_ids)
        found = await self._connection.execute(
            select(columns.c.id, func.max(columns.c.until_revision))
            .join(keys, keys.c.text == columns.c.id)
            .where(columns.c.since_revision <= self._high)
            .group_by(columns.c.id)
        )
        return {row.id: row[1] for row in found}

    async def _published_at(self, numbers: Sequence[int]) -> dict[int, datetime]:
        rows = [{"source": self._source, "revision": number} for number in numbers]
        keys = key_table(self._dialect, rows, "source", "revision")
        found = await self._connection.execute(
            select(revisions.c.number, revisions.c.published_at).join(
                keys, and_(keys.c.source == revisions.c.data_source_id, keys.c.revision == revisions.c.number)
            )
        )
        return {row.number: row.published_at for row in found}


async def _are_kept(
    connection: AsyncConnection, dialect: Dialect, data_source_id: str, from_revision: int, to_revision: int
) -> bool:
    """Whether both are revisions of the source, and two. 0, the empty catalog, is one as long as the first is kept."""
    numbers = {from_revision, to_revision}
    if len(numbers) < 2 or not all(0 <= number <= _MAX_REVISION for number in numbers):
        return False
    stored = {number or 1 for number in numbers}
    kept = await connection.scalar(
        select(func.count()).where(
            revisions.c.data_source_id == data_source_id,
            or_(revisions.c.number == min(stored), revisions.c.number == max(stored)),
        )
    )
    return kept == len(stored)


def _has_parts(row: Row[Any]) -> bool:
    """Whether the object was there before and after: then its changes must be counted."""
    return bool(row.part == ChangePart.TABLE) and row.was is not None and row.now is not None


def _after(page: Page) -> tuple[str, ...] | None:
    if page.after is None:
        return None
    if len(page.after) != 3 or not is_storable(page.after[0]):
        raise InvalidInput("This cursor is not one of this list.", path=("after",), code="INVALID_CURSOR")
    return page.after


def _beginnings(local_name: str) -> list[str]:
    """The local name, and all beginnings of it that a local name may be which goes on with a dot or a quote."""
    bounded = local_name[: fqn.MAX_LOCAL_BYTES]
    return [local_name, *(bounded[:at] for at, character in enumerate(bounded) if character <= ".")]


def _split(local_name: str) -> tuple[str, ...]:
    return fqn.split(local_name) if local_name else ()


def _digest(key: _Key) -> bytes:
    return blake2b(_encode(key), digest_size=12).digest()


def _parse(id: str) -> _ChangeId | None:
    prefix, _, content = id.partition("_")
    if prefix != ids.CHANGE or len(id) > ids.MAX_LENGTH or not content.isascii():
        return None
    try:
        parsed = _decode(base64.urlsafe_b64decode(content + "=" * (-len(content) % 4)))
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return parsed if is_storable(parsed.data_source_id) and is_storable(parsed.local_name) else None
