"""What completed jobs took, compared with what was foretold of them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, func, select

from adaptation.engine.database import Database
from adaptation.engine.model import PastJob
from adaptation.engine.schema import job, task
from adaptation.engine.states import JobState, TaskState

PLANNED = "planned"
"""Field of a context: figures that were foretold, by their names."""
LOOKED_AT = 1_000
"""Only among so many of the newest completed jobs is looked, however many there are."""
LEARNED_FROM = 50


class History:
    """Jobs that are over, as an experience."""

    database: Database

    def past_jobs(
        self, workflow: str, parameter: str, value: str, *, limit: int = LEARNED_FROM
    ) -> list[PastJob]:
        """The newest completed jobs that had a parameter of this value, and foretold something.

        Args:
            workflow: its name.
            parameter: one whose values are texts.
            value: of that parameter.
            limit: jobs at most, among the newest 1,000 of all that completed.
        """
        with self.database.read() as connection:
            found = connection.execute(_alike(workflow, parameter, value, limit)).all()
            took: dict[int, dict[str, float]] = {row.id: {} for row in found}
            for row in connection.execute(_seconds(list(took))):
                took[row.job_id][row.name] = float(row.milliseconds) / 1000
        return [PastJob(row.id, row.planned, took[row.id]) for row in found]


def _alike(workflow: str, parameter: str, value: str, limit: int) -> Select[tuple[int, object]]:
    newest = select(job.c.id).where(job.c.state == JobState.COMPLETED)
    newest = newest.order_by(job.c.id.desc()).limit(LOOKED_AT)
    planned = job.c.result[PLANNED]
    return (
        select(job.c.id, planned.label("planned"))
        .where(
            job.c.id.in_(newest.scalar_subquery()),
            ~job.c.failed,
            job.c.workflow == workflow,
            job.c.parameters[parameter].as_string() == value,
            planned.as_string().is_not(None),
        )
        .order_by(job.c.id.desc())
        .limit(limit)
    )


def _seconds(job_ids: Sequence[int]) -> Select[tuple[int, str, int]]:
    took = func.sum(task.c.finished_at - task.c.started_at).label("milliseconds")
    return (
        select(task.c.job_id, task.c.name, took)
        .where(
            task.c.job_id.in_(job_ids),
            task.c.state == TaskState.DONE,
            task.c.started_at.is_not(None),
        )
        .group_by(task.c.job_id, task.c.name)
    )
