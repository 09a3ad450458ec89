"""The first tables that a database could be left with: those of version 0.1 in development."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

revision = "0001"
down_revision = None
metadata = MetaData()

Json = JSON(none_as_null=True)

Id = BigInteger().with_variant(Integer, "sqlite")

Table(
    "job",
    metadata,
    Column("id", Id, primary_key=True),
    Column("main_task_id", String(64), nullable=False, unique=True),
    Column("workflow", String(100), nullable=False),
    Column("state", String(12), nullable=False),
    Column("failed", Boolean, nullable=False, default=False),
    Column("cancelling", Boolean, nullable=False, default=False),
    Column("priority", Integer, nullable=False, default=5),
    Column("run_no", Integer, nullable=False, default=1),
    Column("remaining", Integer, nullable=False),
    Column("parameters", Json, nullable=False),
    Column("context", Json, nullable=False),
    Column("farewell", Json, nullable=False),
    Column("result", Json),
    Column("error", Json),
    Column("fingerprint", String(64), nullable=False, default=""),
    Column("output", Text),
    Column("permanent", Boolean, nullable=False, default=False),  # the error: no retry can help
    Column("work", String(8), nullable=False, default="kept"),  # kept, removing, removed
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Index("job_fingerprint", "fingerprint", "id"),
    # Ended jobs whose pieces are still there are few, and looked for at every sweep.
    Index(
        "job_work",
        "id",
        sqlite_where=text("work <> 'removed' AND finished_at IS NOT NULL"),
        postgresql_where=text("work <> 'removed' AND finished_at IS NOT NULL"),
    ),
    # One unfinished job an output: two runs on one folder are refused at submission.
    Index(
        "job_output",
        "output",
        unique=True,
        sqlite_where=text("finished_at IS NULL AND output IS NOT NULL"),
        postgresql_where=text("finished_at IS NULL AND output IS NOT NULL"),
    ),
    sqlite_autoincrement=True,
)

Table(
    "task",
    metadata,
    Column("id", Id, primary_key=True),
    Column("job_id", Id, ForeignKey("job.id"), nullable=False),
    Column("run_no", Integer, nullable=False),
    Column("key", String(200), nullable=False),
    Column("name", String(100), nullable=False),
    Column("queue", String(60), nullable=False),
    Column("state", String(12), nullable=False),
    Column("waits", Integer, nullable=False),
    Column("joins", Boolean, nullable=False),
    Column("attempt", Integer, nullable=False, default=0),
    Column("losses", Integer, nullable=False, default=0),
    Column("generation", Integer, nullable=False, default=0),
    Column("worker_id", String(64)),
    Column("lease_until", BigInteger),
    Column("not_before", BigInteger, nullable=False, default=0),
    Column("sent_at", BigInteger),
    Column("priority", Integer, nullable=False),
    Column("params", Json, nullable=False),
    Column("result", Json),
    Column("error", Json),
    Column("progress", Float, nullable=False, default=0.0),
    Column("detail", Json),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    UniqueConstraint("job_id", "run_no", "key"),
    Index(
        "task_ready",
        "priority",
        "id",
        sqlite_where=text("state = 'ready'"),
        postgresql_where=text("state = 'ready'"),
    ),
    Index(
        "task_running",
        "lease_until",
        sqlite_where=text("state = 'running'"),
        postgresql_where=text("state = 'running'"),
    ),
    sqlite_autoincrement=True,
)

Table(
    "task_dependency",
    metadata,
    Column("task_id", Id, ForeignKey("task.id"), primary_key=True),
    Column("upstream_id", Id, ForeignKey("task.id"), primary_key=True),
    Column("position", String(200)),  # order in a join's list; NULL: only waited for
    Index("task_dependency_upstream", "upstream_id"),
)

Table(
    "attempt",
    metadata,
    Column("task_id", Id, ForeignKey("task.id"), primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("worker_id", String(64), nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("outcome", String(12)),  # done, failed, lost, released, cancelled; NULL: running
    Column("error", Json),
)

Table(
    "log",
    metadata,
    Column("id", Id, primary_key=True),
    Column("job_id", Id, ForeignKey("job.id"), nullable=False),
    Column("task_id", Id, nullable=False, default=0),  # 0: the job itself
    Column("severity", Integer, nullable=False),
    Column("progname", String(20), nullable=False),
    Column("message", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("log_job", "job_id", "id"),
    sqlite_autoincrement=True,
)

Table(
    "outbox",
    metadata,
    Column("id", Id, primary_key=True),
    Column("job_id", Id, ForeignKey("job.id"), nullable=False),
    Column("kind", String(20), nullable=False),  # notification, job_end
    Column("address", String(200), nullable=False),
    Column("identity", String(100), nullable=False, unique=True),
    Column("body", Json, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("sent_at", BigInteger),
    Index("outbox_address", "address", "id"),
    Index(
        "outbox_due",
        "id",
        sqlite_where=text("sent_at IS NULL"),
        postgresql_where=text("sent_at IS NULL"),
    ),
    sqlite_autoincrement=True,
)

Table(
    "worker",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("host", String(200), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_started_at", BigInteger, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("job_id", Id),  # the only job it serves; NULL: all
    Column("heartbeat_at", BigInteger, nullable=False),
)

Table(
    "leader",
    metadata,
    Column("name", String(30), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("lease_until", BigInteger, nullable=False),
)


def upgrade() -> None:
    """Make the tables; there is nothing before them."""
    metadata.create_all(op.get_bind())
