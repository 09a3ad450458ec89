"""The life of a task in SQL: submit, heartbeat, complete, fail, give back.

Every transition compares the task's state and generation and changes nothing when they moved on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from adaptation.engine import at_once, callbacks, rows
from adaptation.engine.database import Database, now
from adaptation.engine.endings import count_off, drop_unstarted, fail_job
from adaptation.engine.model import Claim, Dispatch, Moved, Outgoing, Process
from adaptation.engine.plan import Plan
from adaptation.engine.schema import job, task, worker
from adaptation.engine.statements import (
    BEAT,
    END_ATTEMPT,
    LEAVE,
)
from adaptation.engine.states import JobState, Order, TaskState
from adaptation.engine.verdicts import after_error, after_stop, told, waits_added


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

    def heartbeat(
        self,
        worker_id: str,
        beats: Iterable[Beat],
        lease_seconds: float,
        process: Process | None = None,
    ) -> dict[int, Order]:
        """Lengthen the leases of running tasks and store their progress and log lines.

        Args:
            worker_id: who says so.
            beats: one for each task it runs.
            lease_seconds: from now on.
            process: how the worker stands now; one that was held to be lost signs on again.

        Returns:
            For each task id what it should do.
        """
        # In this order, and no other: see `rows.lock_tasks`.
        said = sorted(beats, key=lambda beat: beat.task_id)
        if not said and self._hear_alone(worker_id, process):
            return {}
        held: list[Beat] = []
        with self.database.write() as connection:
            _hear(connection, worker_id, process)
            for beat in said:
                facts = {
                    "beat_id": beat.task_id,
                    "beat_generation": beat.generation,
                    "beat_progress": beat.progress,
                    "beat_detail": beat.detail,
                    "lease_ms": int(lease_seconds * 1000),
                }
                if connection.execute(BEAT, facts).rowcount == 1:
                    held.append(beat)
                rows.insert_lines(connection, beat.job_id, beat.task_id, beat.lines)
            orders = _orders(connection, {beat.job_id for beat in held})
        lost = {beat.task_id: Order.LOST for beat in said}
        return lost | {beat.task_id: orders[beat.job_id] for beat in held}

    def _hear_alone(self, worker_id: str, process: Process | None) -> bool:
        """Note that an idle worker lives, in one statement; whether it is known."""
        if self.database.is_sqlite:
            return False
        with self.database.single() as connection:
            return _heard(connection, worker_id, process)

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
            What became ready; None if the attempt is stale, and then nothing has changed. One
            that was committed already, and whose caller could not be told, is not stale.
        """
        messages, said = list(outgoing), list(lines)
        # Most completions are of this kind, and SQLite has no server to ask.
        if not (self.database.is_sqlite or expansion or messages):
            done = _left(claim, TaskState.DONE, result=result, progress=1.0)
            if found := at_once.complete(self.database, done, claim.job_id, said):
                return Moved(tuple(rows.to_send(found)))
        with self.database.write() as connection:
            owner = rows.lock_job(connection, claim.job_id)
            if not _leave(connection, claim, TaskState.DONE, "done", result=result, progress=1.0):
                known = _committed_before(connection, claim)
                connection.rollback()
                return known
            added = waits_added(claim.key, expansion.exits) if expansion else 0
            ready = rows.release_dependants(connection, claim.task_id, added)
            delta = -1
            if expansion:
                delta += len(expansion.tasks)
                ready += _expand(connection, claim, expansion, owner, queues)
            rows.insert_outgoing(
                connection,
                claim.job_id,
                f"{claim.job_id}/{claim.task_id}/{claim.generation}",
                messages,
            )
            rows.insert_lines(connection, claim.job_id, claim.task_id, said)
            _tell(connection, owner, claim, callbacks.COMPLETE)
            ended = count_off(connection, claim.job_id, delta, result)
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
            stopping = owner.failed or owner.cancelling
            state = after_error(again=retry_in_seconds is not None, stopping=stopping)
            if state is not TaskState.READY:
                rows.lock_tasks(connection, claim.job_id)  # what has not started is dropped, too
            if not _leave(connection, claim, state, "failed", error=error):
                connection.rollback()
                return None
            rows.insert_lines(connection, claim.job_id, claim.task_id, lines)
            if state is TaskState.READY:
                _put_back(connection, claim.task_id, retry_in_seconds or 0.0)
                return Moved()
            fail_job(connection, claim.job_id, claim.task_id, claim.name, error)
            _tell(connection, owner, claim, callbacks.FAIL, str(error.get("message", "")))
            return Moved(ended=count_off(connection, claim.job_id, -1, None))

    def give_back(self, claim: Claim, lines: Iterable[tuple[int, str]] = ()) -> Moved | None:
        """End an attempt that was asked to stop, without charging it.

        The task is cancelled where its job is ending, else ready again.
        """
        with self.database.write() as connection:
            owner = rows.lock_job(connection, claim.job_id)
            stopping = owner.failed or owner.cancelling
            state, outcome = after_stop(stopping=stopping)
            if not _leave(connection, claim, state, outcome):
                connection.rollback()
                return None
            rows.insert_lines(connection, claim.job_id, claim.task_id, lines)
            if stopping:
                _tell(connection, owner, claim, callbacks.FAIL, callbacks.why_stopped(owner))
                return Moved(ended=count_off(connection, claim.job_id, -1, None))
            _put_back(connection, claim.task_id, 0.0)
            connection.execute(
                update(task).where(task.c.id == claim.task_id).values(attempt=task.c.attempt - 1)
            )
            return Moved()


