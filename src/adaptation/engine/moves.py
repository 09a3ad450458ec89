"""The life of a task in SQL: submit, claim, heartbeat, complete, fail, give back.

Every transition compares the task's state and generation and changes nothing when they moved on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from adaptation.engine import rows
from adaptation.engine.database import Database, now
from adaptation.engine.graph import Plan
from adaptation.engine.model import Claim, Dispatch, Moved, NewJob, Outgoing
from adaptation.engine.rows import AnyRow
from adaptation.engine.schema import attempt, job, task, task_dependency, worker
from adaptation.engine.states import JobState, Order, TaskState
from adaptation.errors import ParameterError

ENDING = (
    job.c.remaining,
    job.c.failed,
    job.c.cancelling,
    job.c.run_no,
    job.c.main_task_id,
    job.c.error,
    job.c.farewell,
)
"""What `end_job` must know of a job."""
RUNNABLE = (JobState.QUEUED, JobState.STARTED)

CLAIM = (
    update(task)
    .where(
        task.c.id == bindparam("claim_id"),
        task.c.generation == bindparam("claim_generation"),
        task.c.state == TaskState.READY,
        task.c.not_before <= now(),
        select(job.c.id).where(job.c.id == task.c.job_id, job.c.state.in_(RUNNABLE)).exists(),
    )
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
        task.c.job_id,
        task.c.run_no,
        task.c.key,
        task.c.name,
        task.c.params,
        task.c.attempt,
        task.c.joins,
    )
)
UPSTREAM = (
    select(task.c.result)
    .join(task_dependency, task_dependency.c.upstream_id == task.c.id)
    .where(
        task_dependency.c.task_id == bindparam("claim_id"),
        task_dependency.c.position.is_not(None),
    )
    .order_by(task_dependency.c.position)
)
JOB_OF_CLAIM = select(job.c.main_task_id, job.c.workflow, job.c.context, job.c.state).where(
    job.c.id == bindparam("job_id")
)
INSERT_ATTEMPT = insert(attempt).values(started_at=now())
START_JOB = (
    update(job)
    .where(job.c.id == bindparam("started_job"), job.c.state == JobState.QUEUED)
    .values(state=JobState.STARTED, started_at=now(), updated_at=now())
)
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


@dataclass(frozen=True)
class Beat:
    """What a running task says of itself at a heartbeat."""

    task_id: int
    generation: int
    job_id: int
    progress: float
    detail: dict[str, Any] | None
    lines: tuple[tuple[int, str], ...]


class Moves:
    """The transitions of tasks, each one transaction."""

    database: Database

    def submit(
        self, new: NewJob, plan: Plan, queues: Mapping[str, str], *, send: bool
    ) -> tuple[int, Moved]:
        """Store a job with its tasks; a second submission of the same id changes nothing.

        Args:
            send: whether the caller publishes the ready tasks; else a controller finds them.

        Returns:
            The job's id and what is ready.

        Raises:
            ParameterError: `output_busy`, an unfinished job holds the same output.
        """
        with self.database.write() as connection:
            known = select(job.c.id).where(job.c.main_task_id == new.main_task_id)
            if (job_id := connection.execute(known).scalar()) is not None:
                return job_id, Moved()
            job_id = _insert_job(connection, new, len(plan.tasks))
            _, ready = rows.insert_plan(
                connection,
                plan,
                job_id=job_id,
                run_no=1,
                priority=new.priority,
                queues=queues,
                known={},
                send=send,
            )
            rows.insert_lines(
                connection, job_id, 0, [(20, f"accepted {new.workflow}")], progname="api"
            )
            return job_id, Moved(tuple(ready))

    def refuse(self, new: NewJob, error: dict[str, Any]) -> int:
        """Store a job that cannot run as failed, so that whoever sent it learns why."""
        with self.database.write() as connection:
            known = select(job.c.id).where(job.c.main_task_id == new.main_task_id)
            if (job_id := connection.execute(known).scalar()) is not None:
                return int(job_id)
            job_id = _insert_job(connection, new, 0)
            connection.execute(
                update(job)
                .where(job.c.id == job_id)
                .values(failed=True, permanent=True, error=error)
            )
            _count_off(connection, job_id, 0, None)
            return job_id

    def claim(
        self, task_id: int, generation: int, worker_id: str, lease_seconds: float
    ) -> Claim | None:
        """Make a ready task ours under the next generation; None if it is not to be had."""
        with self.database.write() as connection:
            facts = {
                "claim_id": task_id,
                "claim_generation": generation,
                "claim_worker": worker_id,
                "lease_ms": int(lease_seconds * 1000),
            }
            row = connection.execute(CLAIM, facts).one_or_none()
            if row is None:
                return None
            owner = connection.execute(JOB_OF_CLAIM, {"job_id": row.job_id}).one()
            if owner.state == JobState.QUEUED:
                connection.execute(START_JOB, {"started_job": row.job_id})
            connection.execute(
                INSERT_ATTEMPT,
                {"task_id": task_id, "generation": generation + 1, "worker_id": worker_id},
            )
            results = list(connection.execute(UPSTREAM, {"claim_id": task_id}).scalars())
            payload = results if row.joins else (results[0] if results else owner.context)
            return Claim(
                task_id=task_id,
                generation=generation + 1,
                job_id=row.job_id,
                run_no=row.run_no,
                main_task_id=owner.main_task_id,
                workflow=owner.workflow,
                key=row.key,
                name=row.name,
                params=row.params,
                attempt=row.attempt,
                payload=payload,
            )

    def heartbeat(
        self, worker_id: str, beats: Iterable[Beat], lease_seconds: float
    ) -> dict[int, Order]:
        """Lengthen the leases of running tasks and store their progress and log lines.

        Returns:
            For each task id what it should do.
        """
        orders: dict[int, Order] = {}
        with self.database.write() as connection:
            connection.execute(
                update(worker).where(worker.c.id == worker_id).values(heartbeat_at=now())
            )
            for beat in beats:
                facts = {
                    "beat_id": beat.task_id,
                    "beat_generation": beat.generation,
                    "beat_progress": beat.progress,
                    "beat_detail": beat.detail,
                    "lease_ms": int(lease_seconds * 1000),
                }
                held = connection.execute(BEAT, facts).rowcount == 1
                orders[beat.task_id] = _order(connection, beat.job_id) if held else Order.LOST
                rows.insert_lines(connection, beat.job_id, beat.task_id, beat.lines)
        return orders

    def complete(  # noqa: PLR0913 - all of it commits together
        self,
        claim: Claim,
        result: dict[str, Any],
        *,
        expansion: Plan | None = None,
        queues: Mapping[str, str],
        outgoing: Iterable[Outgoing] = (),
        lines: Iterable[tuple[int, str]] = (),
    ) -> Moved | None:
        """Finish a task: its result, its dependants' waits, new tasks and messages together.

        Args:
            expansion: tasks to run before the dependants; lowered with the task's key as prefix
                and as their upstream.

        Returns:
            What became ready; None if the attempt is stale, and then nothing has changed.
        """
        with self.database.write() as connection:
            owner = rows.lock_job(connection, claim.job_id)
            if not _leave(connection, claim, TaskState.DONE, "done", result=result, progress=1.0):
                connection.rollback()
                return None
            exits = expansion.exits if expansion else None
            ready = rows.release_dependants(connection, claim.task_id, exits)
            stopping = owner.failed or owner.cancelling
            delta = -1
            if expansion and not stopping:
                delta += len(expansion.tasks)
                ready += _expand(connection, claim, expansion, owner.priority, queues)
            rows.insert_outgoing(
                connection,
                claim.job_id,
                f"{claim.job_id}/{claim.task_id}/{claim.generation}",
                outgoing,
            )
            rows.insert_lines(connection, claim.job_id, claim.task_id, lines)
            ended = _count_off(connection, claim.job_id, delta, result)
            return Moved(tuple(ready), ended)

    def fail(
        self,
        claim: Claim,
        error: dict[str, Any],
        *,
        retry_in_seconds: float | None,
        lines: Iterable[tuple[int, str]] = (),
    ) -> Moved | None:
        """End an attempt in an error: try again later, or fail the job.

        Returns:
            What it set free; None if the attempt is stale, and then nothing has changed.
        """
        with self.database.write() as connection:
            owner = rows.lock_job(connection, claim.job_id)
            retry = retry_in_seconds is not None and not (owner.failed or owner.cancelling)
            state = TaskState.READY if retry else TaskState.FAILED
            if not _leave(connection, claim, state, "failed", error=error):
                connection.rollback()
                return None
            rows.insert_lines(connection, claim.job_id, claim.task_id, lines)
            if retry:
                _put_back(connection, claim.task_id, retry_in_seconds or 0.0)
                return Moved()
            fail_job(connection, claim.job_id, claim.task_id, claim.name, error)
            return Moved(ended=_count_off(connection, claim.job_id, -1, None))

    def give_back(self, claim: Claim, lines: Iterable[tuple[int, str]] = ()) -> Moved | None:
        """End an attempt that was asked to stop, without charging it.

        The task is cancelled where its job is ending, else ready again.
        """
        with self.database.write() as connection:
            owner = rows.lock_job(connection, claim.job_id)
            stopping = owner.failed or owner.cancelling
            state = TaskState.CANCELLED if stopping else TaskState.READY
            outcome = "cancelled" if stopping else "released"
            if not _leave(connection, claim, state, outcome):
                connection.rollback()
                return None
            rows.insert_lines(connection, claim.job_id, claim.task_id, lines)
            if stopping:
                return Moved(ended=_count_off(connection, claim.job_id, -1, None))
            _put_back(connection, claim.task_id, 0.0)
            connection.execute(
                update(task).where(task.c.id == claim.task_id).values(attempt=task.c.attempt - 1)
            )
            return Moved()


def _insert_job(connection: Connection, new: NewJob, tasks: int) -> int:
    values = {
        "main_task_id": new.main_task_id,
        "workflow": new.workflow,
        "state": JobState.QUEUED,
        "priority": new.priority,
        "remaining": tasks,
        "parameters": new.parameters,
        "context": new.context,
        "farewell": new.farewell,
        "fingerprint": new.fingerprint,
        "output": new.output,
        "created_at": now(),
        "updated_at": now(),
    }
    try:
        with connection.begin_nested():
            return int(
                connection.execute(insert(job).values(values).returning(job.c.id)).scalar_one()
            )
    except IntegrityError as error:
        held = select(job.c.id).where(job.c.output == new.output, job.c.finished_at.is_(None))
        holder = connection.execute(held).scalar()
        raise ParameterError(
            f"job {holder} is not finished and writes to {new.output}",
            code="output_busy",
            hint=f"Wait for job {holder} or cancel it, or choose another output folder.",
        ) from error


def _expand(
    connection: Connection,
    claim: Claim,
    expansion: Plan,
    priority: int,
    queues: Mapping[str, str],
) -> list[Dispatch]:
    edges = rows.take_edges(connection, claim.task_id)
    ids, ready = rows.insert_plan(
        connection,
        expansion,
        job_id=claim.job_id,
        run_no=claim.run_no,
        priority=priority,
        queues=queues,
        known={claim.key: claim.task_id},
        send=True,
    )
    rows.give_edges(connection, edges, expansion.exits, ids)
    return ready


def _order(connection: Connection, job_id: int) -> Order:
    row = connection.execute(
        select(job.c.state, job.c.failed, job.c.cancelling).where(job.c.id == job_id)
    ).one()
    if row.failed or row.cancelling:
        return Order.CANCEL
    return Order.PAUSE if row.state == JobState.PAUSED else Order.RUN


def _leave(  # noqa: PLR0913 - one row's worth of facts
    connection: Connection,
    claim: Claim,
    state: TaskState,
    outcome: str,
    *,
    result: dict[str, Any] | None = None,
    error: dict[str, Any] | None = None,
    progress: float = 0.0,
) -> bool:
    facts = {
        "left_id": claim.task_id,
        "left_generation": claim.generation,
        "to_state": state,
        "to_result": result,
        "to_error": error,
        "to_progress": progress,
    }
    if connection.execute(LEAVE, facts).rowcount != 1:
        return False
    ended = {
        "ended_id": claim.task_id,
        "ended_generation": claim.generation,
        "ended_outcome": outcome,
        "ended_error": error,
    }
    connection.execute(END_ATTEMPT, ended)
    return True


def _put_back(connection: Connection, task_id: int, delay_seconds: float) -> None:
    connection.execute(
        update(task)
        .where(task.c.id == task_id)
        .values(not_before=now() + int(delay_seconds * 1000), sent_at=None, finished_at=None)
    )


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
        .where(task.c.job_id == job_id, task.c.state.in_((TaskState.WAITING, TaskState.READY)))
        .values(state=state, finished_at=now())
    ).rowcount
    connection.execute(
        update(job).where(job.c.id == job_id).values(remaining=job.c.remaining - dropped)
    )


def _count_off(
    connection: Connection, job_id: int, delta: int, result: dict[str, Any] | None
) -> bool:
    row = connection.execute(COUNT_OFF, {"counted_job": job_id, "delta": delta}).one()
    if row.remaining:
        return False
    end_job(connection, job_id, row, result)
    return True


def end_job(
    connection: Connection, job_id: int, row: AnyRow, result: dict[str, Any] | None
) -> None:
    """End the run of a job whose last task has ended, with its one job-end message."""
    state = JobState.BROKEN if row.cancelling else JobState.COMPLETED
    good = state is JobState.COMPLETED and not row.failed
    connection.execute(
        update(job)
        .where(job.c.id == job_id)
        .values(state=state, finished_at=now(), updated_at=now(), result=result if good else None)
    )
    verdict = "completed" if good else ("failed" if row.failed else "cancelled")
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
    rows.insert_lines(connection, job_id, 0, [(20, f"job {verdict}")], progname="controller")
