"""What people and controllers do to jobs in SQL: cancel, pause, retry, and repair after losses."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from adaptation.engine import rows
from adaptation.engine.database import Database, now
from adaptation.engine.endings import drop_unstarted, end_job, fail_job
from adaptation.engine.model import Dispatch, Process
from adaptation.engine.rows import AnyRow
from adaptation.engine.schema import attempt, job, leader, outbox, task, task_dependency, worker
from adaptation.engine.statements import CLAIMABLE_QUEUES, ENDING, unsent
from adaptation.engine.states import JOB_ENDS, JobState, TaskState, Work, job_sources
from adaptation.errors import AdaptationError

LOSS_LIMIT = 10
"""Workers that may vanish under one task before it is held to be what kills them."""
LOSS_BACKOFF_MS = 2_000
"""Wait after the third loss of a task in a row; doubled for each further one."""
DISPATCH_BATCH = 500


class StateForbids(AdaptationError):
    """The job's state does not allow what was asked."""

    code = "state_forbids"


class Control:
    """Changes to jobs from outside their tasks, each one transaction."""

    database: Database

    def cancel(self, job_id: int) -> bool:
        """Stop a job for good: what has not started is dropped, what runs is told to stop.

        The pieces that a failed job keeps for a retry are given up as well.

        Returns:
            Whether there was anything to stop or to give up.
        """
        with self.database.write() as connection:
            row = rows.lock_job(connection, job_id)
            if row.state in JOB_ENDS:
                return _give_up(connection, job_id)
            connection.execute(
                update(job).where(job.c.id == job_id).values(cancelling=True, updated_at=now())
            )
            drop_unstarted(connection, job_id, TaskState.CANCELLED)
            rows.insert_lines(connection, job_id, 0, [(30, "cancel requested")], progname="api")
            _end_if_idle(connection, job_id)
            return True

    def pause(self, job_id: int) -> bool:
        """Hold a job: nothing of it starts, and what runs is stopped and handed back."""
        return self._set_state(job_id, JobState.PAUSED, "paused")

    def resume(self, job_id: int) -> bool:
        """Let a paused job go on from its finished tasks."""
        return self._set_state(job_id, JobState.QUEUED, "resumed")

    def _set_state(self, job_id: int, target: JobState, word: str) -> bool:
        with self.database.write() as connection:
            row = rows.lock_job(connection, job_id)
            if row.state in JOB_ENDS or row.state not in job_sources(target):
                return False
            connection.execute(
                update(job)
                .where(job.c.id == job_id)
                .values(state=target, queued_at=now(), updated_at=now())
            )
            _hold(connection, job_id)
            rows.insert_lines(connection, job_id, 0, [(20, word)], progname="api")
            return True

    def retry(self, job_id: int) -> int:
        """Run again what failed or never ran of an ended job; finished tasks are kept.

        Returns:
            How many tasks will run.

        Raises:
            StateForbids: the job has not ended, has succeeded, or its pieces are gone.
        """
        with self.database.write() as connection:
            row = rows.lock_job(connection, job_id)
            if row.state not in JOB_ENDS or (row.state == JobState.COMPLETED and not row.failed):
                raise StateForbids(
                    f"job {job_id} is {row.state} and has nothing to retry",
                    hint="Only a failed or cancelled job can be retried.",
                )
            if row.work != Work.KEPT:
                raise StateForbids(
                    f"the finished pieces of job {job_id} have been removed",
                    code="work_removed",
                    hint="Submit the job again.",
                )
            left = _reset_tasks(connection, job_id, row.run_no + 1)
            connection.execute(
                update(job)
                .where(job.c.id == job_id)
                .values(
                    state=JobState.QUEUED,
                    failed=False,
                    permanent=False,
                    cancelling=False,
                    error=None,
                    run_no=row.run_no + 1,
                    remaining=left,
                    finished_at=None,
                    queued_at=now(),
                    updated_at=now(),
                )
            )
            rows.insert_lines(connection, job_id, 0, [(20, "retry requested")], progname="api")
            return left

    def forgive_losses(self, job_id: int) -> None:
        """Count a job's lost workers from zero, because somebody started it again on purpose."""
        with self.database.write() as connection:
            rows.lock_job(connection, job_id)
            rows.lock_tasks(connection, job_id)
            connection.execute(
                update(task)
                .where(task.c.job_id == job_id, task.c.losses > 0)
                .values(losses=0, not_before=0)
            )

    def due(
        self, resend_seconds: float, job_id: int | None = None, most: int = DISPATCH_BATCH
    ) -> list[Dispatch]:
        """The first ready tasks of each queue that have no message under way, marked as sent.

        Args:
            resend_seconds: after this long an unclaimed task's message is held to be lost.
            job_id: only this job's tasks.
            most: how many tasks of one queue are looked at, the most urgent first.
        """
        with self.database.read() as connection:
            queues = tuple(connection.execute(CLAIMABLE_QUEUES).scalars())
            if not queues:
                return []
            facts = {"most": most, "resend_ms": int(resend_seconds * 1000), "only_job": job_id}
            statement = unsent(queues, one_job=job_id is not None)
            found = connection.execute(statement, facts).all()
        if not found:
            return []
        with self.database.write() as connection:
            known = task.c.id.in_([row.id for row in found])
            # What somebody is just claiming needs no message.
            free = rows.unlocked(connection, task.c.id, known, task.c.state == TaskState.READY)
            connection.execute(update(task).where(task.c.id.in_(free)).values(sent_at=now()))
        return [
            Dispatch(row.id, row.generation, row.queue, row.priority)
            for row in found
            if row.id in free
        ]

    def expire(self, job_id: int | None = None) -> int:
        """Take back tasks whose lease has run out; returns how many."""
        expired = select(task.c.id, task.c.generation).where(
            task.c.state == TaskState.RUNNING, task.c.lease_until < now()
        )
        if job_id is not None:
            expired = expired.where(task.c.job_id == job_id)
        with self.database.read() as connection:
            found = connection.execute(expired.limit(DISPATCH_BATCH)).all()
        return sum(self._lose(row.id, row.generation, "its lease ran out") for row in found)

    def bury(self, worker_id: str) -> int:
        """Take back all tasks of a worker that is known to be dead, and forget the worker."""
        with self.database.read() as connection:
            found = connection.execute(
                select(task.c.id, task.c.generation).where(
                    task.c.state == TaskState.RUNNING, task.c.worker_id == worker_id
                )
            ).all()
        lost = sum(self._lose(row.id, row.generation, "its worker died") for row in found)
        with self.database.write() as connection:
            # What it was sent may have been in its memory: send it again, a double does no harm.
            _forget_messages(connection)
            connection.execute(delete(leader).where(leader.c.holder == worker_id))
            connection.execute(delete(worker).where(worker.c.id == worker_id))
        return lost

    def sign_on(self, process: Process) -> None:
        """Make a worker known."""
        with self.database.write() as connection:
            connection.execute(delete(worker).where(worker.c.id == process.worker_id))
            connection.execute(
                insert(worker).values(
                    id=process.worker_id,
                    host=process.host,
                    pid=process.pid,
                    process_started_at=process.started_at_ms,
                    slots=process.slots,
                    queues=list(process.queues),
                    facts=process.facts,
                    scratch_free=process.scratch_free,
                    job_id=process.job_id,
                    heartbeat_at=now(),
                )
            )

    def lead(self, name: str, holder: str, lease_seconds: float) -> bool:
        """Become or stay the one that sweeps; correctness never depends on it."""
        lease = now() + int(lease_seconds * 1000)
        with self.database.write() as connection:
            taken = connection.execute(
                update(leader)
                .where(
                    leader.c.name == name,
                    or_(leader.c.holder == holder, leader.c.lease_until <= now()),
                )
                .values(holder=holder, lease_until=lease)
            ).rowcount
            if taken:
                return True
            if connection.execute(select(leader.c.name).where(leader.c.name == name)).first():
                return False
            taken_first = {"name": name, "holder": holder, "lease_until": lease}
            try:
                with connection.begin_nested():
                    connection.execute(insert(leader).values(taken_first))
            except IntegrityError:
                return False
            return True

    def step_down(self, holder: str) -> None:
        """Give up whatever leadership `holder` has, so that the next one need not wait."""
        with self.database.write() as connection:
            connection.execute(delete(leader).where(leader.c.holder == holder))

    def mark_sent(self, message_ids: list[int]) -> None:
        """Note that messages of the outbox have reached their broker."""
        with self.database.write() as connection:
            connection.execute(
                update(outbox).where(outbox.c.id.in_(message_ids)).values(sent_at=now())
            )

    def give_up_work(self, keep_failed_seconds: float) -> list[int]:
        """Mark the pieces of ended jobs that nothing can use any more, and list all so marked.

        From here on such a job cannot be retried; its pieces may be deleted, by several
        processes and again after a crash.
        """
        spent = or_(
            job.c.state == JobState.BROKEN,
            job.c.failed.is_(False),
            job.c.permanent.is_(True),
            job.c.finished_at < now() - int(keep_failed_seconds * 1000),
        )
        ended = job.c.work == Work.KEPT, job.c.finished_at.is_not(None), spent
        marked = select(job.c.id).where(job.c.work == Work.REMOVING)
        with self.database.read() as connection:
            if connection.execute(select(job.c.id).where(*ended).limit(1)).first() is None:
                return list(connection.execute(marked).scalars())
        with self.database.write() as connection:
            free = rows.unlocked(connection, job.c.id, *ended)
            connection.execute(update(job).where(job.c.id.in_(free)).values(work=Work.REMOVING))
            return list(connection.execute(marked).scalars())

    def mark_work_removed(self, job_id: int) -> None:
        """Note that a job's pieces in the work area are gone."""
        with self.database.write() as connection:
            connection.execute(
                update(job)
                .where(job.c.id == job_id, job.c.work == Work.REMOVING)
                .values(work=Work.REMOVED)
            )

    def _lose(self, task_id: int, generation: int, reason: str) -> int:
        with self.database.write() as connection:
            row = connection.execute(
                select(task.c.job_id, task.c.name, task.c.losses).where(task.c.id == task_id)
            ).one()
            owner = rows.lock_job(connection, row.job_id)
            stopping = owner.failed or owner.cancelling
            poison = row.losses + 1 >= LOSS_LIMIT
            state = (
                TaskState.CANCELLED
                if stopping
                else (TaskState.FAILED if poison else TaskState.READY)
            )
            if not _take_back(connection, task_id, generation, state, row.losses):
                return 0
            line = f"{row.name} was taken back: {reason}"
            rows.insert_lines(connection, row.job_id, task_id, [(30, line)], "controller")
            if stopping or poison:
                _drop_lost(connection, row, task_id, poison=poison and not stopping)
            return 1


