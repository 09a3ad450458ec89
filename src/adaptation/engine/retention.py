"""Old jobs are deleted whole, one small transaction each, so that nobody waits for it."""

from __future__ import annotations

import time

from sqlalchemy import Connection, Select, delete, exists, select, text

from adaptation.engine import tally
from adaptation.engine.database import Database, now
from adaptation.engine.schema import (
    SPENT,
    UNDELIVERED,
    attempt,
    delivery,
    job,
    log,
    outbox,
    setting,
    task,
    task_dependency,
)
from adaptation.engine.setting import DAY_MS, KNOWN

BUDGET_SECONDS = 0.25
"""How long one call goes on: what is left is left to the next sweep."""
FOLDED_ROWS = 200
"""Length of the tally of ended jobs from which it is added up."""
DAYS = "retention_days"


UNTOLD = exists().where(text(UNDELIVERED), delivery.c.job_id == job.c.id)
"""Whose end points have not all been told."""


class Retention:
    """What is not kept for ever."""

    database: Database

    def clean_up(self, budget_seconds: float = BUDGET_SECONDS) -> int:
        """Delete jobs that ended long ago with all that is stored of them; returns how many.

        Never one that has not ended, is marked `persist`, or left pieces that are not removed.
        """
        deadline = time.monotonic() + budget_seconds
        deleted = 0
        while self._delete_oldest():
            deleted += 1
            if time.monotonic() > deadline:
                break
        return deleted

    def add_up(self) -> None:
        """Add up the tally of ended jobs, if it has grown long."""
        with self.database.read() as connection:
            if tally.length(connection) < FOLDED_ROWS:
                return
        with self.database.write() as connection:
            tally.fold(connection)

    def _delete_oldest(self) -> bool:
        with self.database.read() as connection:
            days = _days(connection)
            oldest = oldest_spent(days)
            if days == 0 or connection.execute(oldest).first() is None:
                return False
        with self.database.write() as connection:
            # Again, and held: somebody may have marked it to be kept, or deletes it already.
            row = connection.execute(oldest.with_for_update(skip_locked=True)).first()
            if row is None:
                return False
            tally.count(connection, row.state, failed=row.failed, amount=-1)
            _delete(connection, row.id)
            return True


def oldest_spent(days: float) -> Select[int, str, bool]:
    """The job that ended first of those that nobody needs any more."""
    return (
        select(job.c.id, job.c.state, job.c.failed)
        .where(text(SPENT), ~UNTOLD, job.c.finished_at < now() - int(days * DAY_MS))
        .order_by(job.c.finished_at, job.c.id)
        .limit(1)
    )


def _delete(connection: Connection, job_id: int) -> None:
    tasks = select(task.c.id).where(task.c.job_id == job_id).scalar_subquery()
    connection.execute(delete(attempt).where(attempt.c.task_id.in_(tasks)))
    connection.execute(delete(task_dependency).where(task_dependency.c.task_id.in_(tasks)))
    for table in (task, log, outbox, delivery):
        connection.execute(delete(table).where(table.c.job_id == job_id))
    connection.execute(delete(job).where(job.c.id == job_id))


def _days(connection: Connection) -> float:
    found = connection.execute(select(setting.c.value).where(setting.c.name == DAYS)).scalar()
    return float(KNOWN[DAYS].default if found is None else found)
