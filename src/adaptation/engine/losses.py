"""Tasks whose worker vanished, in SQL: ready again, until they are held to be what kills."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from adaptation.engine import callbacks, rows
from adaptation.engine.database import Database, now
from adaptation.engine.endings import end_if_idle, fail_job
from adaptation.engine.rows import AnyRow
from adaptation.engine.schema import attempt, job, task
from adaptation.engine.states import TaskState
from adaptation.engine.verdicts import LOSS_LIMIT, after_loss


def lose(database: Database, task_id: int, generation: int, reason: str) -> int:
    """Take a task back from an attempt that will not end it; 1, or 0 if it has ended meanwhile."""
    with database.write() as connection:
        row = connection.execute(
            select(task.c.job_id, task.c.run_no, task.c.name, task.c.losses).where(
                task.c.id == task_id
            )
        ).one()
        owner = rows.lock_job(connection, row.job_id)
        stopping = owner.failed or owner.cancelling
        state, wait_ms = after_loss(row.losses, stopping=stopping)
        if state is not TaskState.READY:
            rows.lock_tasks(connection, row.job_id)
        if not _take_back(connection, task_id, generation, state, wait_ms):
            return 0
        line = f"{row.name} was taken back: {reason}"
        rows.insert_lines(connection, row.job_id, task_id, [(30, line)], "controller")
        if state is not TaskState.READY:
            poison = _poison(row.name) if state is TaskState.FAILED else None
            _drop_lost(connection, row, owner, task_id, poison)
        return 1


def _poison(name: str) -> dict[str, str]:
    return {
        "code": "worker_lost",
        "message": f"{LOSS_LIMIT} workers vanished while they ran {name}",
        "hint": "Look for memory limits or a crash in the workers' logs, then retry the job.",
    }


def _drop_lost(
    connection: Connection,
    row: AnyRow,
    owner: AnyRow,
    task_id: int,
    poison: dict[str, str] | None,
) -> None:
    if poison is not None:
        fail_job(connection, row.job_id, task_id, row.name, poison)
        callbacks.tell_of_task(
            connection,
            owner,
            callbacks.FAIL,
            job_id=row.job_id,
            task_id=task_id,
            run_no=row.run_no,
            name=row.name,
            message=poison["message"],
        )
    connection.execute(
        update(job).where(job.c.id == row.job_id).values(remaining=job.c.remaining - 1)
    )
    end_if_idle(connection, row.job_id)


def _take_back(
    connection: Connection, task_id: int, generation: int, state: TaskState, wait_ms: int
) -> bool:
    held = connection.execute(
        update(task)
        .where(
            task.c.id == task_id,
            task.c.generation == generation,
            task.c.state == TaskState.RUNNING,
        )
        .values(
            state=state,
            attempt=task.c.attempt - 1,
            losses=task.c.losses + 1,
            worker_id=None,
            lease_until=None,
            sent_at=None,
            detail=None,
            not_before=now() + wait_ms,
        )
    ).rowcount
    connection.execute(
        update(attempt)
        .where(
            attempt.c.task_id == task_id,
            attempt.c.generation == generation,
            attempt.c.finished_at.is_(None),
        )
        .values(finished_at=now(), outcome="lost")
    )
    return held == 1
