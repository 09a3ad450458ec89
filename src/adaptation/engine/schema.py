"""The tables that hold the plan and the truth, the same on SQLite and PostgreSQL.

Times are whole milliseconds since 1970-01-01 UTC, taken from the database's clock.
"""

from __future__ import annotations

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

from adaptation.engine.sealed import SealedText

metadata = MetaData()


def _partial(name: str, where: str, *columns: str, unique: bool = False) -> Index:
    """An index of some rows only."""
    only = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=only, postgresql_where=only)


Json = JSON(none_as_null=True)

Id = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only in a column declared INTEGER."""

CLAIMABLE = "state = 'ready' AND NOT held"
"""Which tasks a slot may take, in the words of their index: only these words make use of it."""
QUEUED = "state = 'queued'"
"""Which jobs wait for admission, in the words of their indices."""
DUE = "state = 'scheduled' AND semaphore_url IS NULL AND after_id IS NULL"
"""Which jobs wait for a time alone."""
FAILED = "failed"
PERSISTENT = "persist"
UNFINISHED = "finished_at IS NULL"
"""Which jobs may still do something."""
UNREMOVED = "work <> 'removed' AND finished_at IS NOT NULL"
"""Which ended jobs have left pieces: few, and looked for at every sweep."""
UNDELIVERED = "state = 'pending'"
"""Which callbacks have not come to an end."""
FAILING = "state = 'pending' AND tried_at IS NOT NULL"
"""Which callbacks have been tried in vain, and are tried again."""
HELD = "worker_id IS NOT NULL"
"""Which callbacks are just being tried."""
SPENT = "finished_at IS NOT NULL AND work = 'removed' AND NOT persist"
"""Which jobs may be deleted when they are old."""

job = Table(
    "job",
    metadata,
    Column("id", Id, primary_key=True),
    Column("main_task_id", String(64), nullable=False, unique=True),
    Column("workflow", String(100), nullable=False),
    Column("client", String(100), nullable=False, default=""),
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
    Column("run_at", BigInteger),  # not before this
    Column("semaphore_url", SealedText("semaphore_url")),  # not before this address answers well
    Column("after_id", Id),  # not before this job has ended, whose output it takes over
    Column("persist", Boolean, nullable=False, default=False),  # never cleaned up
    Column("subject", String(200), nullable=False, default=""),  # what it is found by
    Column("endpoints", Json),  # addresses that are told of it; NULL: none
    Column("trace", String(55)),  # the W3C traceparent of who asked for it; NULL: none
    Column("queued_at", BigInteger),  # since when it waits for admission
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Index("job_fingerprint", "fingerprint", "id"),
    # When a client was last served at a priority: the basis of fairness and ageing.
    Index("job_served", "client", "priority", "started_at"),
    # Lists, newest first.
    Index("job_of_client", "client", "id"),
    Index("job_of_client_state", "client", "state", "id"),
    Index("job_state", "state", "id"),
    Index("job_created", "created_at", "id"),
    _partial("job_subject", "subject <> ''", "subject", "id"),
    _partial("job_failed", FAILED, "id"),
    _partial("job_persist", PERSISTENT, "id"),
    _partial("job_unfinished", UNFINISHED, "state"),
    _partial("job_queued", QUEUED, "client", "priority", "queued_at", "id"),
    _partial("job_queue", QUEUED, "priority", "queued_at", "id"),
    _partial("job_due", DUE, "run_at", "id"),
    _partial("job_after", "after_id IS NOT NULL", "after_id"),
    _partial("job_spent", SPENT, "finished_at", "id"),
    _partial("job_started", "state = 'started'", "id"),
    _partial("job_work", UNREMOVED, "id"),
    # One unfinished job an output: two runs on one folder are refused at submission.
    _partial(
        "job_output",
        "finished_at IS NULL AND output IS NOT NULL AND after_id IS NULL",
        "output",
        unique=True,
    ),
    sqlite_autoincrement=True,
)

task = Table(
    "task",
    metadata,
    Column("id", Id, primary_key=True),
    Column("job_id", Id, ForeignKey("job.id"), nullable=False),
    Column("run_no", Integer, nullable=False),
    Column("key", String(200), nullable=False),
    Column("name", String(100), nullable=False),
    Column("queue", String(60), nullable=False),
    Column("state", String(12), nullable=False),
    Column("held", Boolean, nullable=False),  # its job is not started: nobody may claim it
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
    Column("scratch_bytes", BigInteger, nullable=False, default=0),  # it needs, 0: hardly any
    Column("needs", Json),  # names of what its worker must be able to do; NULL: nothing special
    Column("params", Json, nullable=False),
    Column("result", Json),
    Column("error", Json),
    Column("progress", Float, nullable=False, default=0.0),
    Column("detail", Json),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    UniqueConstraint("job_id", "run_no", "key"),
    _partial("task_ready", CLAIMABLE, "queue", "priority", "id"),
    _partial("task_running", "state = 'running'", "lease_until"),
    sqlite_autoincrement=True,
)

task_dependency = Table(
    "task_dependency",
    metadata,
    Column("task_id", Id, ForeignKey("task.id"), primary_key=True),
    Column("upstream_id", Id, ForeignKey("task.id"), primary_key=True),
    Column("position", String(200)),  # order in a join's list; NULL: only waited for
    Index("task_dependency_upstream", "upstream_id"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("task_id", Id, ForeignKey("task.id"), primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("worker_id", String(64), nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("outcome", String(12)),  # done, failed, lost, released, cancelled; NULL: running
    Column("error", Json),
    Index("attempt_finished", "finished_at"),
)

log = Table(
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

outbox = Table(
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
    Index("outbox_job", "job_id"),
    _partial("outbox_due", "sent_at IS NULL", "kind", "id"),
    sqlite_autoincrement=True,
)

worker = Table(
    "worker",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("host", String(200), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_started_at", BigInteger, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("queues", Json, nullable=False),  # names; empty: all there are
    Column("facts", Json, nullable=False),  # versions and capabilities
    Column("scratch_free", BigInteger),  # bytes; NULL: not told
    Column("draining", Boolean, nullable=False, default=False),  # takes no new tasks
    Column("wish", String(10)),  # drain, leave: what somebody wants of it; NULL: to work
    Column("load", Json),  # of its machine, see adapters/machine.py; NULL: not told
    Column("job_id", Id),  # the only job it serves; NULL: all
    Column("heartbeat_at", BigInteger, nullable=False),
)

leader = Table(
    "leader",
    metadata,
    Column("name", String(30), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("lease_until", BigInteger, nullable=False),
)

setting = Table(
    "setting",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("value", Json, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

setting_change = Table(
    "setting_change",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(60), nullable=False),
    Column("value", Json),  # NULL: the default is in force again
    Column("changed_by", String(200), nullable=False),  # empty: nobody said so
    Column("changed_at", BigInteger, nullable=False),
    Index("setting_change_name", "name", "id"),
    sqlite_autoincrement=True,
)
"""Who has set what, and when."""

schedule = Table(
    "schedule",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("active", Boolean, nullable=False, default=True),
    Column("due_at", BigInteger, nullable=False),  # of the next run
    Column("ran_at", BigInteger),
)

tally = Table(
    "tally",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", String(12), nullable=False),  # see engine/tally.py
    Column("amount", Integer, nullable=False),  # that came to it, or left it
)
"""Ends of jobs and callbacks are added up: there may be millions, and no row is waited for."""

storage = Table(
    "storage",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("facts", Json, nullable=False),  # see adapters/storage_config.py
    Column("updated_at", BigInteger, nullable=False),
)
"""Where sources and assets may lie besides the machines' own folders."""

