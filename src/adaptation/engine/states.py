"""The words for where a job and a task stand, and the moves that are legal between them."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands; the values are the API's words."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    STARTED = "started"
    PAUSED = "paused"
    COMPLETED = "completed"
    BROKEN = "broken"


class TaskState(StrEnum):
    """Where a task stands."""

    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class Order(StrEnum):
    """What a heartbeat's answer tells a running task to do."""

    RUN = "run"
    PAUSE = "pause"
    CANCEL = "cancel"
    LOST = "lost"


class Wish(StrEnum):
    """What somebody wants of a worker, which it reads at its heartbeats."""

    WORK = "work"
    DRAIN = "drain"
    LEAVE = "leave"


class Work(StrEnum):
    """What has become of a job's pieces in the work area."""

    KEPT = "kept"
    REMOVING = "removing"
    REMOVED = "removed"


JOB_MOVES: dict[JobState, frozenset[JobState]] = {
    JobState.SCHEDULED: frozenset(
        {
            JobState.QUEUED,
            JobState.STARTED,
            JobState.PAUSED,
            JobState.COMPLETED,
            JobState.BROKEN,
        }
    ),
    JobState.QUEUED: frozenset(
        {
            JobState.SCHEDULED,
            JobState.STARTED,
            JobState.PAUSED,
            JobState.COMPLETED,
            JobState.BROKEN,
        }
    ),
    JobState.STARTED: frozenset({JobState.PAUSED, JobState.COMPLETED, JobState.BROKEN}),
    JobState.PAUSED: frozenset(
        {JobState.SCHEDULED, JobState.QUEUED, JobState.COMPLETED, JobState.BROKEN}
    ),
    JobState.COMPLETED: frozenset({JobState.QUEUED, JobState.BROKEN}),
    JobState.BROKEN: frozenset({JobState.QUEUED}),
}
"""Legal moves of a job. An ended job is queued again by a retry, under the next run number, and a
completed one is broken by a run anew. One that was paused while its last task ran may end wherever
it is put meanwhile."""

TASK_MOVES: dict[TaskState, frozenset[TaskState]] = {
    TaskState.WAITING: frozenset({TaskState.READY, TaskState.CANCELLED, TaskState.SKIPPED}),
    TaskState.READY: frozenset({TaskState.RUNNING, TaskState.CANCELLED, TaskState.SKIPPED}),
    TaskState.RUNNING: frozenset(
        {TaskState.READY, TaskState.DONE, TaskState.FAILED, TaskState.CANCELLED}
    ),
    TaskState.DONE: frozenset(),
    TaskState.FAILED: frozenset({TaskState.READY, TaskState.WAITING}),
    TaskState.CANCELLED: frozenset({TaskState.READY, TaskState.WAITING}),
    TaskState.SKIPPED: frozenset({TaskState.READY, TaskState.WAITING}),
}
"""Legal moves of a task. A task that ended without being done goes back only by a retry."""

JOB_ENDS = frozenset({JobState.COMPLETED, JobState.BROKEN})


def task_sources(target: TaskState) -> frozenset[TaskState]:
    """The task states from which `target` may be reached."""
    return frozenset(state for state, targets in TASK_MOVES.items() if target in targets)


def job_sources(target: JobState) -> frozenset[JobState]:
    """The job states from which `target` may be reached."""
    return frozenset(state for state, targets in JOB_MOVES.items() if target in targets)
