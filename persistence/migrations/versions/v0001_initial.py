"""The first schema: sources, operations, health, catalog, secrets, the event log.

It also makes what is random once per store: which installation this is, and the epoch of its event log.
"""

import secrets

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0001"
down_revision = None

# Text in the order of its bytes; times in microseconds on SQLite; a row number that SQLite gives out itself.
name = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
utc = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")
counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """From an empty database."""
    op.create_table(
        "catalog_columns",
        sa.Column("id", name, nullable=False),
        sa.Column("since_revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("until_revision", sa.Integer(), nullable=True),
        sa.Column("data_source_id", name, nullable=False),
        sa.Column("first_seen_at", utc, nullable=False),
        sa.Column("last_seen_at", utc, nullable=True),
        sa.Column("removed_at", utc, nullable=True),
        sa.Column("table_id", name, nullable=False),
        sa.Column("local_name", name, nullable=False),
        sa.Column("name_folded", name, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("native_type", sa.Text(), nullable=False),
        sa.Column("data_type", sa.Text(), nullable=False),
        sa.Column("nullable", sa.Boolean(), nullable=False),
        sa.Column("default_expression", sa.Text(), nullable=True),
        sa.Column("generated", sa.Text(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("enum_values", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", "since_revision", name=op.f("pk_catalog_columns")),
    )
    op.create_index("ix_catalog_columns_table", "catalog_columns", ["table_id", "ordinal"], unique=False)
    op.create_index("ix_catalog_columns_until", "catalog_columns", ["data_source_id", "until_revision"], unique=False)
    op.create_table(
        "catalog_namespaces",
        sa.Column("id", name, nullable=False),
        sa.Column("since_revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("until_revision", sa.Integer(), nullable=True),
        sa.Column("data_source_id", name, nullable=False),
        sa.Column("first_seen_at", utc, nullable=False),
        sa.Column("last_seen_at", utc, nullable=True),
        sa.Column("removed_at", utc, nullable=True),
        sa.Column("local_name", name, nullable=False),
        sa.Column("name_folded", name, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", "since_revision", name=op.f("pk_catalog_namespaces")),
    )
    op.create_index(
        "ix_catalog_namespaces_name",
        "catalog_namespaces",
        ["data_source_id", "local_name", "since_revision"],
        unique=False,
    )
    op.create_index(
        "ix_catalog_namespaces_until", "catalog_namespaces", ["data_source_id", "until_revision"], unique=False
    )
    op.create_index(
        "uq_catalog_namespaces_valid",
        "catalog_namespaces",
        ["data_source_id", "local_name"],
        unique=True,
        sqlite_where=sa.text("until_revision IS NULL"),
        postgresql_where=sa.text("until_revision IS NULL"),
    )
    op.create_table(
        "catalog_observations",
        sa.Column("table_id", name, nullable=False),
        sa.Column("data_source_id", name, nullable=False),
        sa.Column("signature", sa.Text(), nullable=True),
        sa.Column("row_count", sa.Float(), nullable=True),
        sa.Column("row_count_exact", sa.Boolean(), nullable=True),
        sa.Column("size_bytes", sa.Float(), nullable=True),
        sa.Column("size_bytes_exact", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("table_id", name=op.f("pk_catalog_observations")),
    )
    op.create_index("ix_catalog_observations_source", "catalog_observations", ["data_source_id"], unique=False)
    op.create_table(
        "catalog_relationships",
        sa.Column("id", name, nullable=False),
        sa.Column("since_revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("until_revision", sa.Integer(), nullable=True),
        sa.Column("data_source_id", name, nullable=False),
        sa.Column("first_seen_at", utc, nullable=False),
        sa.Column("last_seen_at", utc, nullable=True),
        sa.Column("removed_at", utc, nullable=True),
        sa.Column("from_table_id", name, nullable=False),
        sa.Column("from_local_name", name, nullable=False),
        sa.Column("from_path", sa.Text(), nullable=False),
        sa.Column("from_columns", sa.Text(), nullable=False),
        sa.Column("name", name, nullable=False),
        sa.Column("to_local_name", name, nullable=False),
        sa.Column("to_path", sa.Text(), nullable=False),
        sa.Column("to_columns", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("cardinality", sa.Text(), nullable=False),
        sa.Column("on_delete", sa.Text(), nullable=True),
        sa.Column("on_update", sa.Text(), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", "since_revision", name=op.f("pk_catalog_relationships")),
    )
    op.create_index("ix_catalog_relationships_from", "catalog_relationships", ["from_table_id"], unique=False)
    op.create_index(
        "ix_catalog_relationships_to", "catalog_relationships", ["data_source_id", "to_local_name"], unique=False
    )
    op.create_index(
        "ix_catalog_relationships_until", "catalog_relationships", ["data_source_id", "until_revision"], unique=False
    )
    op.create_table(
        "catalog_revisions",
        sa.Column("data_source_id", name, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("published_at", utc, nullable=False),
        sa.Column("operation_id", name, nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("data_source_id", "number", name=op.f("pk_catalog_revisions")),
    )
    op.create_table(
        "catalog_tables",
        sa.Column("id", name, nullable=False),
        sa.Column("since_revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("until_revision", sa.Integer(), nullable=True),
        sa.Column("data_source_id", name, nullable=False),
        sa.Column("first_seen_at", utc, nullable=False),
        sa.Column("last_seen_at", utc, nullable=True),
        sa.Column("removed_at", utc, nullable=True),
        sa.Column("namespace_id", name, nullable=False),
        sa.Column("local_name", name, nullable=False),
        sa.Column("name_folded", name, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("definition", sa.Text(), nullable=True),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("indexes", sa.Text(), nullable=False),
        sa.Column("constraints", sa.Text(), nullable=False),
        sa.Column("primary_key", sa.Text(), nullable=False),
        sa.Column("fingerprint", name, nullable=False),
        sa.PrimaryKeyConstraint("id", "since_revision", name=op.f("pk_catalog_tables")),
    )
    op.create_index(
        "ix_catalog_tables_name", "catalog_tables", ["data_source_id", "local_name", "since_revision"], unique=False
    )
    op.create_index(
        "ix_catalog_tables_namespace", "catalog_tables", ["namespace_id", "local_name", "since_revision"], unique=False
    )
    op.create_index("ix_catalog_tables_until", "catalog_tables", ["data_source_id", "until_revision"], unique=False)
    op.create_index(
        "uq_catalog_tables_valid",
        "catalog_tables",
        ["data_source_id", "local_name"],
        unique=True,
        sqlite_where=sa.text("until_revision IS NULL"),
        postgresql_where=sa.text("until_revision IS NULL"),
    )
    op.create_table(
        "data_sources",
        sa.Column("id", name, nullable=False),
        sa.Column("name", name, nullable=False),
        sa.Column("name_folded", name, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("criticality", sa.Text(), nullable=False),
        sa.Column("sensitivity", sa.Text(), nullable=False),
        sa.Column("scan_frequency", sa.Text(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("cloud_provider", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("team", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("properties", sa.Text(), nullable=True),
        sa.Column("credential", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("created_at", utc, nullable=False),
        sa.Column("updated_at", utc, nullable=False),
        sa.Column("last_tested_at", utc, nullable=True),
        sa.Column("last_discovered_at", utc, nullable=True),
        sa.Column("deleted_at", utc, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_sources")),
    )
    op.create_index(
        "ix_data_sources_deleted_at",
        "data_sources",
        ["deleted_at"],
        unique=False,
        sqlite_where=sa.text("deleted_at IS NOT NULL"),
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.create_index(
        "uq_data_sources_living_name",
        "data_sources",
        ["name"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "encryption_keys",
        sa.Column("key_id", name, nullable=False),
        sa.Column("check_value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_encryption_keys")),
    )
    op.create_table(
        "event_log",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("head", sa.BigInteger(), nullable=False),
        sa.Column("tail", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_event_log_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_log")),
    )
    op.create_table(
        "events",
        sa.Column("id", counter, autoincrement=True, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("at", utc, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("data_source_id", sa.Text(), nullable=True),
        sa.Column("fqn", name, nullable=True),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("sensitivity", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_index(
        "ix_events_unsequenced",
        "events",
        ["id"],
        unique=False,
        postgresql_where=sa.text("position IS NULL"),
        sqlite_where=sa.text("position IS NULL"),
    )
    op.create_index("uq_events_position", "events", ["position"], unique=True)
    op.create_table(
        "instance",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("instance_id", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_instance_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instance")),
    )
    op.create_table(
        "purpose_keys",
        sa.Column("name", name, nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_purpose_keys")),
    )
    op.create_table(
        "requests",
        sa.Column("actor", name, nullable=False),
        sa.Column("key", name, nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("result", sa.LargeBinary(), nullable=False),
        sa.Column("at", utc, nullable=False),
        sa.PrimaryKeyConstraint("actor", "key", name=op.f("pk_requests")),
    )
    op.create_index(op.f("ix_requests_at"), "requests", ["at"], unique=False)
    op.create_table(
        "secrets",
        sa.Column("owner_id", name, nullable=False),
        sa.Column("field", name, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=True),
        sa.Column("store", sa.Text(), nullable=True),
        sa.Column("locator", sa.Text(), nullable=True),
        sa.Column("reference_field", sa.Text(), nullable=True),
        sa.CheckConstraint("(ciphertext IS NULL) <> (store IS NULL)", name=op.f("ck_secrets_sealed_or_reference")),
        sa.PrimaryKeyConstraint("owner_id", "field", name=op.f("pk_secrets")),
    )
    op.create_table(
        "staged_namespaces",
        sa.Column("operation_id", name, nullable=False),
        sa.Column("local_name", name, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("operation_id", "local_name", name=op.f("pk_staged_namespaces")),
    )
    op.create_table(
        "staged_tables",
        sa.Column("operation_id", name, nullable=False),
        sa.Column("local_name", name, nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("namespace_local_name", name, nullable=False),
        sa.Column("fingerprint", name, nullable=True),
        sa.Column("document", sa.LargeBinary(), nullable=True),
        sa.Column("signature", sa.Text(), nullable=True),
        sa.Column("row_count", sa.Float(), nullable=True),
        sa.Column("row_count_exact", sa.Boolean(), nullable=True),
        sa.Column("size_bytes", sa.Float(), nullable=True),
        sa.Column("size_bytes_exact", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("operation_id", "local_name", name=op.f("pk_staged_tables")),
    )
    op.create_table(
        "coverages",
        sa.Column("data_source_id", name, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("coverage", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["data_source_id"], ["data_sources.id"], name=op.f("fk_coverages_data_source_id")),
        sa.PrimaryKeyConstraint("data_source_id", "number", name=op.f("pk_coverages")),
    )
    op.create_table(
        "data_source_tags",
        sa.Column("data_source_id", name, nullable=False),
        sa.Column("tag", name, nullable=False),
        sa.ForeignKeyConstraint(
            ["data_source_id"], ["data_sources.id"], name=op.f("fk_data_source_tags_data_source_id")
        ),
        sa.PrimaryKeyConstraint("data_source_id", "tag", name=op.f("pk_data_source_tags")),
    )
    op.create_index(op.f("ix_data_source_tags_tag"), "data_source_tags", ["tag"], unique=False)
    op.create_table(
        "health",
        sa.Column("data_source_id", name, nullable=False),
        sa.Column("health", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["data_source_id"], ["data_sources.id"], name=op.f("fk_health_data_source_id")),
        sa.PrimaryKeyConstraint("data_source_id", name=op.f("pk_health")),
    )
    op.create_table(
        "health_checks",
        sa.Column("data_source_id", name, nullable=False),
        sa.Column("at", utc, nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("latency_ms", sa.Float(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("certificate_expires_at", utc, nullable=True),
        sa.ForeignKeyConstraint(["data_source_id"], ["data_sources.id"], name=op.f("fk_health_checks_data_source_id")),
        sa.PrimaryKeyConstraint("data_source_id", "at", name=op.f("pk_health_checks")),
    )
    op.create_index(op.f("ix_health_checks_at"), "health_checks", ["at"], unique=False)
    op.create_table(
        "health_hours",
        sa.Column("data_source_id", name, nullable=False),
        sa.Column("at", utc, nullable=False),
        sa.Column("checks", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("latencies", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["data_source_id"], ["data_sources.id"], name=op.f("fk_health_hours_data_source_id")),
        sa.PrimaryKeyConstraint("data_source_id", "at", name=op.f("pk_health_hours")),
    )
    op.create_index(op.f("ix_health_hours_at"), "health_hours", ["at"], unique=False)
    op.create_table(
        "health_schedules",
        sa.Column("data_source_id", name, nullable=False),
        sa.Column("due_at", utc, nullable=False),
        sa.ForeignKeyConstraint(
            ["data_source_id"], ["data_sources.id"], name=op.f("fk_health_schedules_data_source_id")
        ),
        sa.PrimaryKeyConstraint("data_source_id", name=op.f("pk_health_schedules")),
    )
    op.create_index(op.f("ix_health_schedules_due_at"), "health_schedules", ["due_at"], unique=False)
    op.create_table(
        "operations",
        sa.Column("id", name, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("data_source_id", name, nullable=True),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("progress", sa.Float(), nullable=True),
        sa.Column("eta_s", sa.Integer(), nullable=True),
        sa.Column("steps", sa.Text(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("problems", sa.Text(), nullable=False),
        sa.Column("confirmation", sa.Text(), nullable=True),
        sa.Column("confirmation_expires_at", utc, nullable=True),
        sa.Column("published_revision", sa.Integer(), nullable=True),
        sa.Column("created_at", utc, nullable=False),
        sa.Column("started_at", utc, nullable=True),
        sa.Column("ended_at", utc, nullable=True),
        sa.ForeignKeyConstraint(["data_source_id"], ["data_sources.id"], name=op.f("fk_operations_data_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operations")),
    )
    op.create_index("ix_operations_data_source_id", "operations", ["data_source_id", "created_at", "id"], unique=False)
    op.create_index(
        "ix_operations_unfinished",
        "operations",
        ["created_at", "id"],
        unique=False,
        sqlite_where=sa.text("(state NOT IN ('SUCCEEDED', 'PARTIAL', 'FAILED', 'CANCELLED'))"),
        postgresql_where=sa.text("(state NOT IN ('SUCCEEDED', 'PARTIAL', 'FAILED', 'CANCELLED'))"),
    )
    op.create_index(
        "uq_operations_one_discovery",
        "operations",
        ["data_source_id"],
        unique=True,
        sqlite_where=sa.text("kind = 'DISCOVERY' AND (state NOT IN ('SUCCEEDED', 'PARTIAL', 'FAILED', 'CANCELLED'))"),
        postgresql_where=sa.text(
            "kind = 'DISCOVERY' AND (state NOT IN ('SUCCEEDED', 'PARTIAL', 'FAILED', 'CANCELLED'))"
        ),
    )

    log = sa.table("event_log", *(sa.column(part) for part in ("id", "epoch", "head", "tail")))
    op.execute(log.insert().values(id=1, epoch=secrets.token_hex(8), head=0, tail=1))
    instance = sa.table("instance", *(sa.column(part) for part in ("id", "instance_id")))
    op.execute(instance.insert().values(id=1, instance_id=secrets.token_hex(16)))
