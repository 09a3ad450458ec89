"""Which jobs did the same before a job, and which does it again."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from adaptation.engine.changes import REPLACES, RUNS_AGAIN
from adaptation.engine.database import Database
from adaptation.engine.schema import job, log


@dataclass(frozen=True)
class Kin:
    """A job's place in a chain of reruns."""

    earlier: tuple[int, ...] = ()
    """Jobs that it does the same as, oldest first, as far as they are still there."""
    later: int | None = None
    """The job that does the same again; None: there is none."""


class Kinship:
    """Chains of reruns."""

    database: Database

    def kin_of(self, job_id: int) -> Kin:
        """The jobs before and after a job."""
        told = select(job.c.context[REPLACES]).where(job.c.id == job_id)
        again = (
            select(log.c.message)
            .where(log.c.job_id == job_id, log.c.task_id == 0, log.c.progname == "api")
            .where(log.c.message.startswith(RUNS_AGAIN))
            .order_by(log.c.id.desc())
            .limit(1)
        )
        with self.database.read() as connection:
            names = connection.execute(told).scalar() or ()
            known = select(job.c.id).where(job.c.main_task_id.in_(list(names))).order_by(job.c.id)
            earlier = tuple(connection.execute(known).scalars()) if names else ()
            message = str(connection.execute(again).scalar() or "")
            number = message.removeprefix(RUNS_AGAIN)
            later = int(number) if number.isdecimal() else 0
            is_there = connection.execute(select(job.c.id).where(job.c.id == later)).scalar()
        return Kin(earlier, is_there)
