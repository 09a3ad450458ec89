"""The records the engine hands around: what a row says, without the row."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from adaptation.engine.states import JobState, TaskState, Wish, Work
from adaptation.limits import Value


@dataclass(frozen=True)
class NewJob:
    """A job to be stored."""

    main_task_id: str
    """The id a client knows the job by, unique; submitting it twice stores one job."""
    workflow: str
    parameters: dict[str, Any]
    """As the client gave them, checked."""
    context: dict[str, Any] = field(default_factory=dict)
    """What the first tasks receive."""
    priority: int = 5
    """1 runs first, 10 last."""
    fingerprint: str = ""
    """Equal for jobs that ask for the same work; empty: never compared."""
    output: str | None = None
    """The place the job writes to, held by one unfinished job at a time."""
    farewell: dict[str, Any] = field(default_factory=dict)
    """Fields added to the notification that tells of a failure or cancel."""
    client: str = ""
    """Whose it is; clients of one priority take turns."""
    run_at: int | None = None
    """It is not queued before this: milliseconds since 1970-01-01 UTC."""
    semaphore_url: str | None = None
    """It is not queued before this address answers with a 2xx or 3xx status."""
    persist: bool = False
    """Whether it is kept when old jobs are cleaned up."""
    subject: str = ""
    """What people look for it by, such as the name of what it works on."""
    endpoints: tuple[str | dict[str, str], ...] = ()
    """Addresses that are told when its tasks start and end, and when it ends, as
    `Addresses.named` gives them."""
    most_unfinished: int | None = None
    """Jobs of its client that may be unfinished with it; None: as many as it likes."""
    trace: str | None = None
    """W3C traceparent of who asked for it, under which its tasks are traced."""

    @property
    def waits_outside(self) -> bool:
        """Whether something outside must happen before it is queued."""
        return self.run_at is not None or self.semaphore_url is not None


@dataclass(frozen=True)
class Job:
    """A job as stored."""

    id: int
    main_task_id: str
    workflow: str
    client: str
    state: JobState
    failed: bool
    cancelling: bool
    priority: int
    run_no: int
    remaining: int
    """Tasks that have not ended yet."""
    parameters: dict[str, Any]
    result: dict[str, Any] | None
    """The context of the last task, once the job has completed."""
    error: dict[str, Any] | None
    """`code`, `message`, `hint`, `task` and `task_id` of the first failure."""
    fingerprint: str
    output: str | None
    work: Work
    """Whether the finished pieces are still there for a retry."""
    run_at: datetime | None
    semaphore_url: str | None
    """An address it waits for; None once that has answered well."""
    after_id: int | None
    """A job whose end it waits for, to do the same again."""
    persist: bool
    subject: str
    endpoints: tuple[str, ...]
    """What is told when its tasks start and end, and when it ends: names of addresses."""
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.finished_at is not None

    @property
    def succeeded(self) -> bool:
        """Whether it ended with what it was asked for."""
        return self.state is JobState.COMPLETED and not self.failed

    @property
    def retryable(self) -> bool:
        """Whether a retry would run what failed or never ran."""
        return self.ended and not self.succeeded and self.work is Work.KEPT


@dataclass(frozen=True)
class Task:
    """A task as stored, without its context."""

    id: int
    job_id: int
    key: str
    name: str
    queue: str
    state: TaskState
    attempt: int
    """Tries that ended in an error, plus the one under way."""
    losses: int
    """Tries whose worker vanished."""
    generation: int
    params: dict[str, Any]
    progress: float
    """0 to 1."""
    detail: dict[str, Any] | None
    """What the task says about itself while it runs."""
    error: dict[str, Any] | None
    worker_id: str | None
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True)
class PastJob:
    """A completed job, as forecasts learn from it."""

    id: int
    planned: dict[str, float]
    """What its tasks foretold of it, as they left it in the context."""
    seconds: dict[str, float]
    """What its tasks took, added up by their names."""


@dataclass(frozen=True)
class LogLine:
    """One line of a job's log."""

    id: int
    job_id: int
    task_id: int
    """0 for the job itself."""
    severity: int
    """As in the module `logging`: 10 debug, 20 info, 30 warning, 40 error."""
    progname: str
    message: str
    created_at: datetime


@dataclass(frozen=True)
class Message:
    """One message of the outbox."""

    id: int
    job_id: int
    kind: str
    address: str
    identity: str
    body: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True)
class Dispatch:
    """What travels on a queue: which task may be claimed, and at which generation."""

    task_id: int
    generation: int
    queue: str
    priority: int


@dataclass(frozen=True)
class Claim:
    """A task that is now ours to run."""

    task_id: int
    generation: int
    """The generation this attempt runs under: every later write compares against it."""
    job_id: int
    run_no: int
    main_task_id: str
    workflow: str
    key: str
    name: str
    params: dict[str, Any]
    attempt: int
    """1 for the first try."""
    payload: dict[str, Any] | list[dict[str, Any]]
    """The context the task works on; for a join the list of its upstream contexts."""
    scratch_bytes: int = 0
    """How much scratch it needs at most; 0: next to nothing."""
    limits: dict[str, Value] | None = None
    """What its client may use, where that differs from others, as of now; None: it is nobody's."""
    trace: str | None = None
    """W3C traceparent of who asked for the job."""


@dataclass(frozen=True)
class Outgoing:
    """A message a task wants sent, stored in the transaction that completes it."""

    kind: str
    address: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Moved:
    """What a committed transition set free."""

    ready: tuple[Dispatch, ...] = ()
    """Tasks that may be sent to their queues now."""
    ended: bool = False
    """Whether the job's run ended with it."""


@dataclass(frozen=True)
class Process:
    """A worker's operating-system process, so that others on its host can see it die."""

    worker_id: str
    host: str
    """Host name, boot and process namespace: equal only where a pid means the same process."""
    pid: int
    started_at_ms: int
    slots: int
    job_id: int | None = None
    """The only job it serves; None: every job."""
    queues: tuple[str, ...] = ()
    """The queues it serves; empty: all there are."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Versions and capabilities."""
    scratch_free: int | None = None
    """Bytes that its scratch has room for; None: not told."""
    draining: bool = False
    """Whether it takes no new tasks."""
    wish: Wish = Wish.WORK
    """What somebody wants of it."""
    load: dict[str, Any] = field(default_factory=dict)
    """How busy its machine is; see `adapters.machine`."""


@dataclass(frozen=True)
class Running:
    """A task that a worker runs."""

    task_id: int
    job_id: int
    name: str
    progress: float
    """0 to 1."""


@dataclass(frozen=True)
class Member:
    """A worker or controller as the fleet sees it."""

    process: Process
    heard_seconds: float
    """How long ago its last heartbeat was."""
    running: tuple[Running, ...]
