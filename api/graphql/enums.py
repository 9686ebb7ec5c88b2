"""Every enum of the domain that clients see, with its words explained. Importing this makes GraphQL enums of them."""

from enum import EnumMeta

import strawberry

from domain.models.access import Permission
from domain.models.catalog import ConstraintKind, DataTypeFamily, TableKind
from domain.models.change import ChangeAction
from domain.models.data_source import (
    CloudProvider,
    DataSourceKind,
    DataSourceStatus,
    PoolMode,
    ScanFrequency,
    Sensitivity,
    SourceCriticality,
    SourceEnvironment,
    SourceLocation,
    TlsMode,
)
from domain.models.event import DataSourceAction, EventType, GapReason
from domain.models.health import HealthStatus
from domain.models.operation import OperationKind, OperationState, StepState, SyncMode
from domain.models.relationship import Cardinality, Direction, Evidence, ReferentialAction, Verdict


def _described(enum: EnumMeta, description: str, **values: str) -> None:
    """Describes the enum and each of its values: a value without words, or words without a value, is an error."""
    definition = strawberry.enum(enum, description=description).__strawberry_definition__  # type: ignore[attr-defined]  # set by strawberry.enum
    names = {value.name for value in definition.values}
    if names != values.keys():
        raise TypeError(f"{enum.__name__} is described wrongly: {names ^ values.keys()}")
    for value in definition.values:
        value.description = values[value.name]