def _tell(
    connection: Connection, owner: rows.AnyRow, claim: Claim, event: str, message: str = ""
) -> None:
    callbacks.tell_of_task(
        connection,
        owner,
        event,
        job_id=claim.job_id,
        task_id=claim.task_id,
        run_no=claim.run_no,
        name=claim.name,
        message=message,
    )


def _hear(connection: Connection, worker_id: str, process: Process | None) -> None:
    if not _heard(connection, worker_id, process) and process is not None:
        rows.insert_worker(connection, process)


def _heard(connection: Connection, worker_id: str, process: Process | None) -> bool:
    facts: dict[str, Any] = {"heartbeat_at": now()}
    if process is not None:
        facts |= {"scratch_free": process.scratch_free, "draining": process.draining}
        facts |= {"load": process.load or None}
    known = connection.execute(update(worker).where(worker.c.id == worker_id).values(**facts))
    return known.rowcount == 1


def _expand(
    connection: Connection,
    claim: Claim,
    expansion: Plan,
    owner: rows.AnyRow,
    queues: Mapping[str, str],
) -> list[Dispatch]:
    edges = rows.take_edges(connection, claim.task_id)
    ids, ready = rows.insert_plan(
        connection,
        expansion,
        job_id=claim.job_id,
        run_no=claim.run_no,
        priority=owner.priority,
        queues=queues,
        known={claim.key: claim.task_id},
        held=owner.state != JobState.STARTED,
    )
    rows.give_edges(connection, edges, expansion.exits, ids)
    if not (owner.failed or owner.cancelling):
        return ready
    # Not run, but known: the task itself is done, and a retry runs only what is stored.
    dropped = TaskState.CANCELLED if owner.cancelling else TaskState.SKIPPED
    drop_unstarted(connection, claim.job_id, dropped)
    return []


def _orders(connection: Connection, job_ids: Collection[int]) -> dict[int, Order]:
    """What running tasks of these jobs are told; asked when their rows are held, not before."""
    if not job_ids:
        return {}
    asked = select(job.c.id, job.c.state, job.c.failed, job.c.cancelling)
    found = connection.execute(asked.where(job.c.id.in_(job_ids)))
    return {row.id: told(row.state, stopping=row.failed or row.cancelling) for row in found}


def _left(
    claim: Claim,
    state: TaskState,
    *,
    result: dict[str, Any] | None = None,
    error: dict[str, Any] | None = None,
    progress: float = 0.0,
) -> dict[str, Any]:
    """What `LEAVE` is to be given."""
    return {
        "left_id": claim.task_id,
        "left_generation": claim.generation,
        "to_state": state,
        "to_result": result,
        "to_error": error,
        "to_progress": progress,
    }


def _leave(
    connection: Connection, claim: Claim, state: TaskState, outcome: str, **facts: Any
) -> bool:
    if connection.execute(LEAVE, _left(claim, state, **facts)).rowcount != 1:
        return False
    ended = {
        "ended_id": claim.task_id,
        "ended_generation": claim.generation,
        "ended_outcome": outcome,
        "ended_error": facts.get("error"),
    }
    connection.execute(END_ATTEMPT, ended)
    return True


def _committed_before(connection: Connection, claim: Claim) -> Moved | None:
    """What an earlier try of this very completion did, if it was it that finished the task."""
    done = (
        select(job.c.finished_at)
        .join(task, task.c.job_id == job.c.id)
        .where(
            task.c.id == claim.task_id,
            task.c.generation == claim.generation,
            task.c.state == TaskState.DONE,
        )
    )
    row = connection.execute(done).one_or_none()
    return None if row is None else Moved(ended=row.finished_at is not None)


def _put_back(connection: Connection, task_id: int, delay_seconds: float) -> None:
    connection.execute(
        update(task)
        .where(task.c.id == task_id)
        .values(
            not_before=now() + int(delay_seconds * 1000),
            sent_at=None,
            finished_at=None,
            detail=None,
        )
    )