def _forget_messages(connection: Connection) -> None:
    sent = task.c.state == TaskState.READY, task.c.held.is_(False), task.c.sent_at.is_not(None)
    free = rows.unlocked(connection, task.c.id, *sent)
    connection.execute(update(task).where(task.c.id.in_(free)).values(sent_at=None))


def _hold(connection: Connection, job_id: int) -> None:
    """Let nothing of a job be claimed until it is started again."""
    rows.lock_tasks(connection, job_id)
    connection.execute(update(task).where(task.c.job_id == job_id).values(held=True))


def _give_up(connection: Connection, job_id: int) -> bool:
    kept = job.c.failed.is_(True), job.c.permanent.is_(False), job.c.work == Work.KEPT
    marked = update(job).where(job.c.id == job_id, *kept).values(permanent=True)
    return connection.execute(marked).rowcount == 1


def _drop_lost(connection: Connection, row: AnyRow, task_id: int, *, poison: bool) -> None:
    if poison:
        error = {
            "code": "worker_lost",
            "message": f"{LOSS_LIMIT} workers vanished while they ran {row.name}",
            "hint": "Look for memory limits or a crash in the workers' logs, then retry the job.",
        }
        fail_job(connection, row.job_id, task_id, row.name, error)
    connection.execute(
        update(job).where(job.c.id == row.job_id).values(remaining=job.c.remaining - 1)
    )
    _end_if_idle(connection, row.job_id)


