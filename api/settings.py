"""Every setting: name, type, unit, default, meaning. Each is read from the environment as `HEADWATER_<NAME>`."""

import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from api import defaults
from api.limits import ConnectionLimits, DocumentLimits, SocketLimits, WebLimits
from api.loopback import is_loopback
from domain.errors import StartRefused
from domain.models.page import PageLimits

PREFIX = "HEADWATER_"
DEFAULT_DOCUMENT, DEFAULT_PAGES, DEFAULT_WEB = DocumentLimits(), PageLimits(), WebLimits()
DEFAULT_CONNECTION = ConnectionLimits()
# Not settings of the server: secrets that sources refer to.
_SECRET_PREFIX = PREFIX + "SECRET_"
# Read by the commands that speak with a running server (api/cli/address.py), which may share its environment.
_FOR_CLIENTS = frozenset({PREFIX + "URL"})


class Settings(BaseSettings):
    """How one process runs. Secrets print as `***`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, env_ignore_empty=True)

    host: str = Field(defaults.HOST, description="Address to serve on. Anything but loopback needs an admin key.")
    port: int = Field(defaults.PORT, ge=0, le=65_535, description="Port to serve on; 0 takes a free one.")
    data_dir: Path = Field(
        defaults.DATA_DIR, description="Folder of the embedded metadata store, its key file and the demo."
    )
    demo: bool = Field(False, description="Make a small demo shop, register it and discover it.")
    admin_key: SecretStr | None = Field(
        None, min_length=16, description="Bearer token that makes its holder admin; at least 16 characters."
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Origins whose pages may speak with this server, such as https://app.example.com, separated by "
        "commas.",
    )
    database_url: SecretStr | None = Field(
        None,
        description="URL of a PostgreSQL metadata store (postgresql+asyncpg://…); none: SQLite in the data folder.",
    )
    redis_url: SecretStr | None = Field(
        None, description="URL of the Redis that carries events and jobs between processes; none: within this process."
    )
    encryption_key: SecretStr | None = Field(
        None, description="The key-encryption key: 32 random bytes in base64; none: the key file in the data folder."
    )
    secret_dir: Path | None = Field(
        None, description="Folder whose files the secret store `file` may read; none: the store is off."
    )
    file_roots: Annotated[tuple[Path, ...] | None, NoDecode] = Field(
        None,
        description="Folders that SQLite sources may lie in, separated by colons; none: any readable file when "
        "embedded, else no file.",
    )
    allow_private_networks: bool | None = Field(
        None, description="Whether sources may lie on loopback and private addresses; none: only when embedded."
    )
    health_interval_s: float = Field(
        30.0, ge=1, le=86_400, description="Seconds between two health checks of a source."
    )
    health_timeout_s: float = Field(10.0, ge=0.1, le=120, description="Seconds after which a health check has failed.")
    health_kept_days: int = Field(7, ge=1, le=365, description="Days that single health checks are kept.")
    events_kept_days: int = Field(30, ge=1, le=3_650, description="Days that events are kept for those who resume.")
    worker_concurrency: int = Field(4, ge=1, le=64, description="Operations that one process runs at the same time.")
    log_level: str = Field(
        "info", pattern="^(debug|info|warning|error)$", description="The least severe lines that are logged."
    )
    max_body_bytes: int = Field(
        DEFAULT_WEB.max_body_bytes, ge=1_024, le=1 << 30, description="Bytes of a request's body."
    )
    body_timeout_s: float = Field(
        DEFAULT_WEB.body_timeout_s, ge=0.1, le=3_600, description="Seconds for all of a body to arrive."
    )
    max_bodies_bytes: int = Field(
        DEFAULT_WEB.max_bodies_bytes,
        ge=1 << 20,
        le=1 << 36,
        description="Bytes of all bodies of more than 16 KiB that one process holds at a time.",
    )
    max_connections: int = Field(
        DEFAULT_CONNECTION.max_connections,
        ge=1,
        le=1_000_000,
        description="Connections that are open in one process, WebSockets with them.",
    )
    max_head_bytes: int = Field(
        DEFAULT_CONNECTION.max_head_bytes,
        ge=4_096,
        le=1 << 20,
        description="Bytes of a request's line and headers, and of what is around the chunks of its body.",
    )
    head_timeout_s: float = Field(
        DEFAULT_CONNECTION.head_timeout_s,
        ge=0.1,
        le=3_600,
        description="Seconds from the connection, or from the last answer on it, to the end of a request's head.",
    )
    operation_timeout_s: float = Field(
        DEFAULT_WEB.operation_timeout_s,
        ge=65,
        le=3_600,
        description="Seconds that a query or mutation may take; longer than any waitMs, which is a minute at most.",
    )
    stall_s: float = Field(
        DEFAULT_CONNECTION.stall_s,
        ge=1,
        le=3_600,
        description="Seconds that a client may take nothing of what is sent to it, before its connection is ended.",
    )
    heartbeat_s: float = Field(
        DEFAULT_WEB.heartbeat_s,
        ge=1,
        le=3_600,
        description="Seconds without a result, before a stream over HTTP says that it is still there.",
    )
    max_sockets: int = Field(
        DEFAULT_WEB.socket.max_sockets,
        ge=1,
        le=1_000_000,
        description="WebSockets and streams over HTTP that are open in one process.",
    )
    max_socket_operations: int = Field(
        DEFAULT_WEB.socket.max_operations, ge=1, le=10_000, description="Operations that run on one socket at a time."
    )
    max_frame_bytes: int = Field(
        DEFAULT_WEB.socket.max_frame_bytes, ge=1_024, le=1 << 26, description="Bytes of one message on a socket."
    )
    socket_init_timeout_s: float = Field(
        DEFAULT_WEB.socket.init_timeout_s,
        ge=0.1,
        le=3_600,
        description="Seconds from the handshake of a socket to its connection_init.",
    )
    max_page_size: int = Field(
        DEFAULT_PAGES.items,
        ge=10,
        le=1_000,
        description="Items of a page; 50 where not asked for.",
    )
    max_page_columns: int = Field(
        DEFAULT_PAGES.columns, ge=10, le=10_000, description="Columns of one page; tables have more of them."
    )
    max_document_characters: int = Field(
        DEFAULT_DOCUMENT.max_characters, ge=1_000, le=10_000_000, description="Characters of a GraphQL document."
    )
    max_document_tokens: int = Field(
        DEFAULT_DOCUMENT.max_tokens, ge=100, le=100_000, description="Names, signs and values of a GraphQL document."
    )
    max_definitions: int = Field(
        DEFAULT_DOCUMENT.max_definitions, ge=1, le=10_000, description="Operations and fragments of a document."
    )
    max_depth: int = Field(
        DEFAULT_DOCUMENT.max_depth, ge=5, le=50, description="Levels of fields in one another; introspection needs 14."
    )
    max_fields: int = Field(
        DEFAULT_DOCUMENT.max_fields, ge=10, le=100_000, description="Fields of a document, with all fragments spread."
    )
    max_repeats: int = Field(
        DEFAULT_DOCUMENT.max_repeats,
        ge=0,
        le=10_000,
        description="How often a document may ask for a field that it asks for in the same place already; one with "
        "fields of its own counts five times.",
    )
    max_aliases: int = Field(DEFAULT_DOCUMENT.max_aliases, ge=0, le=10_000, description="Aliases of a document.")
    max_directives: int = Field(
        DEFAULT_DOCUMENT.max_directives, ge=0, le=10_000, description="Directives of a document."
    )
    max_introspections: int = Field(
        DEFAULT_DOCUMENT.max_introspections,
        ge=0,
        le=100,
        description="How often a document may look at the schema (__schema, __type); 0 turns introspection off.",
    )
    max_literals: int = Field(
        DEFAULT_DOCUMENT.max_literals,
        ge=10,
        le=100_000,
        description="Values that are written into a document; in variables there may be more.",
    )
    max_cost: int = Field(
        DEFAULT_DOCUMENT.max_cost,
        ge=1_000,
        description="Values that an answer could hold by the page sizes asked for, pages in pages multiplied; a page "
        "whose size is not said counts as 10.",
    )
    max_variable_values: int = Field(
        DEFAULT_DOCUMENT.max_variable_values,
        ge=100,
        le=10_000_000,
        description="Values in the variables of a request, and in the lists that arguments get from them.",
    )
    max_answer_values: int = Field(
        DEFAULT_DOCUMENT.max_answer_values,
        ge=1_000,
        description="Values that an answer may really hold, counted while it is made.",
    )

    @field_validator("admin_key")
    @classmethod
    def _check_key(cls, value: SecretStr | None) -> SecretStr | None:
        # What a header can carry as it is, and what was meant as a key: not sixteen blanks.
        if value is not None and not re.fullmatch(r"[!-~]+", value.get_secret_value()):
            raise ValueError("Use letters, digits and signs of ASCII, without blanks.")
        return value

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("allowed_origins")
    @classmethod
    def _check_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        # As browsers write them, since they are compared as they are.
        for origin in value:
            if not re.fullmatch(r"https?://[a-z0-9.-]+(:[0-9]+)?|https?://\[[0-9a-f:]+\](:[0-9]+)?", origin):
                raise ValueError("An origin is scheme and host in lower case, with a port if it is not the usual one.")
        return value

    @field_validator("file_roots", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part for part in value.split(os.pathsep) if part) if isinstance(value, str) else value

    @property
    def connection_limits(self) -> ConnectionLimits:
        """What connections may do."""
        return ConnectionLimits(
            head_timeout_s=self.head_timeout_s,
            max_head_bytes=self.max_head_bytes,
            stall_s=self.stall_s,
            max_connections=self.max_connections,
        )

    @property
    def web_limits(self) -> WebLimits:
        """What requests and sockets may do."""
        return WebLimits(
            max_body_bytes=self.max_body_bytes,
            body_timeout_s=self.body_timeout_s,
            max_bodies_bytes=self.max_bodies_bytes,
            operation_timeout_s=self.operation_timeout_s,
            heartbeat_s=self.heartbeat_s,
            socket=SocketLimits(
                max_sockets=self.max_sockets,
                max_frame_bytes=self.max_frame_bytes,
                init_timeout_s=self.socket_init_timeout_s,
                max_operations=self.max_socket_operations,
            ),
            connection=self.connection_limits,
        )

    @property
    def page_limits(self) -> PageLimits:
        """How much one page of a list may hold."""
        return PageLimits(items=self.max_page_size, columns=self.max_page_columns)

    @property
    def document_limits(self) -> DocumentLimits:
        """How much one GraphQL document may ask for."""
        return DocumentLimits(
            max_characters=self.max_document_characters,
            max_tokens=self.max_document_tokens,
            max_definitions=self.max_definitions,
            max_depth=self.max_depth,
            max_fields=self.max_fields,
            max_repeats=self.max_repeats,
            max_aliases=self.max_aliases,
            max_directives=self.max_directives,
            max_introspections=self.max_introspections,
            max_literals=self.max_literals,
            max_cost=self.max_cost,
            max_variable_values=self.max_variable_values,
            max_answer_values=self.max_answer_values,
        )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.host)

    @property
    def is_embedded(self) -> bool:
        """The set-up of one person on one machine: a SQLite store, served on loopback, without a key."""
        return self.is_loopback and self.database_url is None and self.admin_key is None

    @property
    def check_every_s(self) -> float:
        """Seconds between two health checks: with the demo, a newcomer should see something happen."""
        return 5.0 if self.demo and "health_interval_s" not in self.model_fields_set else self.health_interval_s

    @property
    def store_url(self) -> str:
        """Where the metadata store is."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite+aiosqlite:///{self._store_file}"

    @property
    def key_file(self) -> Path:
        """Where the key-encryption key is kept when the environment does not give it."""
        return self.data_dir / "headwater.key"

    @property
    def own_files(self) -> tuple[Path, ...]:
        """What is no data source: the store, what SQLite keeps beside it, and the key."""
        beside = tuple(self._store_file.with_name(self._store_file.name + end) for end in ("-wal", "-shm", "-journal"))
        return (self._store_file, *beside, self.key_file)

    @property
    def _store_file(self) -> Path:
        return self.data_dir.absolute() / "headwater.sqlite"


def in_clear(secret: SecretStr | None) -> str | None:
    """What a secret setting holds, for whoever uses it."""
    return None if secret is None else secret.get_secret_value()


def load(**given: Any) -> Settings:
    """The settings from the environment, and from the command line (`given`; None: not given), which goes first.

    Raises `StartRefused` that names what is wrong: an unknown variable, a value outside its bounds.
    """
    _refuse_unknown()
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        # Without the value: it may be a secret.
        wrong = "; ".join(f"{PREFIX}{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors())
        raise StartRefused(f"These settings cannot be used. {wrong}.") from None


def _refuse_unknown() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = [
        name
        for name in os.environ
        if name.startswith(PREFIX) and name not in known | _FOR_CLIENTS and not name.startswith(_SECRET_PREFIX)
    ]
    if unknown:
        raise StartRefused(
            f"There is no setting called {', '.join(sorted(unknown))}. The settings are {', '.join(sorted(known))}."
        )
