"""What people change of a job that is there already, in SQL: when it runs, how urgently, anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import Enum
from typing import Any, Final

from sqlalchemy import Connection, select, update

from adaptation.adapters.masking import masked
from adaptation.engine import rows, tally
from adaptation.engine.control import StateForbids, begin_cancel
from adaptation.engine.database import Database, now
from adaptation.engine.model import NewJob
from adaptation.engine.plan import Plan
from adaptation.engine.scheduling import tell_when
from adaptation.engine.schema import job, task
from adaptation.engine.states import JOB_ENDS, JobState, TaskState
from adaptation.engine.submissions import Arrival, insert_job, store_plans
from adaptation.engine.terms import check_priority, check_semaphore, milliseconds

REPLACES = "replaces"
"""Field of the context of a job that does the same again: the main tasks it follows."""
MOST_REPLACED = 20
RUNS_AGAIN = "runs again as job "
"""How the log of a job begins to tell by which number it was run anew."""


class Keep(Enum):
    """Not a value: what was there stays."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP


@dataclass(frozen=True)
class Change:
    """What is to be other than it was."""

    priority: int | Keep = KEEP
    """1 to 10; its unfinished tasks move with the job."""
    run_at: datetime | Keep | None = KEEP
    """Not before this, aware; None: at any time."""
    semaphore_url: str | Keep | None = KEEP
    """Not before this address answers well; None: whatever it answers."""
    persist: bool | Keep = KEEP
    """Whether it is kept when old jobs are cleaned up."""

    @property
    def values(self) -> dict[str, Any]:
        """What changes, as the columns' values.

        Raises:
            ParameterError: a value cannot be.
        """
        named = ((known.name, getattr(self, known.name)) for known in fields(self))
        found = {name: value for name, value in named if value is not KEEP}
        check_priority(found.get("priority", 1))
        check_semaphore(found.get("semaphore_url"))
        if found.get("run_at") is not None:
            found["run_at"] = milliseconds(found["run_at"])
        return found


class Changes:
    """Changes to jobs that are stored, each one transaction."""

    database: Database

    def change(self, job_id: int, wanted: Change) -> list[str]:
        """Change a job.

        Whether it is kept may be said at any time, how urgent it is until it has ended, and
        when it runs while it is scheduled or queued: a queued one is scheduled again.

        Returns:
            The names of what was changed.

        Raises:
            ParameterError: a value cannot be.
            StateForbids: the job has gone too far for this.
        """
        values = wanted.values
        if not values:
            return []
        with self.database.write() as connection:
            state = rows.lock_job(connection, job_id).state
            _refuse_too_late(job_id, state, values)
            if "run_at" in values or "semaphore_url" in values:
                values |= {"state": JobState.SCHEDULED, "queued_at": None}
            connection.execute(
                update(job).where(job.c.id == job_id).values(**values, updated_at=now())
            )
            if "priority" in values:
                _move_tasks(connection, job_id, values["priority"])
            names = [known.name for known in fields(wanted) if known.name in values]
            line = ", ".join(f"{name} is {_shown(values[name])}" for name in names)
            rows.insert_lines(connection, job_id, 0, [(20, line)], progname="api")
            tell_when(connection, job_id, values.get("run_at"))
            return names

    def rerun(self, job_id: int, new: NewJob, plan: Plan, queues: Mapping[str, str]) -> int:
        """Store a job that does what an older one did, which becomes broken.

        An older one that has not ended is cancelled; the new one waits for its end, with which
        the output passes to it, so that nobody else comes between.

        Returns:
            The new job's id; of the first one when it is asked for again.

        Raises:
            StateForbids: another job already waits to follow it.
        """
        with self.database.write() as connection:
            before = _unfinished_before(connection, job_id)
            old = rows.lock_job(connection, job_id)
            _refuse_second(connection, job_id, new.main_task_id)
            if old.state in JOB_ENDS:
                _break(connection, job_id, old)
            else:
                begin_cancel(connection, job_id)
            ended = rows.lock_job(connection, job_id).state in JOB_ENDS
            new = replace(new, context=_replacing(connection, job_id))
            after_id = before if ended else job_id
            new_id, is_new = insert_job(connection, new, len(plan.tasks), after_id)
            if is_new:
                store_plans(connection, {new_id: Arrival(new, plan, queues)})
                line = f"{RUNS_AGAIN}{new_id}"
                rows.insert_lines(connection, job_id, 0, [(20, line)], progname="api")
            return new_id


def _refuse_too_late(job_id: int, state: str, values: Mapping[str, Any]) -> None:
    when = sorted({"run_at", "semaphore_url"} & set(values))
    if when and state not in {JobState.SCHEDULED, JobState.QUEUED}:
        raise StateForbids(
            f"job {job_id} is {state}: its {' and '.join(when)} cannot be changed any more",
            hint="Only a scheduled or queued job can be told when to run.",
        )
    if "priority" in values and state in JOB_ENDS:
        raise StateForbids(
            f"job {job_id} is {state}: its priority cannot be changed any more",
            hint="Only a job that has not ended can be made more or less urgent.",
        )


def _move_tasks(connection: Connection, job_id: int, priority: int) -> None:
    rows.lock_tasks(connection, job_id)
    # Those that have failed or been dropped too: a retry may run them.
    connection.execute(
        update(task)
        .where(task.c.job_id == job_id, task.c.state != TaskState.DONE)
        .values(priority=priority)
    )


def _shown(value: object) -> str:
    return masked(value) if isinstance(value, str) else str(value)


def _unfinished_before(connection: Connection, job_id: int) -> int | None:
    """The unfinished job that a job waits for, held, so that it does not end meanwhile."""
    after_id = connection.execute(select(job.c.after_id).where(job.c.id == job_id)).scalar()
    before = select(job.c.id).where(job.c.id == after_id, job.c.finished_at.is_(None))
    return connection.execute(before.with_for_update(key_share=True)).scalar()


def _refuse_second(connection: Connection, job_id: int, main_task_id: str) -> None:
    follows = select(job.c.id, job.c.main_task_id).where(
        job.c.after_id == job_id, job.c.finished_at.is_(None)
    )
    row = connection.execute(follows).first()
    if row is not None and row.main_task_id != main_task_id:
        raise StateForbids(
            f"job {job_id} already runs again as job {row.id}",
            hint=f"Look at it: adaptation show {row.id}",
        )


def _replacing(connection: Connection, job_id: int) -> dict[str, Any]:
    """What the first tasks are told: whose results the new job may put its own in place of."""
    found = connection.execute(
        select(job.c.context, job.c.main_task_id).where(job.c.id == job_id)
    ).one()
    return {REPLACES: [*found.context.get(REPLACES, ()), found.main_task_id][-MOST_REPLACED:]}


def _break(connection: Connection, job_id: int, old: rows.AnyRow) -> None:
    if old.state == JobState.BROKEN:
        return
    tally.count(connection, old.state, failed=old.failed, amount=-1)
    tally.count(connection, JobState.BROKEN, failed=old.failed, amount=1)
    broken = update(job).where(job.c.id == job_id)
    connection.execute(broken.values(state=JobState.BROKEN, updated_at=now()))