def _take_back(
    connection: Connection, task_id: int, generation: int, state: TaskState, losses: int
) -> bool:
    wait = LOSS_BACKOFF_MS * 2 ** (losses - 2) if losses >= 2 else 0
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
            not_before=now() + wait,
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


def _end_if_idle(connection: Connection, job_id: int) -> None:
    row = connection.execute(select(*ENDING).where(job.c.id == job_id)).one()
    if row.remaining == 0:
        end_job(connection, job_id, row, None)


def _reset_tasks(connection: Connection, job_id: int, run_no: int) -> int:
    up = task.alias("up")
    unfinished = (
        select(func.count())
        .select_from(task_dependency.join(up, up.c.id == task_dependency.c.upstream_id))
        .where(task_dependency.c.task_id == task.c.id, up.c.state != TaskState.DONE)
        .scalar_subquery()
    )
    connection.execute(update(task).where(task.c.job_id == job_id).values(run_no=run_no))
    left = (task.c.job_id == job_id, task.c.state != TaskState.DONE)
    fresh = {
        "state": TaskState.WAITING,
        "held": True,
        "attempt": 0,
        "losses": 0,
        "error": None,
        "not_before": 0,
        "sent_at": None,
        "started_at": None,
        "finished_at": None,
        "progress": 0.0,
        "detail": None,
    }
    count = connection.execute(update(task).where(*left).values(**fresh, waits=unfinished)).rowcount
    connection.execute(update(task).where(*left, task.c.waits == 0).values(state=TaskState.READY))
    return count
