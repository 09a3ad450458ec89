"""How jobs fail and end in SQL: what has not started is dropped, and the end is told once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select, update

from adaptation.engine import callbacks, rows, tally
from adaptation.engine.database import now
from adaptation.engine.model import Outgoing
from adaptation.engine.rows import AnyRow
from adaptation.engine.schema import job, task
from adaptation.engine.statements import COUNT_OFF, ENDING
from adaptation.engine.states import TaskState, task_sources
from adaptation.engine.verdicts import ending


def fail_job(
    connection: Connection, job_id: int, task_id: int, name: str, error: dict[str, Any]
) -> None:
    """Mark the job failed and skip everything that has not started."""
    first = {**error, "task": name, "task_id": task_id}
    connection.execute(
        update(job)
        .where(job.c.id == job_id, job.c.failed.is_(False))
        .values(failed=True, error=first, permanent=bool(error.get("permanent")))
    )
    drop_unstarted(connection, job_id, TaskState.SKIPPED)


def drop_unstarted(connection: Connection, job_id: int, state: TaskState) -> None:
    """Move every task that has not started to an end, and count them off the job."""
    dropped = connection.execute(
        update(task)
        .where(task.c.job_id == job_id, task.c.state.in_(task_sources(TaskState.SKIPPED)))
        .values(state=state, finished_at=now())
    ).rowcount
    connection.execute(
        update(job).where(job.c.id == job_id).values(remaining=job.c.remaining - dropped)
    )


def count_off(
    connection: Connection, job_id: int, delta: int, result: dict[str, Any] | None
) -> bool:
    """Change a job's count of unfinished tasks by `delta`, and end its run at zero.

    Returns:
        Whether the run ended.
    """
    row = connection.execute(COUNT_OFF, {"counted_job": job_id, "delta": delta}).one()
    if row.remaining:
        return False
    end_job(connection, job_id, row, result)
    return True


def end_if_idle(connection: Connection, job_id: int) -> None:
    """End the run of a job that has no unfinished task left."""
    row = connection.execute(select(*ENDING).where(job.c.id == job_id)).one()
    if row.remaining == 0:
        end_job(connection, job_id, row, None)


def end_job(
    connection: Connection, job_id: int, row: AnyRow, result: dict[str, Any] | None
) -> None:
    """End the run of a job whose last task has ended, with its one job-end message."""
    state, verdict = ending(failed=row.failed, cancelling=row.cancelling)
    good = verdict == "completed"
    connection.execute(
        update(job)
        .where(job.c.id == job_id)
        .values(state=state, finished_at=now(), updated_at=now(), result=result if good else None)
    )
    tally.count_end(connection, state, failed=row.failed)
    _let_follow(connection, job_id)
    body = {
        **row.farewell,
        "main_task_id": row.main_task_id,
        "job_id": job_id,
        "status": verdict,
        "complete": True,
        "message": (row.error or {}).get("message", ""),
        "code": (row.error or {}).get("code", ""),
    }
    # The identity is unique: a run that ended twice would fail here and change nothing.
    messages = [Outgoing("job_end", row.main_task_id, body)]
    if not good:
        messages.append(Outgoing("notification", row.main_task_id, body))
    rows.insert_outgoing(connection, job_id, f"{job_id}/run-{row.run_no}/end", messages)
    message = str(body["message"]) if row.error or good else callbacks.CANCELLED
    status = "completed" if good else "failed"
    callbacks.tell_of_job(connection, row, job_id, status=status, message=message)
    rows.insert_lines(connection, job_id, 0, [(20, f"job {verdict}")], progname="controller")


def _let_follow(connection: Connection, job_id: int) -> None:
    """Let the job that does the same again hold the output now, or wait for what this waited for.

    In the transaction of the end, so that no other job takes the output in between.
    """
    before = select(job.c.after_id).where(job.c.id == job_id).scalar_subquery()
    follows = job.c.after_id == job_id, job.c.finished_at.is_(None)
    connection.execute(update(job).where(*follows).values(after_id=before))
