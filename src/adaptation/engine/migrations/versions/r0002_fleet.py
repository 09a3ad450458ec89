"""Queued jobs are started by rules, workers say what they can do, jobs may wait for a time.

A job that had not started was runnable before; now it waits for admission, which the next look
of a controller gives it. Workers sign on anew.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

JSON = sa.JSON(none_as_null=True)
ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Bring the tables of 0001 to this version, with the jobs in them."""
    _add("job", sa.Column("client", sa.String(100), nullable=False), "''")
    _add("job", sa.Column("run_at", sa.BigInteger))
    _add("job", sa.Column("semaphore_url", sa.Text))
    _add("job", sa.Column("persist", sa.Boolean, nullable=False), "false")
    _add("job", sa.Column("queued_at", sa.BigInteger))
    _add("task", sa.Column("held", sa.Boolean, nullable=False), "false")
    _add("task", sa.Column("scratch_bytes", sa.BigInteger, nullable=False), "0")
    _fill()
    _index()
    _workers()
    op.create_table(
        "setting",
        sa.Column("name", sa.String(60), primary_key=True),
        sa.Column("value", JSON, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "schedule",
        sa.Column("name", sa.String(60), primary_key=True),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("ran_at", sa.BigInteger),
    )


def _add(table: str, column: sa.Column[object], old_rows: str | None = None) -> None:
    """Add a column; `old_rows` is the SQL of its value in the rows there are."""
    if old_rows is not None:
        column.server_default = sa.DefaultClause(sa.text(old_rows))
    op.add_column(table, column)
    # SQLite cannot take a default away; it does no harm, for new rows name every column.
    if old_rows is not None and op.get_bind().dialect.name != "sqlite":
        op.alter_column(table, column.name, server_default=None)


def _fill() -> None:
    op.execute("UPDATE job SET queued_at = created_at")
    op.execute(
        "UPDATE task SET held = true WHERE job_id IN"
        " (SELECT id FROM job WHERE state <> 'started' AND finished_at IS NULL)"
    )


def _index() -> None:
    op.drop_index("task_ready", "task")
    _make_index("task_ready", "task", "state = 'ready' AND NOT held", "queue", "priority", "id")
    _make_index("job_client", "job", None, "client", "started_at")
    queued = "state = 'queued'"
    _make_index("job_queued", "job", queued, "client", "priority", "queued_at", "id")
    _make_index("job_started", "job", "state = 'started'", "id")


def _make_index(name: str, table: str, where: str | None, *columns: str) -> None:
    only = None if where is None else sa.text(where)
    op.create_index(name, table, list(columns), sqlite_where=only, postgresql_where=only)


def _workers() -> None:
    op.drop_table("worker")
    op.create_table(
        "worker",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("host", sa.String(200), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("process_started_at", sa.BigInteger, nullable=False),
        sa.Column("slots", sa.Integer, nullable=False),
        sa.Column("queues", JSON, nullable=False),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("scratch_free", sa.BigInteger),
        sa.Column("draining", sa.Boolean, nullable=False),
        sa.Column("job_id", ID),
        sa.Column("heartbeat_at", sa.BigInteger, nullable=False),
    )
