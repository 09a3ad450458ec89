"""The tables in memory: jobs, tasks and messages, with the lists that answer for indices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappush
from typing import Any

from adaptation.engine.model import NewJob, Outgoing
from adaptation.engine.states import JOB_MOVES, TASK_MOVES, JobState, TaskState, Work

WAITING, READY, RUNNING, DONE = (
    TaskState.WAITING,
    TaskState.READY,
    TaskState.RUNNING,
    TaskState.DONE,
)
"""Looking them up in their class takes ten times as long."""
Place = tuple[int, ...] | None
"""Where a result stands in the list a join receives; None: it is only waited for."""


@dataclass(eq=False, slots=True)
class Task:
    """A row of the table `task`, with its edges and attempts."""

    id: int
    job: Job
    key: str
    name: str
    queue: str
    params: dict[str, Any]
    priority: int
    joins: bool
    held: bool
    state: TaskState = TaskState.WAITING
    waits: int = 0
    attempt: int = 0
    losses: int = 0
    generation: int = 0
    worker_id: str | None = None
    lease_until: int | None = None
    not_before: int = 0
    sent_at: int | None = None
    result: Any = None
    upstream: dict[Task, Place] = field(default_factory=dict)
    dependants: list[Task] = field(default_factory=list)
    attempts: dict[int, str | None] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Job:
    """A row of the table `job`, with its tasks."""

    id: int
    new: NewJob
    state: JobState
    priority: int
    remaining: int
    run_at: int | None
    queued_at: int | None
    tasks: list[Task] = field(default_factory=list)
    failed: bool = False
    cancelling: bool = False
    permanent: bool = False
    run_no: int = 1
    work: Work = Work.KEPT
    result: Any = None
    started_at: int | None = None
    finished_at: int | None = None

    @property
    def stopping(self) -> bool:
        return self.failed or self.cancelling


class World:
    """Everything stored; `now` is the database's clock, in milliseconds."""

    def __init__(self) -> None:
        self.now = 0
        self.jobs: list[Job] = []
        self.tasks: list[Task] = []
        self.outbox: dict[str, dict[str, Any]] = {}
        self.workers: dict[str, int] = {}
        self.leaders: dict[str, tuple[str, int]] = {}
        self.known: dict[str, Job] = {}
        self.scheduled: dict[int, Job] = {}
        self.queued: dict[int, Job] = {}
        self.started: dict[int, Job] = {}
        self.in_state = {
            JobState.SCHEDULED: self.scheduled,
            JobState.QUEUED: self.queued,
            JobState.STARTED: self.started,
        }
        self.served: dict[tuple[str, int], int] = {}
        self.running: dict[int, Task] = {}
        self.claimable: dict[int, Task] = {}
        self.lines: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        self.all_wait = False
        """Whether nobody may be started, until a job, its priority or its state is another."""
        self.touched: dict[Job, None] = {}
        """Jobs that have changed since somebody last emptied this."""

    def move(self, task: Task, state: TaskState) -> None:
        assert state in TASK_MOVES[task.state], f"{task.state} to {state}"
        task.state = state
        self.list_task(task)

    def list_task(self, task: Task) -> None:
        self.touched[task.job] = None
        if task.state is RUNNING:
            self.running[task.id] = task
        else:
            self.running.pop(task.id, None)
        if task.state is not READY or task.held:
            self.claimable.pop(task.id, None)
        elif task.id not in self.claimable:
            self.claimable[task.id] = task
            heappush(self.lines[task.queue], turn(task))

    def move_job(self, job: Job, state: JobState) -> None:
        assert state in JOB_MOVES[job.state], f"{job.state} to {state}"
        job.state = state
        self.list_job(job)

    def list_job(self, job: Job) -> None:
        self.touched[job] = None
        self.all_wait = False
        for jobs in self.in_state.values():
            jobs.pop(job.id, None)
        if job.state in self.in_state:
            self.in_state[job.state][job.id] = job

    def post(self, identity: str, messages: Iterable[Outgoing]) -> None:
        for number, message in enumerate(messages):
            unique = f"{identity}/{number}"
            assert unique not in self.outbox, f"{unique} is told twice"
            self.outbox[unique] = message.body


def turn(task: Task) -> tuple[int, int]:
    """What decides which ready task is claimed first."""
    return task.priority, task.id
