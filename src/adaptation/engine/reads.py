"""Questions to the truth that change nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, Select, select

from adaptation.engine.addresses import names_of
from adaptation.engine.database import Database
from adaptation.engine.model import Job, LogLine, Message, Task
from adaptation.engine.schema import attempt, job, log, outbox, task, task_dependency
from adaptation.engine.states import JobState, TaskState, Work
from adaptation.errors import ParameterError

JOB = tuple(column for column in job.c if column.name not in {"context", "farewell"})
"""What is read of a job: not what its first and last moves alone need, which may be large."""


class Reads:
    """What can be asked of the store."""

    database: Database

    def job(self, job_id: int) -> Job:
        """One job.

        Raises:
            ParameterError: `job_unknown`.
        """
        found = self._jobs(select(*JOB).where(job.c.id == job_id))
        if not found:
            raise ParameterError(
                f"there is no job {job_id}",
                code="job_unknown",
                hint="`adaptation ls` lists the jobs.",
            )
        return found[0]

    def job_by_main_task(self, main_task_id: str) -> Job | None:
        """The job a client knows by this id."""
        found = self._jobs(select(*JOB).where(job.c.main_task_id == main_task_id))
        return found[0] if found else None

    def latest_with(self, fingerprint: str) -> Job | None:
        """The newest job that asked for the same work."""
        same = select(*JOB).where(job.c.fingerprint == fingerprint)
        found = self._jobs(same.order_by(job.c.id.desc()).limit(1))
        return found[0] if found else None

    def unfinished_with(self, output: str) -> Job | None:
        """The job that is making what will be at this place."""
        same = select(*JOB).where(
            job.c.output == output, job.c.finished_at.is_(None), job.c.after_id.is_(None)
        )
        found = self._jobs(same.limit(1))
        return found[0] if found else None

    def unfinished_below(self, folder: str) -> list[int]:
        """Ids of the jobs that are not finished and write to something inside a folder."""
        inside = job.c.output.startswith(f"{folder.rstrip('/')}/", autoescape=True)
        statement = select(job.c.id).where(inside, job.c.finished_at.is_(None)).order_by(job.c.id)
        with self.database.read() as connection:
            return list(connection.execute(statement).scalars())

    def _jobs(self, statement: Select[Any]) -> list[Job]:
        with self.database.read() as connection:
            return [job_of(row) for row in connection.execute(statement)]

    def tasks(self, job_id: int) -> list[Task]:
        """A job's tasks in the order they were planned."""
        statement = select(task).where(task.c.job_id == job_id).order_by(task.c.id)
        with self.database.read() as connection:
            return [_task(row) for row in connection.execute(statement)]

    def edges(self, job_id: int) -> list[tuple[int, int]]:
        """Pairs (task, the task it waits for) of a job."""
        edge = task_dependency
        statement = (
            select(edge.c.task_id, edge.c.upstream_id)
            .join(task, task.c.id == edge.c.task_id)
            .where(task.c.job_id == job_id)
        )
        with self.database.read() as connection:
            return [(row.task_id, row.upstream_id) for row in connection.execute(statement)]

    def attempts(self, task_id: int) -> list[tuple[int, str | None]]:
        """Pairs (generation, outcome) of a task's attempts, oldest first."""
        statement = (
            select(attempt.c.generation, attempt.c.outcome)
            .where(attempt.c.task_id == task_id)
            .order_by(attempt.c.generation)
        )
        with self.database.read() as connection:
            return [(row.generation, row.outcome) for row in connection.execute(statement)]

    def running(self, task_id: int, generation: int) -> bool:
        """Whether this attempt holds its task."""
        statement = select(task.c.id).where(
            task.c.id == task_id,
            task.c.generation == generation,
            task.c.state == TaskState.RUNNING,
        )
        with self.database.read() as connection:
            return connection.execute(statement).first() is not None

    def logs(self, job_id: int, *, after: int = 0, severity: int = 20) -> list[LogLine]:
        """A job's log, oldest first.

        Args:
            after: only lines with a higher id.
            severity: the lowest that is shown; 10 shows debug lines.
        """
        statement = (
            select(log)
            .where(log.c.job_id == job_id, log.c.id > after, log.c.severity >= severity)
            .order_by(log.c.id)
        )
        with self.database.read() as connection:
            return [line_of(row) for row in connection.execute(statement)]

    def last_lines(self, job_id: int, number: int, *, severity: int = 20) -> list[LogLine]:
        """The end of a job's log, oldest first.

        Args:
            number: so many lines at most.
            severity: the lowest that is shown; 10 shows debug lines.
        """
        newest = (
            select(log)
            .where(log.c.job_id == job_id, log.c.severity >= severity)
            .order_by(log.c.id.desc())
            .limit(number)
        )
        with self.database.read() as connection:
            return [line_of(row) for row in connection.execute(newest)][::-1]

    def messages(
        self, address: str, *, after: int = 0, kind: str = "notification"
    ) -> list[Message]:
        """What was sent to a queue, oldest first, however long ago."""
        statement = (
            select(outbox)
            .where(outbox.c.address == address, outbox.c.id > after, outbox.c.kind == kind)
            .order_by(outbox.c.id)
        )
        with self.database.read() as connection:
            return [_message(row) for row in connection.execute(statement)]

    def unsent(self, kind: str, limit: int = 200) -> list[Message]:
        """Messages that have not reached their broker, oldest first."""
        statement = (
            select(outbox)
            .where(outbox.c.sent_at.is_(None), outbox.c.kind == kind)
            .order_by(outbox.c.id)
            .limit(limit)
        )
        with self.database.read() as connection:
            return [_message(row) for row in connection.execute(statement)]


