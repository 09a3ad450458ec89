"""New jobs in SQL: stored once with their tasks, or as refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, text, update

from adaptation.engine import rows
from adaptation.engine.database import Database
from adaptation.engine.endings import count_off
from adaptation.engine.model import NewJob
from adaptation.engine.plan import Plan
from adaptation.engine.scheduling import tell_when
from adaptation.engine.schema import UNFINISHED, job, task
from adaptation.engine.statements import INSERT_JOB
from adaptation.engine.states import JobState
from adaptation.engine.together import Together
from adaptation.errors import ParameterError

AT_ONCE = 32
"""Jobs stored in one transaction, at most."""
TASKS_OF_JOBS = select(task.c.job_id, task.c.key, task.c.id).where(
    task.c.job_id.in_(bindparam("job_ids", expanding=True))
)


@dataclass(frozen=True)
class Arrival:
    """A job that is to be stored with its tasks."""

    new: NewJob
    plan: Plan
    queues: Mapping[str, str]
    """The queue of each task name."""


class Submissions:
    """How jobs come into the store, each whole or not at all."""

    database: Database
    arriving: Together[Arrival, int | ParameterError | None]
    """Lets the threads of a process that wait for SQLite's one writer share a transaction: to wait
    for the disk takes longer than to store one more job."""

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
        arrival = Arrival(new, plan, queues)
        # PostgreSQL has many writers at a time, and lets them share its waits for the disk.
        is_shared = self.database.is_sqlite
        stored = self.arriving(arrival) if is_shared else self._take_in([arrival])[0]
        if isinstance(stored, ParameterError):
            raise stored
        if stored is not None:
            return stored, True
        # Not asked before: hardly ever is a job submitted twice, or its output taken.
        with self.database.read() as connection:
            if (known := _job_id(connection, new.main_task_id)) is not None:
                return known, False
            raise rows.output_busy(connection, new.output)

    def _take_in(self, arrivals: Sequence[Arrival]) -> list[int | ParameterError | None]:
        """Store jobs in one transaction.

        Returns:
            The id of each, or why it is refused; None: its id is known, or its output taken.
        """
        with self.database.write() as connection:
            found = [self._insert(connection, arrival) for arrival in arrivals]
            pairs = zip(found, arrivals, strict=True)
            store_plans(connection, {known: one for known, one in pairs if isinstance(known, int)})
        return found

    def _insert(self, connection: Connection, arrival: Arrival) -> int | ParameterError | None:
        new = arrival.new
        if new.most_unfinished is not None:
            self.database.lock(connection, f"jobs of {new.client}")
            try:
                _refuse_too_many(connection, new.client, new.most_unfinished)
            except ParameterError as error:
                return error
        return _insert_job(connection, _values(new, len(arrival.plan.tasks)))

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
    job_id = _insert_job(connection, _values(new, tasks, after_id))
    if job_id is not None:
        return job_id, True
    if (known := _job_id(connection, new.main_task_id)) is not None:
        return known, False
    raise rows.output_busy(connection, new.output)


def _insert_job(connection: Connection, values: Mapping[str, Any]) -> int | None:
    """The new job's id; None: there is one like it."""
    wanted = INSERT_JOB[connection.dialect.name]
    found = connection.execute(wanted, values).scalar()
    return None if found is None else int(found)


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


def store_plans(connection: Connection, arrivals: Mapping[int, Arrival]) -> None:
    """Store the tasks of new jobs, held until they are started, and the first lines of their logs.

    Args:
        arrivals: by the ids of the jobs, whose rows are there.
    """
    if not arrivals:
        return
    tasks = []
    for job_id, one in arrivals.items():
        facts = {"job_id": job_id, "run_no": 1, "priority": one.new.priority, "held": True}
        tasks += rows.task_rows(one.plan, one.queues, (), facts)
    connection.execute(rows.INSERT_TASKS, tasks)
    ids: dict[int, dict[str, int]] = {job_id: {} for job_id in arrivals}
    for row in connection.execute(TASKS_OF_JOBS, {"job_ids": list(arrivals)}):
        ids[row.job_id][row.key] = row.id
    edges = [
        edge for job_id, one in arrivals.items() for edge in rows.edge_rows(one.plan, ids[job_id])
    ]
    if edges:
        connection.execute(rows.INSERT_EDGES, edges)
    accepted = [
        rows.line_row(job_id, (20, f"accepted {one.new.workflow}"), "api")
        for job_id, one in arrivals.items()
    ]
    connection.execute(rows.INSERT_LOG, accepted)
    for job_id, one in arrivals.items():
        tell_when(connection, job_id, one.new.run_at)


def _job_id(connection: Connection, main_task_id: str) -> int | None:
    known = select(job.c.id).where(job.c.main_task_id == main_task_id)
    found = connection.execute(known).scalar()
    return None if found is None else int(found)
