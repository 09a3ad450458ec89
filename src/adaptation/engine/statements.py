"""The SQL of a task's life, built once: what runs for every task must not be built for each."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Boolean,
    Select,
    and_,
    bindparam,
    case,
    insert,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningUpdate

from adaptation.engine.database import now
from adaptation.engine.schema import CLAIMABLE, attempt, client, job, task, task_dependency
from adaptation.engine.states import TaskState, task_sources

ENDING = (
    job.c.remaining,
    job.c.failed,
    job.c.cancelling,
    job.c.run_no,
    job.c.main_task_id,
    job.c.error,
    job.c.farewell,
    job.c.client,
    job.c.endpoints,
)
"""What `end_job` must know of a job."""

_BECOMES_OURS = (
    update(task)
    .values(
        state=TaskState.RUNNING,
        generation=task.c.generation + 1,
        attempt=task.c.attempt + 1,
        worker_id=bindparam("claim_worker"),
        lease_until=now() + bindparam("lease_ms"),
        started_at=now(),
        progress=0.0,
        detail=None,
        error=None,
    )
    .returning(
        task.c.id,
        task.c.generation,
        task.c.job_id,
        task.c.run_no,
        task.c.key,
        task.c.name,
        task.c.params,
        task.c.attempt,
        task.c.joins,
        task.c.scratch_bytes,
    )
)
CLAIM = _BECOMES_OURS.where(
    task.c.id == bindparam("claim_id"),
    task.c.generation == bindparam("claim_generation"),
    task.c.state.in_(task_sources(TaskState.RUNNING)),
    task.c.held.is_(False),
    task.c.not_before <= now(),
)


@lru_cache(maxsize=256)
def claim_most_urgent(
    queues: tuple[str, ...], *, one_job: bool, fitting: bool
) -> ReturningUpdate[Any]:
    """Make the ready task whose turn it is ours: looked for, locked and changed in one go."""
    turn = most_urgent(queues, one_job=one_job, fitting=fitting)
    return _BECOMES_OURS.where(task.c.id == turn.scalar_subquery())


def most_urgent(queues: tuple[str, ...], *, one_job: bool, fitting: bool) -> Select[int]:
    """The id of the ready task whose turn it is, locked where rows can be.

    One look at the index for each queue; a row that somebody is just claiming is passed over.

    Args:
        queues: their names.
        one_job: whether only tasks of the job `only_job` count.
        fitting: whether only tasks count that need no more scratch than `scratch_free` bytes.
    """
    firsts = []
    for queue in queues:
        first = (
            select(task.c.id, task.c.priority)
            .where(
                text(CLAIMABLE),
                task.c.queue == queue,
                task.c.not_before <= now(),
            )
            .order_by(task.c.priority, task.c.id)
            .limit(1)
            .with_for_update(key_share=True, skip_locked=True)
        )
        if one_job:
            first = first.where(task.c.job_id == bindparam("only_job"))
        if fitting:
            first = first.where(task.c.scratch_bytes <= bindparam("scratch_free"))
        firsts.append(select(first.subquery()))
    found = union_all(*firsts).subquery()
    return select(found.c.id).order_by(found.c.priority, found.c.id).limit(1)


_upstream = task.alias("upstream")
_received = and_(
    task_dependency.c.task_id == bindparam("claim_id"), task_dependency.c.position.is_not(None)
)
FACTS_OF_CLAIM = (
    select(
        job.c.main_task_id,
        job.c.workflow,
        job.c.context,
        job.c.trace,
        job.c.client,
        job.c.endpoints,
        client.c.limits,
        task_dependency.c.position,
        _upstream.c.result,
    )
    .outerjoin_from(job, task_dependency, _received)
    .outerjoin(client, client.c.name == job.c.client)
    .outerjoin(_upstream, _upstream.c.id == task_dependency.c.upstream_id)
    .where(job.c.id == bindparam("job_id"))
    .order_by(task_dependency.c.position)
)
"""A row for each result that the task receives, in order; one without a position if for none."""


INSERT_JOB = {
    dialect: wanted.values(
        created_at=now(),
        updated_at=now(),
        queued_at=case((bindparam("is_waiting", type_=Boolean), None), else_=now()),
    )
    .on_conflict_do_nothing()
    .returning(job.c.id)
    for dialect, wanted in (("sqlite", sqlite.insert(job)), ("postgresql", postgresql.insert(job)))
}
"""By dialect; no row is returned where there is one like it."""
INSERT_ATTEMPT = insert(attempt).values(started_at=now())
LEAVE = (
    update(task)
    .where(
        task.c.id == bindparam("left_id"),
        task.c.generation == bindparam("left_generation"),
        task.c.state == TaskState.RUNNING,
    )
    .values(
        state=bindparam("to_state"),
        result=bindparam("to_result"),
        error=bindparam("to_error"),
        progress=bindparam("to_progress"),
        lease_until=None,
        worker_id=None,
        finished_at=now(),
    )
)
END_ATTEMPT = (
    update(attempt)
    .where(
        attempt.c.task_id == bindparam("ended_id"),
        attempt.c.generation == bindparam("ended_generation"),
    )
    .values(finished_at=now(), outcome=bindparam("ended_outcome"), error=bindparam("ended_error"))
)
COUNT_OFF = (
    update(job)
    .where(job.c.id == bindparam("counted_job"))
    .values(remaining=job.c.remaining + bindparam("delta"), updated_at=now())
    .returning(*ENDING)
)
BEAT = (
    update(task)
    .where(
        task.c.id == bindparam("beat_id"),
        task.c.generation == bindparam("beat_generation"),
        task.c.state == TaskState.RUNNING,
    )
    .values(
        lease_until=now() + bindparam("lease_ms"),
        progress=bindparam("beat_progress"),
        detail=bindparam("beat_detail"),
    )
)
