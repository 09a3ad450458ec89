"""What is left to do of jobs, added up by the names of their tasks, whatever their number."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import case, func, select

from adaptation.engine.database import Database, now
from adaptation.engine.schema import task
from adaptation.engine.states import TaskState


@dataclass(frozen=True)
class Share:
    """All tasks of one name and state of a job."""

    name: str
    state: TaskState
    count: int
    progress: float
    """Of all of them together, 0 to `count`."""
    seconds: float
    """That they ran, or have run until now, together."""


class Remaining:
    """How much there is left."""

    database: Database

    def shares_of(self, job_ids: Collection[int]) -> dict[int, list[Share]]:
        """The tasks of some jobs, by job: one statement."""
        ends = case((task.c.state == TaskState.RUNNING, now()), else_=task.c.finished_at)
        asked = (
            select(
                task.c.job_id,
                task.c.name,
                task.c.state,
                func.count().label("amount"),
                func.sum(task.c.progress).label("progress"),
                func.sum(ends - task.c.started_at).label("milliseconds"),
            )
            .where(task.c.job_id.in_(list(job_ids)))
            .group_by(task.c.job_id, task.c.name, task.c.state)
        )
        found: dict[int, list[Share]] = {}
        with self.database.read() as connection:
            for row in connection.execute(asked):
                share = Share(
                    row.name,
                    TaskState(row.state),
                    int(row.amount),
                    float(row.progress or 0),
                    max(0.0, float(row.milliseconds or 0) / 1000),
                )
                found.setdefault(row.job_id, []).append(share)
        return found