_described(
    DataSourceKind,
    "The systems that Headwater speaks with.",
    POSTGRESQL="A PostgreSQL database, version 12 or later.",
    SQLITE="An SQLite database file, opened read-only.",
)
_described(
    DataSourceStatus,
    "Where a source stands in its life.",
    REGISTERED="Not checked yet.",
    ACTIVE="Answers well.",
    DEGRADED="Answers, but worse than it should.",
    UNREACHABLE="Does not answer.",
    DISABLED="Switched off by somebody: neither checked nor discovered.",
)
_described(
    SourceLocation,
    "Where a system runs.",
    ON_PREM="In rooms of one's own.",
    CLOUD="In a cloud.",
    HYBRID="In both.",
)
_described(
    CloudProvider,
    "Whose cloud a system runs in.",
    AWS="Amazon Web Services.",
    AZURE="Microsoft Azure.",
    GCP="Google Cloud.",
    OTHER="Somebody else's.",
)
_described(
    SourceEnvironment,
    "What a system is used for.",
    PRODUCTION="The real thing.",
    STAGING="The last stop before production.",
    DEVELOPMENT="Work in progress.",
    TEST="Tests.",
)
_described(
    SourceCriticality,
    "How much it hurts when the system is away.",
    LOW="Hardly anybody notices.",
    MEDIUM="Some work stops.",
    HIGH="Much work stops.",
    CRITICAL="The business stops.",
)
_described(
    Sensitivity,
    "How much it hurts when the content is seen by the wrong eyes; ordered.",
    PUBLIC="Meant for everybody.",
    INTERNAL="Meant for colleagues.",
    CONFIDENTIAL="Meant for few.",
    RESTRICTED="Meant for named people only.",
)
_described(
    ScanFrequency,
    "How often a source is discovered without being asked.",
    MANUAL="Only when asked.",
    HOURLY="Every hour.",
    DAILY="Every day.",
    WEEKLY="Every week.",
    MONTHLY="Every 30 days.",
)
_described(
    TlsMode,
    "What is demanded of the encryption of a connection.",
    DISABLED="No encryption.",
    REQUIRED="Encrypted; the server's certificate is not checked.",
    VERIFY_CA="Encrypted; the certificate must come from a trusted authority.",
    VERIFY_FULL="Encrypted; the certificate must come from a trusted authority and name the host.",
)
_described(
    PoolMode,
    "What stands between us and the server.",
    DIRECT="Nothing.",
    PGBOUNCER="A PgBouncer in transaction mode.",
)
_described(
    TableKind,
    "What a table is to its system.",
    TABLE="A table, or a partitioned table with its partitions.",
    VIEW="A stored query.",
    MATERIALIZED_VIEW="A stored query with its stored result.",
    FOREIGN_TABLE="A table that lives on another server.",
)
_described(
    DataTypeFamily,
    "The meaning of a native type, common to all systems.",
    BOOLEAN="True or false.",
    INTEGER="Whole numbers.",
    DECIMAL="Exact numbers with decimals.",
    FLOAT="Approximate numbers.",
    TEXT="Characters.",
    BINARY="Bytes.",
    DATE="A day.",
    TIME="A time of day.",
    TIMESTAMP="A moment.",
    INTERVAL="A length of time.",
    UUID="A universally unique identifier.",
    JSON="A JSON document.",
    ARRAY="A list of values.",
    STRUCT="Named fields.",
    MAP="Keys and values.",
    ENUM="One of a fixed list of words.",
    GEOMETRY="Points, lines, areas.",
    NETWORK="Network addresses.",
    VECTOR="A vector of numbers, or of words to search.",
    OTHER="Understood, but of no family.",
    UNKNOWN="Never seen before.",
)
_described(
    ConstraintKind,
    "What a constraint demands.",
    PRIMARY_KEY="The columns name a row.",
    UNIQUE="No two rows are alike in the columns.",
    FOREIGN_KEY="The columns point at a row that exists.",
    CHECK="The expression is not false.",
    EXCLUSION="No two rows meet all the comparisons.",
)
_described(
    ReferentialAction,
    "What happens to the referencing rows when the referenced one goes or changes.",
    NO_ACTION="It is refused at the end of the statement or transaction.",
    RESTRICT="It is refused at once.",
    CASCADE="They go or change as well.",
    SET_NULL="Their columns become null.",
    SET_DEFAULT="Their columns get their defaults.",
)
_described(
    Evidence,
    "Where the knowledge of a relationship comes from.",
    DECLARED="The system declares it as a foreign key.",
)
_described(
    Verdict,
    "What is held of a relationship.",
    CONFIRMED="It holds. A declared key is confirmed by its system.",
)
_described(
    Cardinality,
    "How many rows of the one end meet how many of the other.",
    ONE_TO_ONE="One meets at most one.",
    MANY_TO_ONE="Many meet the same one.",
)
_described(
    Direction,
    "Which way to look from a table.",
    UPSTREAM="At the tables that it references.",
    DOWNSTREAM="At the tables that reference it.",
    BOTH="At both.",
)
_described(
    SyncMode,
    "How much a discovery reads.",
    FULL="Everything.",
    INCREMENTAL="Only what changed since the last discovery.",
    SELECTIVE="Only what the given scope names.",
)
_described(
    OperationKind,
    "What kind of job an operation is.",
    CONNECTION_TEST="Tests a connection step by step.",
    DISCOVERY="Reads what is inside a source.",
)
_described(
    OperationState,
    "Where an operation stands.",
    QUEUED="Waits for a worker.",
    RUNNING="Is worked on.",
    AWAITING_CONFIRMATION="Waits until somebody agrees with what it would do.",
    SUCCEEDED="Ended well.",
    PARTIAL="Ended with a part of what was wanted.",
    FAILED="Ended badly.",
    CANCELLED="Was stopped.",
)
_described(
    StepState,
    "Where a step of an operation stands.",
    PENDING="Has not begun.",
    RUNNING="Is under way.",
    PASSED="Went well.",
    WARNED="Went well, but there is advice.",
    FAILED="Went wrong.",
    SKIPPED="Was left out, because an earlier step failed or it does not apply.",
)
_described(
    ChangeAction,
    "What happened to an object of the catalog.",
    ADDED="It appeared.",
    REMOVED="It went away.",
    MODIFIED="It differs.",
)
_described(
    HealthStatus,
    "How a source is doing.",
    UNKNOWN="Not enough checks were made.",
    HEALTHY="Well.",
    DEGRADED="Worse than usual.",
    DOWN="Away.",
)
_described(
    Permission,
    "Something that one may be allowed to do.",
    SOURCE_READ="See sources and what is in them.",
    SOURCE_WRITE="Register, change and delete sources.",
    SOURCE_TEST="Test connections.",
    SECRET_WRITE="Give and change secrets.",  # noqa: S106 - a description
    DISCOVER="Start, confirm and cancel discoveries.",
)
_described(
    EventType,
    "What an event is about.",
    DATA_SOURCE="A source was registered, updated or deleted.",
    REVISION="A new revision of a catalog was published.",
    CHANGE="One object of a catalog changed.",
    HEALTH="The status of a source changed.",
    OPERATION="An operation moved.",
)
_described(
    DataSourceAction,
    "What happened to a registration.",
    REGISTERED="It was made.",
    UPDATED="It was changed.",
    DELETED="It was deleted.",
)
_described(
    GapReason,
    "Why events were lost to a subscriber.",
    RETENTION="They are older than what the log keeps.",
    LOG_RESET="The cursor belongs to an earlier life of the log.",
)
