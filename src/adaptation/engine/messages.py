"""Which ready tasks need a message: a hint to a slot that there is something to do.

Slots take what is most urgent, whatever a message names. So only the tasks that come next are told
of: however many are ready, no more is looked at, and no broker is filled with what it cannot move.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from sqlalchemy import (
    Connection,
    Integer,
    Subquery,
    bindparam,
    or_,
    select,
    text,
    union_all,
    update,
)

from adaptation.engine import rows
from adaptation.engine.database import now
from adaptation.engine.model import Dispatch
from adaptation.engine.schema import CLAIMABLE, task
from adaptation.engine.states import TaskState

BATCH = 500
"""Tasks of each queue that are looked at, and messages that are sent at once."""

READY_QUEUES = text(f"""
    WITH RECURSIVE known(queue) AS (
        SELECT MIN(queue) FROM task WHERE {CLAIMABLE}
        UNION ALL
        SELECT (SELECT MIN(queue) FROM task WHERE {CLAIMABLE} AND queue > known.queue)
        FROM known WHERE known.queue IS NOT NULL
    )
    SELECT queue FROM known WHERE queue IS NOT NULL""")  # noqa: S608 - our own words
"""The queues that have something ready, one step in the index for each."""


@lru_cache(maxsize=256)
def foremost(queues: tuple[str, ...], *, one_job: bool) -> Subquery:
    """The `each` most urgent ready tasks of every queue: slots take those before any other.

    Args:
        queues: their names, at least one.
        one_job: whether only tasks of the job `only_job` count.
    """
    parts = []
    for queue in queues:
        part = (
            select(task.c.id, task.c.generation, task.c.queue, task.c.priority, task.c.sent_at)
            .where(text(CLAIMABLE), task.c.queue == queue, task.c.not_before <= now())
            .order_by(task.c.priority, task.c.id)
            .limit(bindparam("each", type_=Integer))
        )
        if one_job:
            part = part.where(task.c.job_id == bindparam("only_job"))
        parts.append(select(part.subquery()))
    return union_all(*parts).subquery()


def due(
    connection: Connection, resend_seconds: float, job_id: int | None = None, each: int = BATCH
) -> list[Dispatch]:
    """The next tasks that have no message under way, the most urgent first.

    Args:
        connection: one that reads.
        resend_seconds: after this long an unclaimed task's message is held to be lost.
        job_id: only this job's tasks.
        each: how many tasks of one queue are looked at.
    """
    ready = _foremost(connection, job_id, each)
    if ready is None:
        return []
    tasks, limits = ready
    lost = now() - int(resend_seconds * 1000)
    statement = (
        select(tasks.c.id, tasks.c.generation, tasks.c.queue, tasks.c.priority)
        .where(or_(tasks.c.sent_at.is_(None), tasks.c.sent_at <= lost))
        .order_by(tasks.c.priority, tasks.c.id)
        .limit(BATCH)
    )
    return [Dispatch(*row) for row in connection.execute(statement, limits)]


def mark(connection: Connection, found: Sequence[Dispatch]) -> list[Dispatch]:
    """Mark tasks as sent; those that somebody is just claiming need no message and are left out."""
    known = task.c.id.in_([item.task_id for item in found]), task.c.state == TaskState.READY
    free = set(rows.unlocked(connection, task.c.id, *known))
    connection.execute(update(task).where(task.c.id.in_(free)).values(sent_at=now()))
    return [item for item in found if item.task_id in free]


def forget(connection: Connection) -> None:
    """Hold the messages of the next tasks to be lost, so that they are sent again."""
    ready = _foremost(connection, None, BATCH)
    if ready is None:
        return
    tasks, limits = ready
    sent = connection.execute(select(tasks.c.id).where(tasks.c.sent_at.is_not(None)), limits)
    known = task.c.id.in_(list(sent.scalars())), task.c.state == TaskState.READY
    free = rows.unlocked(connection, task.c.id, *known)
    connection.execute(update(task).where(task.c.id.in_(free)).values(sent_at=None))


def _foremost(
    connection: Connection, job_id: int | None, each: int
) -> tuple[Subquery, dict[str, int]] | None:
    queues = tuple(connection.execute(READY_QUEUES).scalars())
    if not queues:
        return None
    limits = {"each": each} | ({} if job_id is None else {"only_job": job_id})
    return foremost(queues, one_job=job_id is not None), limits
