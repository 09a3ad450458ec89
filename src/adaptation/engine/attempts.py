"""Every try of a job's tasks: by whom, from when to when, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from adaptation.engine.database import Database
from adaptation.engine.reads import time_of, time_or_none
from adaptation.engine.schema import attempt, job, task


@dataclass(frozen=True)
class Attempt:
    """One try of one task."""

    task_id: int
    generation: int
    """Counts the tries of a task, also those that its worker did not survive."""
    worker_id: str
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    """done, failed, lost, released or cancelled; None: it runs."""
    error: dict[str, Any] | None
    """`code`, `message`, `hint` and, of a tool, `command` and `stderr_tail`."""


class Attempts:
    """What has been tried."""

    database: Database

    def attempts_of(self, job_id: int) -> list[Attempt]:
        """All tries of a job's tasks, in the order they began."""
        statement = (
            select(*attempt.c)
            .join(task, task.c.id == attempt.c.task_id)
            .where(task.c.job_id == job_id)
            .order_by(attempt.c.started_at, attempt.c.task_id, attempt.c.generation)
        )
        with self.database.read() as connection:
            return [
                Attempt(
                    task_id=row.task_id,
                    generation=row.generation,
                    worker_id=row.worker_id,
                    started_at=time_of(row.started_at),
                    finished_at=time_or_none(row.finished_at),
                    outcome=row.outcome,
                    error=row.error,
                )
                for row in connection.execute(statement)
            ]

    def could_run_since(self, job_id: int) -> datetime | None:
        """When a job was started, or queued again after that; None: it has not been."""
        asked = select(job.c.started_at, job.c.queued_at).where(job.c.id == job_id)
        with self.database.read() as connection:
            row = connection.execute(asked).one_or_none()
        if row is None or row.started_at is None:
            return None
        return time_of(max(row.started_at, row.queued_at or 0))
