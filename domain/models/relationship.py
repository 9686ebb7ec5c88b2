"""How tables point at each other."""

from enum import StrEnum

from msgspec import Struct


class ReferentialAction(StrEnum):
    """What happens to the referencing rows."""

    NO_ACTION = "NO_ACTION"
    RESTRICT = "RESTRICT"
    CASCADE = "CASCADE"
    SET_NULL = "SET_NULL"
    SET_DEFAULT = "SET_DEFAULT"


class Evidence(StrEnum):
    """Where the knowledge of a relationship comes from."""

    DECLARED = "DECLARED"


class Verdict(StrEnum):
    """What is held of a relationship. A declared key is CONFIRMED by its system."""

    CONFIRMED = "CONFIRMED"


class Cardinality(StrEnum):
    """How many rows of the one end meet how many of the other."""

    ONE_TO_ONE = "ONE_TO_ONE"
    MANY_TO_ONE = "MANY_TO_ONE"


class Direction(StrEnum):
    """Seen from a table: UPSTREAM are the tables that it references, DOWNSTREAM those that reference it."""

    UPSTREAM = "UPSTREAM"
    DOWNSTREAM = "DOWNSTREAM"
    BOTH = "BOTH"


class Reference(Struct, frozen=True, omit_defaults=True):
    """The far end of a foreign key. The table need not have been read."""

    table_path: tuple[str, ...]
    columns: tuple[str, ...]
    on_delete: ReferentialAction | None = None
    on_update: ReferentialAction | None = None


class RelationshipEnd(Struct, frozen=True):
    """One end: named always, `table_id` only when that table is in the catalog at this revision."""

    table_path: tuple[str, ...]
    columns: tuple[str, ...]
    table_id: str | None = None


class RelationshipEntry(Struct, frozen=True, kw_only=True):
    """A remembered relationship."""

    id: str
    data_source_id: str
    revision: int
    is_pinned: bool
    name: str
    from_end: RelationshipEnd
    to_end: RelationshipEnd
    evidence: Evidence
    confidence: float
    verdict: Verdict
    cardinality: Cardinality
    on_delete: ReferentialAction | None
    on_update: ReferentialAction | None
    why: str
