"""New jobs in SQL: stored once with their tasks, or as refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.exc import IntegrityError

from adaptation.engine import rows
from adaptation.engine.database import Database
from adaptation.engine.endings import count_off
from adaptation.engine.graph import Plan
from adaptation.engine.model import NewJob
from adaptation.engine.scheduling import tell_when
from adaptation.engine.schema import UNFINISHED, job
from adaptation.engine.statements import INSERT_JOB
from adaptation.engine.states import JobState
from adaptation.errors import ParameterError


class Submissions:
    """How jobs come into the store, each in one transaction."""

    database: Database

    def submit(self, new: NewJob, plan: Plan, queues: Mapping[str, str]) -> int:
        """Store a job with its tasks; as `submit_once`, but for what is known already."""
        return self.submit_once(new, plan, queues)[0]

    def submit_once(self, new: NewJob, plan: Plan, queues: Mapping[str, str]) -> tuple[int, bool]:
        """Store a job with its tasks; a second submission of the same id changes nothing.

        Its tasks are held until the job is started, by `admit`.

        Returns:
            The job's id, and whether it is new.

        Raises:
            ParameterError: `output_busy`, an unfinished job holds the same output;
                `workflow_empty`, there is nothing to run; `too_many_jobs`.
        """
        if not plan.tasks:
            raise ParameterError(
                f"workflow {new.workflow} has no tasks with these parameters",
                code="workflow_empty",
                hint="Give it something to do, or let the workflow refuse such parameters.",
            )
        try:
            with self.database.write() as connection:
                if new.most_unfinished is not None:
                    self.database.lock(connection, f"jobs of {new.client}")
                    _refuse_too_many(connection, new.client, new.most_unfinished)
                values = _values(new, len(plan.tasks))
                job_id = int(connection.execute(INSERT_JOB, values).scalar_one())
                store_plan(connection, new, job_id, plan, queues)
                return job_id, True
        except IntegrityError as error:
            # Not asked before: hardly ever is a job submitted twice, or its output taken.
            with self.database.read() as connection:
                if (known := _job_id(connection, new.main_task_id)) is not None:
                    return known, False
                raise rows.output_busy(connection, new.output) from error

    def refuse(self, new: NewJob, error: dict[str, Any]) -> int:
        """Store a job that cannot run as failed, so that whoever sent it learns why."""
        with self.database.write() as connection:
            job_id, is_new = insert_job(connection, new, 0)
            if not is_new:
                return job_id
            connection.execute(
                update(job)
                .where(job.c.id == job_id)
                .values(failed=True, permanent=True, error=error)
            )
            count_off(connection, job_id, 0, None)
            return job_id


def insert_job(
    connection: Connection, new: NewJob, tasks: int, after_id: int | None = None
) -> tuple[int, bool]:
    """The job's id, and whether it is new: the same submission may be under way twice.

    Args:
        tasks: how many it has.
        after_id: an unfinished job that must end before.

    Raises:
        ParameterError: `output_busy`, an unfinished job holds the same output.
    """
    if (known := _job_id(connection, new.main_task_id)) is not None:
        return known, False
    values = _values(new, tasks, after_id)
    try:
        with rows.holding_output(connection, new.output):
            return int(connection.execute(INSERT_JOB, values).scalar_one()), True
    except ParameterError:
        if (known := _job_id(connection, new.main_task_id)) is not None:
            return known, False
        raise


def _refuse_too_many(connection: Connection, client: str, most: int) -> None:
    some = select(job.c.id).where(text(UNFINISHED), job.c.client == client).limit(most)
    counted = select(func.count()).select_from(some.subquery())
    if connection.execute(counted).scalar_one() >= most:
        raise ParameterError(
            f"client {client} has {most} unfinished jobs, as many as it may have",
            code="too_many_jobs",
            hint="Wait until some have ended.",
        )


def _values(new: NewJob, tasks: int, after_id: int | None = None) -> dict[str, Any]:
    waits = new.waits_outside or after_id is not None
    return {
        "is_waiting": waits,
        "main_task_id": new.main_task_id,
        "workflow": new.workflow,
        "state": JobState.SCHEDULED if waits else JobState.QUEUED,
        "client": new.client,
        "priority": new.priority,
        "remaining": tasks,
        "parameters": new.parameters,
        "context": new.context,
        "farewell": new.farewell,
        "fingerprint": new.fingerprint,
        "output": new.output,
        "run_at": new.run_at,
        "semaphore_url": new.semaphore_url,
        "after_id": after_id,
        "persist": new.persist,
        "subject": new.subject,
        "endpoints": list(new.endpoints) or None,
        "trace": new.trace,
    }


def store_plan(
    connection: Connection, new: NewJob, job_id: int, plan: Plan, queues: Mapping[str, str]
) -> None:
    """Store the tasks of a new job, held until it is started, and the first lines of its log."""
    rows.insert_plan(
        connection,
        plan,
        job_id=job_id,
        run_no=1,
        priority=new.priority,
        queues=queues,
        known={},
        held=True,
    )
    accepted = [(20, f"accepted {new.workflow}")]
    rows.insert_lines(connection, job_id, 0, accepted, progname="api")
    tell_when(connection, job_id, new.run_at)


def _job_id(connection: Connection, main_task_id: str) -> int | None:
    known = select(job.c.id).where(job.c.main_task_id == main_task_id)
    found = connection.execute(known).scalar()
    return None if found is None else int(found)
