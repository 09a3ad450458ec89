"""What the server tells, as records; fields that a newer server adds are left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypedDict, TypeVar

T = TypeVar("T")


class Terms(TypedDict, total=False):
    """When a job runs, how urgently, and whether it is kept."""

    priority: int
    run_at: datetime | None
    semaphore_url: str | None
    persist: bool


class Filters(TypedDict, total=False):
    """Which jobs are listed, and in which order."""

    limit: int
    order_by: str
    asc: bool
    state: str
    since: datetime
    until: datetime
    failed: bool
    search: str
    job_ids: Iterable[int]
    client: str
    persist: bool
    before: int


class Changes(TypedDict, total=False):
    """What is to be other than it is; None takes a time or an address away."""

    queue_state: Literal["paused", "broken"]
    priority: int
    run_at: datetime | None
    semaphore_url: str | None
    persist: bool


@dataclass(frozen=True)
class Submitted:
    """A job that is stored, and will not be lost."""

    id: int
    """Its number."""


@dataclass(frozen=True)
class Job:
    """A job as the server tells of it."""

    id: int
    client: str
    workflow: str
    priority: int
    """1 is first, 10 last."""
    queue_state: str
    """scheduled, queued, started, paused, completed or broken."""
    failed: bool
    """Whether it ended badly."""
    created_at: datetime
    updated_at: datetime
    position: int | None = None
    """Place in the queue, 1 is next; None: not queued."""
    run_at: datetime | None = None
    """It is not started before this."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """As given, secrets in addresses masked."""
    top_of_queue: bool = False
    progress: float | None = None
    """0 to 1; only events tell it."""
    error: dict[str, Any] | None = None
    """`code`, `message`, `hint`, `task` of the first failure; only events tell it."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.queue_state in {"completed", "broken"}

    @property
    def succeeded(self) -> bool:
        """Whether it ended with what it was asked for."""
        return self.queue_state == "completed" and not self.failed


@dataclass(frozen=True)
class Task:
    """A task of a job."""

    id: int
    name: str
    queue: str
    state: str
    """waiting, ready, running, done, failed, cancelled or skipped."""
    attempt: int
    progress: float
    """0 to 1."""
    worker: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    message: str = ""
    """Its error, or what it says of itself."""
    depends_on: list[int] = field(default_factory=list)
    """Ids of the tasks it waits for."""


@dataclass(frozen=True)
class LogLine:
    """A line of a job's log."""

    id: int
    job_id: int
    task_id: int
    """0 for the job itself."""
    severity: int
    """10 debug, 20 info, 30 warning, 40 error."""
    message: str
    created_at: datetime
    severity_description: str = ""
    progname: str = ""
    visible: bool = True


@dataclass(frozen=True)
class Event:
    """Something that happened to a job."""

    name: str
    """log, task, job, or end for the last."""
    id: int
    """From here on a stream goes on: `events(job, after=id)`."""
    data: dict[str, Any]
    """A row of the log, of the tasks, or of the job itself."""


@dataclass(frozen=True)
class RunningTask:
    """What runs of a job."""

    name: str
    progress: float
    """0 to 1."""
    speed: float | None = None
    """In times real time; None: it does not tell."""


@dataclass(frozen=True)
class JobAtWork:
    """A job with how far it is."""

    id: int
    client: str
    workflow: str
    priority: int
    """1 is first, 10 last."""
    queue_state: str
    """started, queued, paused, scheduled, or completed when it has failed."""
    failed: bool
    created_at: datetime
    subject: str = ""
    """The content id, or what else people know it by."""
    position: int | None = None
    """Place in the queue, 1 is next; None: not queued."""
    run_at: datetime | None = None
    started_at: datetime | None = None
    progress: float = 0.0
    """0 to 1."""
    running: list[RunningTask] = field(default_factory=list)
    waits_for: str | None = None
    """What a task of it needs that no live worker can do."""
    error: dict[str, Any] | None = None
    """`code`, `message`, `hint` and `task` of the first failure."""


@dataclass(frozen=True)
class Overview:
    """The engine at one moment."""

    version: str
    now_at: datetime
    """By the server's clock."""
    counts: dict[str, int]
    """Jobs of all clients, by state; `failed` are completed ones that ended badly."""
    max_jobs: int
    """Jobs that may run at once."""
    priority_slots: int
    """Of those, slots only for priority jobs."""
    priority_threshold: int
    """A job of priority 1 to this is a priority job."""
    paused: bool = False
    """Whether somebody holds the queue, and no job is started."""
    jobs: list[JobAtWork] = field(default_factory=list)
    """Those that run, oldest first; queued ones, next first; paused; scheduled."""
    failures: list[JobAtWork] = field(default_factory=list)
    """The newest that ended badly."""