# SQLite minds no lengths, and would have to copy the table to be told another.
SIGNING_SECRET = SealedText("signing_secret", String(120).with_variant(Text(), "postgresql"))

client = Table(
    "client",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("role", String(10), nullable=False),  # admin, client, readonly
    Column("rate", Integer),  # requests a minute; NULL: as many as it likes
    Column("most_unfinished", Integer),  # jobs; NULL: as many as it likes
    Column("defaults", Json, nullable=False),  # parameters of its jobs, where they name none
    Column("callback", Json, nullable=False),  # how its callbacks are sent
    Column("limits", Json),  # what it may use, where it differs from others; NULL: nowhere
    Column("signing_secret", SIGNING_SECRET, nullable=False),
    Column("signing_secret_before", SIGNING_SECRET),  # still signs, until the next rotation
    Column("created_at", BigInteger, nullable=False),
)

client_key = Table(
    "client_key",
    metadata,
    Column("id", Id, primary_key=True),
    Column("client", String(100), ForeignKey("client.name"), nullable=False),
    Column("prefix", String(20), nullable=False),  # the part that may be shown
    Column("hash", String(64), nullable=False, unique=True),  # SHA-256, hexadecimal
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("used_at", BigInteger),
    Column("revoked_at", BigInteger),
    Index("client_key_client", "client"),
    sqlite_autoincrement=True,
)
"""Keys are stored as what cannot be turned back into them."""

endpoint = Table(
    "endpoint",
    metadata,
    Column("client", String(100), primary_key=True),
    Column("url", String(2000), primary_key=True),
    Column("disabled_at", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
)
"""Addresses that want no callbacks any more."""

delivery = Table(
    "delivery",
    metadata,
    Column("id", Id, primary_key=True),
    Column("job_id", Id, ForeignKey("job.id"), nullable=False),
    Column("task_id", Id, nullable=False, default=0),  # 0: the job itself
    Column("client", String(100), nullable=False),
    Column("url", String(2000), nullable=False),
    Column("event", String(10), nullable=False),  # start, complete, fail, job
    Column("identity", String(120), nullable=False),  # the same at every try
    Column("facts", Json, nullable=False),  # what the transition itself knew
    Column("body", SealedText("body")),  # as it is sent; NULL until the first try
    Column("state", String(10), nullable=False),  # pending, delivered, dead, dropped
    Column("attempt", Integer, nullable=False, default=0),
    Column("due_at", BigInteger, nullable=False),  # of the next try, were this one lost
    Column("worker_id", String(64)),  # who is just trying it
    Column("status", Integer),  # of the last answer
    Column("answer", Text),  # its first letters, or what went wrong
    Column("created_at", BigInteger, nullable=False),
    Column("tried_at", BigInteger),
    Column("finished_at", BigInteger),
    UniqueConstraint("job_id", "identity", "url"),
    _partial("delivery_line", UNDELIVERED, "job_id", "url", "id"),
    _partial("delivery_due", UNDELIVERED, "url", "due_at", "id"),
    _partial("delivery_held", HELD, "worker_id"),
    _partial("delivery_failing", FAILING, "client", "url", "id"),
    sqlite_autoincrement=True,
)
"""What is told to whom, in the order of the ids for each job and address."""

measure = Table(
    "measure",
    metadata,
    Column("name", String(100), primary_key=True),  # of a task
    Column("outcome", String(12), primary_key=True),  # of its attempts
    Column("amount", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),
)
"""Ended attempts added up, so that how long tasks take is known however many there were."""
