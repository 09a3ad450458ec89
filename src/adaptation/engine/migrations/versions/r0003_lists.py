"""Lists, counts and clean-up stay quick however many jobs there are; a job may follow another.

Jobs that have ended are counted once, here; from now on each end is added to the tally.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
QUEUED = "state = 'queued'"


def upgrade() -> None:
    """Bring the tables of 0002 to this version, with the jobs in them."""
    op.add_column("job", sa.Column("after_id", ID))
    _add_subject()
    for name in ("job_client", "job_output"):
        op.drop_index(name, "job")
    op.drop_index("outbox_due", "outbox")
    _index()
    op.create_table(
        "tally",
        sa.Column("id", ID, primary_key=True),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("amount", sa.Integer, nullable=False),
    )
    op.execute("UPDATE job SET queued_at = NULL WHERE state = 'scheduled'")
    op.execute(
        "INSERT INTO tally (kind, amount) SELECT CASE WHEN state = 'broken' THEN 'broken'"
        " WHEN failed THEN 'failed' ELSE 'completed' END AS kind, COUNT(*)"
        " FROM job WHERE finished_at IS NOT NULL GROUP BY 1"
    )


def _add_subject() -> None:
    empty = sa.DefaultClause(sa.text("''"))
    op.add_column("job", sa.Column("subject", sa.String(200), empty, nullable=False))
    # SQLite cannot take a default away; it does no harm, for new rows name every column.
    if op.get_bind().dialect.name != "sqlite":
        op.alter_column("job", "subject", server_default=None)


def _index() -> None:
    _make("job_served", None, "client", "priority", "started_at")
    _make("job_of_client", None, "client", "id")
    _make("job_of_client_state", None, "client", "state", "id")
    _make("job_state", None, "state", "id")
    _make("job_created", None, "created_at", "id")
    _make("job_subject", "subject <> ''", "subject", "id")
    _make("job_failed", "failed", "id")
    _make("job_persist", "persist", "id")
    _make("job_unfinished", "finished_at IS NULL", "state")
    _make("job_queue", QUEUED, "priority", "queued_at", "id")
    due = "state = 'scheduled' AND semaphore_url IS NULL AND after_id IS NULL"
    _make("job_due", due, "run_at", "id")
    _make("job_after", "after_id IS NOT NULL", "after_id")
    spent = "finished_at IS NOT NULL AND work = 'removed' AND NOT persist"
    _make("job_spent", spent, "finished_at", "id")
    holds = "finished_at IS NULL AND output IS NOT NULL AND after_id IS NULL"
    _make("job_output", holds, "output", unique=True)
    op.create_index("outbox_job", "outbox", ["job_id"])
    _make("outbox_due", "sent_at IS NULL", "kind", "id", table="outbox")


def _make(
    name: str, where: str | None, *columns: str, unique: bool = False, table: str = "job"
) -> None:
    only = None if where is None else sa.text(where)
    op.create_index(
        name, table, list(columns), unique=unique, sqlite_where=only, postgresql_where=only
    )