@dataclass(frozen=True)
class WorkerTask:
    """What a worker runs."""

    job_id: int
    task_id: int
    name: str
    progress: float
    """0 to 1."""


@dataclass(frozen=True)
class Worker:
    """A worker or controller of the fleet."""

    name: str
    queues: list[str]
    state: str
    """idle, working, draining or silent."""
    slots: int
    """Tasks at the same time; 0: a controller."""
    heartbeat_seconds: float
    """How long ago it was heard last."""
    tasks: list[WorkerTask] = field(default_factory=list)
    version: str | None = None
    free_scratch_bytes: int | None = None
    id: str = ""
    """Names the process for ever."""
    wish: str = "work"
    """What somebody wants of it: work, drain or leave."""
    load: dict[str, Any] = field(default_factory=dict)
    """`cpu`, 0 to 1, `memory_used_bytes`, `memory_bytes`, `scratch_bytes`; None: not told."""


@dataclass(frozen=True)
class Delivery:
    """A callback to one end point."""

    id: int
    job_id: int
    task_id: int
    """0: it tells of the job itself."""
    event: str
    """start, complete or fail of a task, or job."""
    url: str
    """The end point, secrets in it masked."""
    webhook_id: str
    """Header webhook-id, the same at every try."""
    state: str
    """pending, delivered, dead (given up), or dropped (the end point wants none)."""
    attempts: int
    """Tries, with the one under way."""
    created_at: datetime
    status: int | None = None
    """HTTP status of the last answer."""
    answer: str | None = None
    """How it begins, or what went wrong."""
    body: str | None = None
    """What is sent; None before the first try."""
    tried_at: datetime | None = None
    next_try_at: datetime | None = None
    """None: there is none."""
    finished_at: datetime | None = None


@dataclass(frozen=True)
class EndPoint:
    """An address that is sent nothing, or does not take what it is sent."""

    client: str
    url: str
    """Secrets in it masked."""
    state: str
    """disabled (it said 410, or by hand) or failing (it is tried again)."""
    since: datetime
    """When it was disabled, or the oldest callback was stored that it did not take."""
    status: int | None = None
    """HTTP status of the last answer."""
    reason: str = ""
    """Why it is disabled, or how the last answer begins."""
    waiting: int = 0
    """Callbacks that wait for it."""
    next_try_at: datetime | None = None
    """None: nothing is tried."""


@dataclass(frozen=True)
class Setting:
    """A setting of the whole fleet."""

    name: str
    setting: float
    """The value in force."""
    default: float
    meaning: str = ""


@dataclass(frozen=True)
class Queue:
    """Whether jobs that wait are started."""

    paused: bool
    queued: int = 0
    """Jobs that wait for a slot."""
    started: int = 0
    """Jobs that run."""
    changed_by: str | None = None
    """Who paused it, or let it go on; None: nobody, or one who is no admin asks."""
    changed_at: datetime | None = None


@dataclass(frozen=True)
class Workflow:
    """Something that can be submitted; lists tell its name and description alone."""

    name: str
    description: str
    queues: list[str] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    """`key`, `name`, `queue` and `depends_on` of the tasks that every job of it has."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """JSON Schema, draft 2020-12, with defaults."""
    example: dict[str, Any] = field(default_factory=dict)
    """Parameters that are enough."""


INNER: dict[tuple[type, str], type] = {
    (Worker, "tasks"): WorkerTask,
    (Overview, "jobs"): JobAtWork,
    (Overview, "failures"): JobAtWork,
    (JobAtWork, "running"): RunningTask,
}
"""Fields that are lists of records."""


def record(kind: type[T], row: Mapping[str, Any]) -> T:
    """A row as a record of its kind.

    Raises:
        AttributeError, TypeError, ValueError: it is no such row.
    """
    known = {one.name for one in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: _value(kind, name, row[name]) for name in known & row.keys()})


def _value(kind: type, name: str, value: Any) -> Any:
    if (name.endswith("_at") or name == "since") and isinstance(value, str):
        return datetime.fromisoformat(value)
    inner = INNER.get((kind, name))
    return value if inner is None else [record(inner, one) for one in value]
