"""Secrets as they rest: sealed, or a reference to another store. No key that opens them is here."""

from sqlalchemy import CheckConstraint, Column, Integer, LargeBinary, SmallInteger, Table, Text

from persistence.tables.base import Name, metadata

# Either sealed (key_id, wrapped_key, ciphertext) or a reference (store, locator, reference_field).
secrets = Table(
    "secrets",
    metadata,
    Column("owner_id", Name, primary_key=True),  # a source, or an operation that tests a draft
    Column("field", Name, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("key_id", Text),
    Column("wrapped_key", LargeBinary),
    Column("ciphertext", LargeBinary),
    Column("store", Text),
    Column("locator", Text),
    Column("reference_field", Text),
    CheckConstraint("(ciphertext IS NULL) <> (store IS NULL)", name="sealed_or_reference"),
)

# Random keys for one purpose each, made once and sealed like any secret: a new key-encryption key rewraps them.
purpose_keys = Table(
    "purpose_keys",
    metadata,
    Column("name", Name, primary_key=True),
    Column("key_id", Text, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
)

# The key-encryption keys that this store was sealed under. `check_value` tells a wrong key; it does not tell the key.
encryption_keys = Table(
    "encryption_keys",
    metadata,
    Column("key_id", Name, primary_key=True),
    Column("check_value", LargeBinary, nullable=False),
)

# One row, made by the first migration: which installation this is. Part of what every secret is bound to.
instance = Table(
    "instance",
    metadata,
    Column("id", SmallInteger, CheckConstraint("id = 1", name="one_row"), primary_key=True, autoincrement=False),
    Column("instance_id", Text, nullable=False),
)
