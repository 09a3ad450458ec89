"""What becomes of a task or a job, decided from a few facts: no SQL, no clock."""

from __future__ import annotations

from adaptation.engine.plan import Upstream
from adaptation.engine.states import JobState, Order, TaskState

LOSS_LIMIT = 10
"""Workers that may vanish under one task before it is held to be what kills them."""
LOSS_BACKOFF_MS = 2_000
"""Wait after the third loss of a task in a row; doubled for each further one."""


def after_loss(losses: int, *, stopping: bool) -> tuple[TaskState, int]:
    """Where a task goes whose worker vanished, and the milliseconds it waits there.

    Args:
        losses: workers that had vanished under it before.
        stopping: whether its job has failed or is being cancelled.
    """
    wait_ms = LOSS_BACKOFF_MS * 2 ** (losses - 2) if losses >= 2 else 0
    if stopping:
        return TaskState.CANCELLED, wait_ms
    return TaskState.FAILED if losses + 1 >= LOSS_LIMIT else TaskState.READY, wait_ms


def after_error(*, again: bool, stopping: bool) -> TaskState:
    """Where a task goes whose attempt failed; `again`: the rule for retries has a try left."""
    return TaskState.READY if again and not stopping else TaskState.FAILED


def after_stop(*, stopping: bool) -> tuple[TaskState, str]:
    """Where a task goes that was asked to stop, and the outcome of its attempt."""
    return (TaskState.CANCELLED, "cancelled") if stopping else (TaskState.READY, "released")


def told(state: JobState, *, stopping: bool) -> Order:
    """What a running task of a job in this state is told to do."""
    if stopping:
        return Order.CANCEL
    return Order.PAUSE if state == JobState.PAUSED else Order.RUN


def ending(*, failed: bool, cancelling: bool) -> tuple[JobState, str]:
    """The last state of a job whose tasks have all ended, and the word for it."""
    state = JobState.BROKEN if cancelling else JobState.COMPLETED
    if failed:
        return state, "failed"
    return state, "cancelled" if cancelling else "completed"


def waits_added(key: str, exits: Upstream) -> int:
    """How many new tasks those after the task `key` wait for, once it has expanded to `exits`."""
    return len({*exits.keys, *exits.after} - {key})
