"""What has happened to jobs that somebody watches: as few questions, however many they are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, and_, func, or_, select

from adaptation.engine.database import Database, now
from adaptation.engine.model import LogLine, Task
from adaptation.engine.reads import line_of, time_or_none
from adaptation.engine.schema import job, log, task
from adaptation.engine.states import TaskState

WINDOW_MS = 20_000
"""Longer than a transaction may stand still. What PostgreSQL numbered may be seen so much later,
after what has higher numbers."""
MOST_LINES = 10_000
"""Log lines of one look; the next goes on after them."""
PAGE_LINES = 500
"""Log lines of one page of what was logged before."""

MARK = (
    job.c.id,
    job.c.state,
    job.c.failed,
    job.c.cancelling,
    job.c.run_no,
    job.c.remaining,
    job.c.priority,
    job.c.run_at,
    job.c.persist,
    job.c.updated_at,
)
TASK = tuple(
    column.label(f"task_{column.name}")
    for column in task.c
    if column.name
    in {
        "id",
        "key",
        "name",
        "queue",
        "state",
        "attempt",
        "losses",
        "generation",
        "progress",
        "detail",
        "error",
        "worker_id",
        "started_at",
        "finished_at",
    }
)
LIVELY = (TaskState.READY, TaskState.RUNNING)


@dataclass(frozen=True)
class Mark:
    """As much of a job as tells whether it has changed."""

    state: str
    phase: tuple[Any, ...]
    """While this is the same, only ready, running, new and just ended tasks may have changed."""
    facts: tuple[Any, ...]
    """While this is the same, the job's row is."""


@dataclass(frozen=True)
class Changes:
    """What one look at some jobs found."""

    now_ms: int
    """The database's clock."""
    last_line_id: int
    """All log lines up to it that were visible are in `lines`, if they were asked for."""
    marks: dict[int, Mark]
    """Of the jobs there are, by id."""
    tasks: list[Task]
    """Those that may have changed, without their parameters."""
    lines: list[LogLine]
    """Oldest first."""


class Watching:
    """What is asked again and again about jobs that are watched."""

    database: Database

    @property
    def late_ms(self) -> int:
        """How much later a line may be seen than others with higher numbers."""
        return late_ms_of(self.database)

    def changes_of(
        self,
        job_ids: Collection[int],
        *,
        log_after: int,
        since_ms: int,
        task_after: int,
        whole: Collection[int] = (),
    ) -> Changes:
        """Look at some jobs: two statements, however many they are.

        Args:
            log_after: only log lines with a higher id.
            since_ms: the database's clock, after which ended tasks have not been seen.
            task_after: tasks with a higher id are new.
            whole: of these jobs all tasks are wanted.
        """
        asked = standing(job_ids, since_ms=since_ms, task_after=task_after, whole=whole)
        logged = (
            select(log)
            .where(log.c.job_id.in_(list(job_ids)), log.c.id > log_after)
            .order_by(log.c.id)
            .limit(MOST_LINES)
        )
        with self.database.read() as connection:
            rows = connection.execute(asked).all()
            lines = [line_of(row) for row in connection.execute(logged)]
        last = max((row.last_line_id or 0 for row in rows), default=log_after)
        return Changes(
            now_ms=max((row.now_ms for row in rows), default=since_ms),
            last_line_id=min(last, lines[-1].id) if len(lines) == MOST_LINES else last,
            marks={row.id: _mark(row) for row in rows},
            tasks=[_task(row) for row in rows if row.task_id is not None],
            lines=lines,
        )

    def last_settled_line(self) -> int:
        """The id up to which no log line can come any more that cannot be seen yet."""
        newest = select(log.c.id).order_by(log.c.id.desc()).limit(1)
        if self.late_ms:
            newest = newest.where(log.c.created_at < now() - self.late_ms)
        with self.database.read() as connection:
            return int(connection.execute(newest).scalar() or 0)

    def where_to_go_on(self, job_id: int, told: int) -> int:
        """The id after which a job's log goes on for somebody who was told up to a line.

        On PostgreSQL lines from before it may have become visible since, so that some are told
        twice.
        """
        if not self.late_ms or not told:
            return told
        of_job = log.c.job_id == job_id
        moment = select(log.c.created_at).where(log.c.id == told, of_job).scalar_subquery()
        near = select(func.min(log.c.id)).where(
            of_job, log.c.id <= told, log.c.created_at >= moment - self.late_ms
        )
        with self.database.read() as connection:
            first = connection.execute(near).scalar()
        return told if first is None else int(first) - 1

    def log_page(self, job_id: int, after: int, severity: int) -> list[LogLine]:
        """The next 500 lines of a job's log after an id, oldest first."""
        page = (
            select(log)
            .where(log.c.job_id == job_id, log.c.id > after, log.c.severity >= severity)
            .order_by(log.c.id)
            .limit(PAGE_LINES)
        )
        with self.database.read() as connection:
            return [line_of(row) for row in connection.execute(page)]


def late_ms_of(database: Database) -> int:
    """How much later a line may be seen than others with higher numbers."""
    return 0 if database.is_sqlite else WINDOW_MS


def standing(
    job_ids: Collection[int], *, since_ms: int, task_after: int, whole: Collection[int]
) -> Select[Any]:
    """The jobs' marks, each with every task that may have moved; see `Watching.changes_of`."""
    moved = or_(
        task.c.job_id.in_(list(whole)),
        task.c.state.in_(LIVELY),
        task.c.finished_at > since_ms - WINDOW_MS,
        task.c.id > task_after,
    )
    newest = select(func.max(log.c.id)).scalar_subquery().label("last_line_id")
    both = job.outerjoin(task, and_(task.c.job_id == job.c.id, moved))
    asked = select(*MARK, *TASK, newest, now().label("now_ms")).select_from(both)
    return asked.where(job.c.id.in_(list(job_ids))).order_by(job.c.id, task.c.id)


def _mark(row: Row[Any]) -> Mark:
    phase = (row.state, row.failed, row.cancelling, row.run_no)
    return Mark(
        state=row.state,
        phase=phase,
        facts=(*phase, row.remaining, row.priority, row.run_at, row.persist, row.updated_at),
    )


def _task(row: Row[Any]) -> Task:
    return Task(
        id=row.task_id,
        job_id=row.id,
        key=row.task_key,
        name=row.task_name,
        queue=row.task_queue,
        state=TaskState(row.task_state),
        attempt=row.task_attempt,
        losses=row.task_losses,
        generation=row.task_generation,
        params={},
        progress=row.task_progress,
        detail=row.task_detail,
        error=row.task_error,
        worker_id=row.task_worker_id,
        started_at=time_or_none(row.task_started_at),
        finished_at=time_or_none(row.task_finished_at),
    )
