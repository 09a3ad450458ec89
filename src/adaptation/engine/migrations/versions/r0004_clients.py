"""Clients have keys, jobs tell their callbacks, and ended attempts are added up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
UNDELIVERED = "state = 'pending'"


def upgrade() -> None:
    """Bring the tables of 0003 to this version, with the jobs in them."""
    op.add_column("job", sa.Column("endpoints", sa.JSON(none_as_null=True)))
    _add_clients()
    _add_callbacks()
    op.create_index("attempt_finished", "attempt", ["finished_at"])
    op.create_table(
        "measure",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("outcome", sa.String(12), primary_key=True),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
    )


def _add_clients() -> None:
    op.create_table(
        "client",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("role", sa.String(10), nullable=False),
        sa.Column("rate", sa.Integer),
        sa.Column("most_unfinished", sa.Integer),
        sa.Column("defaults", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("callback", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("signing_secret", sa.String(120), nullable=False),
        sa.Column("signing_secret_before", sa.String(120)),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "client_key",
        sa.Column("id", ID, primary_key=True),
        sa.Column("client", sa.String(100), sa.ForeignKey("client.name"), nullable=False),
        sa.Column("prefix", sa.String(20), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("used_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
        sqlite_autoincrement=True,
    )
    op.create_index("client_key_client", "client_key", ["client"])


def _add_callbacks() -> None:
    op.create_table(
        "endpoint",
        sa.Column("client", sa.String(100), primary_key=True),
        sa.Column("url", sa.String(2000), primary_key=True),
        sa.Column("disabled_at", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_table(
        "delivery",
        sa.Column("id", ID, primary_key=True),
        sa.Column("job_id", ID, sa.ForeignKey("job.id"), nullable=False),
        sa.Column("task_id", ID, nullable=False),
        sa.Column("client", sa.String(100), nullable=False),
        sa.Column("url", sa.String(2000), nullable=False),
        sa.Column("event", sa.String(10), nullable=False),
        sa.Column("identity", sa.String(120), nullable=False),
        sa.Column("facts", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("body", sa.Text),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("worker_id", sa.String(64)),
        sa.Column("status", sa.Integer),
        sa.Column("answer", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("tried_at", sa.BigInteger),
        sa.Column("finished_at", sa.BigInteger),
        sa.UniqueConstraint("job_id", "identity", "url"),
        sqlite_autoincrement=True,
    )
    for name, where, columns in (
        ("delivery_line", UNDELIVERED, ["job_id", "url", "id"]),
        ("delivery_due", UNDELIVERED, ["url", "due_at", "id"]),
        ("delivery_held", "worker_id IS NOT NULL", ["worker_id"]),
    ):
        only = sa.text(where)
        op.create_index(name, "delivery", columns, sqlite_where=only, postgresql_where=only)
