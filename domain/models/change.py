"""What differs between two states of a catalog: one struct per kind of change, belonging to the outermost object.

A new table is one AddTable that holds its columns, not one AddColumn per column.
"""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from domain.models.catalog import Column, Constraint, Index, Namespace, Table


class ChangeAction(StrEnum):
    """What happened to the object."""

    ADDED = "ADDED"
    REMOVED = "REMOVED"
    MODIFIED = "MODIFIED"


class ChangePart(StrEnum):
    """What kind of object changed. With its path it names the object: an index may be called like a column."""

    NAMESPACE = "NAMESPACE"
    TABLE = "TABLE"
    COLUMN = "COLUMN"
    INDEX = "INDEX"
    CONSTRAINT = "CONSTRAINT"


class AddNamespace(Struct, frozen=True, tag=True):
    """A namespace appeared."""

    after: Namespace


class DropNamespace(Struct, frozen=True, tag=True):
    """A namespace went away; its tables have their own DropTable."""

    before: Namespace


class ModifyNamespace(Struct, frozen=True, tag=True):
    """A namespace's own attributes changed."""

    before: Namespace
    after: Namespace


class AddTable(Struct, frozen=True, tag=True):
    """A table appeared, with everything in it."""

    after: Table


class DropTable(Struct, frozen=True, tag=True):
    """A table went away, with everything in it."""

    before: Table


class ModifyTable(Struct, frozen=True, tag=True):
    """A table's own attributes (kind, comment, definition, facts) changed; compare those only."""

    before: Table
    after: Table


class AddColumn(Struct, frozen=True, tag=True):
    """A column appeared in a table that was there before."""

    table_path: tuple[str, ...]
    after: Column


class DropColumn(Struct, frozen=True, tag=True):
    """A column went away from a table that stays."""

    table_path: tuple[str, ...]
    before: Column


class ModifyColumn(Struct, frozen=True, tag=True):
    """A column changed in any attribute, its place included."""

    table_path: tuple[str, ...]
    before: Column
    after: Column


class AddIndex(Struct, frozen=True, tag=True):
    """An index appeared."""

    table_path: tuple[str, ...]
    after: Index


class DropIndex(Struct, frozen=True, tag=True):
    """An index went away."""

    table_path: tuple[str, ...]
    before: Index


class ModifyIndex(Struct, frozen=True, tag=True):
    """An index of the same name differs."""

    table_path: tuple[str, ...]
    before: Index
    after: Index


class AddConstraint(Struct, frozen=True, tag=True):
    """A constraint appeared."""

    table_path: tuple[str, ...]
    after: Constraint


class DropConstraint(Struct, frozen=True, tag=True):
    """A constraint went away."""

    table_path: tuple[str, ...]
    before: Constraint


class ModifyConstraint(Struct, frozen=True, tag=True):
    """A constraint of the same name differs."""

    table_path: tuple[str, ...]
    before: Constraint
    after: Constraint


Change = (
    AddNamespace
    | DropNamespace
    | ModifyNamespace
    | AddTable
    | DropTable
    | ModifyTable
    | AddColumn
    | DropColumn
    | ModifyColumn
    | AddIndex
    | DropIndex
    | ModifyIndex
    | AddConstraint
    | DropConstraint
    | ModifyConstraint
)


class ChangeEntry(Struct, frozen=True, kw_only=True):
    """A change with its place in history. Entries are derived from the temporal rows, never stored.

    `id` names the source, both revisions and the object, so that it can be derived again.
    """

    id: str
    data_source_id: str
    revision: int  # the revision that brought it
    at: datetime
    path: tuple[str, ...]  # the object's full path below the source
    change: Change
    object_id: str | None  # the namespace, table or column concerned; a table for its indexes and constraints
