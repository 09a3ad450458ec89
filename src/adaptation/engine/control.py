"""What people and controllers do to jobs in SQL: cancel, pause, retry, send, tidy up."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, func, or_, select, text, update

from adaptation.engine import messages, rows, tally
from adaptation.engine.database import Database, now
from adaptation.engine.endings import drop_unstarted, end_if_idle
from adaptation.engine.model import Dispatch
from adaptation.engine.schema import UNREMOVED, job, outbox, task, task_dependency
from adaptation.engine.states import JOB_ENDS, JobState, TaskState, Work, job_sources
from adaptation.errors import AdaptationError

REMOVING = select(job.c.id).where(text(UNREMOVED), job.c.work == Work.REMOVING)
"""Jobs whose pieces are just being removed."""


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
            begin_cancel(connection, job_id)
            return True

    def pause(self, job_id: int) -> bool:
        """Hold a job: nothing of it starts, and what runs is stopped and handed back."""
        with self.database.write() as connection:
            row = rows.lock_job(connection, job_id)
            if row.state not in job_sources(JobState.PAUSED):
                return False
            _go_to(connection, job_id, "paused", state=JobState.PAUSED)
            _hold(connection, job_id)
            return True

    def resume(self, job_id: int) -> bool:
        """Let a paused job go on from its finished tasks, when there is room for it.

        One that was still scheduled is scheduled again.
        """
        with self.database.write() as connection:
            row = rows.lock_job(connection, job_id)
            if row.state != JobState.PAUSED:
                return False
            if row.queued_at is None:
                _go_to(connection, job_id, "resumed", state=JobState.SCHEDULED)
            else:
                _go_to(connection, job_id, "resumed", state=JobState.QUEUED, queued_at=now())
            return True

    def retry(self, job_id: int) -> int:
        """Run again what failed or never ran of an ended job; finished tasks are kept.

        Returns:
            How many tasks will run.

        Raises:
            StateForbids: the job has not ended, has succeeded, or its pieces are gone.
            ParameterError: `output_busy`, another job writes there meanwhile.
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
            tally.count(connection, row.state, failed=row.failed, amount=-1)
            left = _reset_tasks(connection, job_id, row.run_no + 1)
            if not left:
                raise StateForbids(
                    f"job {job_id} was refused and has no tasks",
                    hint="Submit it again with what its error asks for.",
                )
            afresh = {
                "state": JobState.QUEUED,
                "failed": False,
                "permanent": False,
                "cancelling": False,
                "error": None,
                "run_no": row.run_no + 1,
                "remaining": left,
                "finished_at": None,
                "after_id": None,
                "queued_at": now(),
            }
            with rows.holding_output(connection, row.output):
                _go_to(connection, job_id, "retry requested", **afresh)
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
        self, resend_seconds: float, job_id: int | None = None, each: int = messages.BATCH
    ) -> list[Dispatch]:
        """Ready tasks that have no message under way, marked as sent.

        Args:
            resend_seconds: after this long an unclaimed task's message is held to be lost.
            job_id: only this job's tasks.
            each: how many tasks of one queue are looked at, the most urgent first.
        """
        with self.database.read() as connection:
            found = messages.due(connection, resend_seconds, job_id, each)
        if not found:
            return []
        with self.database.write() as connection:
            return messages.mark(connection, found)

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
        useless = pieces_of_no_use(keep_failed_seconds)
        with self.database.read() as connection:
            if connection.execute(useless.limit(1)).first() is None:
                return list(connection.execute(REMOVING).scalars())
        with self.database.write() as connection:
            free = useless.order_by(job.c.id).with_for_update(key_share=True, skip_locked=True)
            found = list(connection.execute(free).scalars())
            connection.execute(update(job).where(job.c.id.in_(found)).values(work=Work.REMOVING))
            return list(connection.execute(REMOVING).scalars())

    def mark_work_removed(self, job_id: int) -> None:
        """Note that a job's pieces in the work area are gone."""
        with self.database.write() as connection:
            connection.execute(
                update(job)
                .where(job.c.id == job_id, job.c.work == Work.REMOVING)
                .values(work=Work.REMOVED)
            )


def pieces_of_no_use(keep_failed_seconds: float) -> Select[int]:
    """The ids of ended jobs whose pieces no retry can use any more."""
    spent = or_(
        job.c.state == JobState.BROKEN,
        job.c.failed.is_(False),
        job.c.permanent.is_(True),
        job.c.finished_at < now() - int(keep_failed_seconds * 1000),
    )
    return select(job.c.id).where(text(UNREMOVED), job.c.work == Work.KEPT, spent)


def begin_cancel(connection: Connection, job_id: int) -> None:
    """Drop what has not started of an unfinished job, which ends when nothing of it runs."""
    rows.lock_tasks(connection, job_id)
    connection.execute(
        update(job).where(job.c.id == job_id).values(cancelling=True, updated_at=now())
    )
    drop_unstarted(connection, job_id, TaskState.CANCELLED)
    rows.insert_lines(connection, job_id, 0, [(30, "cancel requested")], progname="api")
    end_if_idle(connection, job_id)


def _go_to(connection: Connection, job_id: int, word: str, **values: Any) -> None:
    connection.execute(update(job).where(job.c.id == job_id).values(**values, updated_at=now()))
    rows.insert_lines(connection, job_id, 0, [(20, word)], progname="api")


def _hold(connection: Connection, job_id: int) -> None:
    """Let nothing of a job be claimed until it is started again."""
    rows.lock_tasks(connection, job_id)
    connection.execute(update(task).where(task.c.job_id == job_id).values(held=True))


def _give_up(connection: Connection, job_id: int) -> bool:
    kept = job.c.failed.is_(True), job.c.permanent.is_(False), job.c.work == Work.KEPT
    marked = update(job).where(job.c.id == job_id, *kept).values(permanent=True)
    return connection.execute(marked).rowcount == 1


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