def time_of(milliseconds: int) -> datetime:
    """A moment of the database."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def time_or_none(milliseconds: int | None) -> datetime | None:
    """A moment of the database that may not have come."""
    return None if milliseconds is None else time_of(milliseconds)


def line_of(row: Row[Any]) -> LogLine:
    """A row of `log` as a record."""
    return LogLine(**{**row._asdict(), "created_at": time_of(row.created_at)})


def job_of(row: Row[Any]) -> Job:
    """A row of `JOB` as a record."""
    return Job(
        id=row.id,
        main_task_id=row.main_task_id,
        workflow=row.workflow,
        client=row.client,
        state=JobState(row.state),
        failed=row.failed,
        cancelling=row.cancelling,
        priority=row.priority,
        run_no=row.run_no,
        remaining=row.remaining,
        parameters=row.parameters,
        result=row.result,
        error=row.error,
        fingerprint=row.fingerprint,
        output=row.output,
        work=Work(row.work),
        run_at=time_or_none(row.run_at),
        semaphore_url=row.semaphore_url,
        after_id=row.after_id,
        persist=row.persist,
        subject=row.subject,
        endpoints=names_of(row.endpoints),
        created_at=time_of(row.created_at),
        updated_at=time_of(row.updated_at),
        started_at=time_or_none(row.started_at),
        finished_at=time_or_none(row.finished_at),
    )


def _task(row: Row[Any]) -> Task:
    return Task(
        id=row.id,
        job_id=row.job_id,
        key=row.key,
        name=row.name,
        queue=row.queue,
        state=TaskState(row.state),
        attempt=row.attempt,
        losses=row.losses,
        generation=row.generation,
        params=row.params,
        progress=row.progress,
        detail=row.detail,
        error=row.error,
        worker_id=row.worker_id,
        started_at=time_or_none(row.started_at),
        finished_at=time_or_none(row.finished_at),
    )


def _message(row: Row[Any]) -> Message:
    return Message(
        id=row.id,
        job_id=row.job_id,
        kind=row.kind,
        address=row.address,
        identity=row.identity,
        body=row.body,
        created_at=time_of(row.created_at),
    )
