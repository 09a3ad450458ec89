"""The SQL of a task's life, built once: what runs for every task must not be built for each."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    case,
    insert,
    literal,
    literal_column,
    null,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningUpdate

from adaptation.engine.abilities import can_be_done
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

NONE = literal_column("0", Integer)
ONE = literal_column("1", Integer)


def word(text: str) -> ColumnElement[str]:
    """A word of ours as part of a statement: it is sent and planned with it, once."""
    return literal_column(f"'{text}'", String)


THIS_ONE = (
    select(task.c.id)
    .where(
        task.c.id == bindparam("claim_id"),
        task.c.generation == bindparam("claim_generation"),
        task.c.state.in_(task_sources(TaskState.RUNNING)),
        task.c.held.is_(False),
        task.c.not_before <= now(),
    )
    .with_for_update(key_share=True)
)
"""The id of a task that may be claimed at this generation, locked where rows can be."""


@lru_cache(maxsize=256)
def becoming_ours(turn: Select[int]) -> ReturningUpdate[Any]:
    """Make the ready task ours that `turn` finds: looked for, locked and changed in one go."""
    return (
        update(task)
        .where(task.c.id == turn.scalar_subquery())
        .values(
            state=word(TaskState.RUNNING),
            generation=task.c.generation + ONE,
            attempt=task.c.attempt + ONE,
            worker_id=bindparam("claim_worker"),
            lease_until=now() + bindparam("lease_ms"),
            started_at=now(),
            progress=NONE,
            detail=null(),
            error=null(),
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


@lru_cache(maxsize=256)
def most_urgent(
    queues: tuple[str, ...], *, one_job: bool, fitting: bool, choosy: bool = False
) -> Select[int]:
    """The id of the ready task whose turn it is, locked where rows can be.

    One look at the index for each queue; a row that somebody is just claiming is passed over.

    Args:
        queues: their names.
        one_job: whether only tasks of the job `only_job` count.
        fitting: whether only tasks count that need no more scratch than `scratch_free` bytes.
        choosy: whether only tasks count that need nothing else than what is in `can_do`.
    """
    firsts = [
        select(first_of(literal(queue), one_job=one_job, fitting=fitting, choosy=choosy).subquery())
        for queue in queues
    ]
    found = union_all(*firsts).subquery()
    return select(found.c.id).order_by(found.c.priority, found.c.id).limit(ONE)


def first_of(
    queue: ColumnElement[str], *, one_job: bool, fitting: bool, choosy: bool
) -> Select[tuple[int, int]]:
    """Id and priority of the most urgent ready task of a queue, as `most_urgent`."""
    first = (
        select(task.c.id, task.c.priority)
        .where(text(CLAIMABLE), task.c.queue == queue, task.c.not_before <= now())
        .order_by(task.c.priority, task.c.id)
        # A word of the statement: a plan for any number would expect many, and be made anew.
        .limit(ONE)
        .with_for_update(key_share=True, skip_locked=True)
    )
    if one_job:
        first = first.where(task.c.job_id == bindparam("only_job"))
    if fitting:
        first = first.where(task.c.scratch_bytes <= bindparam("scratch_free"))
    if choosy:
        first = first.where(can_be_done())
    return first


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
        # Not as a word: the index of what runs would be gone through, which is mostly dead rows.
        task.c.state == TaskState.RUNNING,
    )
    .values(
        state=bindparam("to_state"),
        result=bindparam("to_result"),
        error=bindparam("to_error"),
        progress=bindparam("to_progress"),
        lease_until=null(),
        worker_id=null(),
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
