"""Starting queued jobs in SQL, as many as the rules allow, one transaction for each look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, text, update

from adaptation.engine import rows
from adaptation.engine.database import Database, now
from adaptation.engine.model import Dispatch
from adaptation.engine.rules import Rules, Started, Waiting, order
from adaptation.engine.schema import job, setting, task
from adaptation.engine.states import JobState, TaskState

LOCK = "admission"
"""Whoever decides who is started does so alone."""

FIRST_OF_EACH = text("""
    WITH RECURSIVE head(id) AS (
        SELECT (SELECT id FROM job WHERE state = 'queued'
            ORDER BY client, priority, queued_at, id LIMIT 1)
        UNION ALL
        SELECT COALESCE(
            (SELECT later.id FROM job AS later WHERE later.state = 'queued'
            AND later.client = known.client AND later.priority > known.priority
            ORDER BY later.priority, later.queued_at, later.id LIMIT 1),
            (SELECT later.id FROM job AS later WHERE later.state = 'queued'
            AND later.client > known.client
            ORDER BY later.client, later.priority, later.queued_at, later.id LIMIT 1))
        FROM head JOIN job AS known ON known.id = head.id
    )
    SELECT job.id, job.client, job.priority, job.queued_at,
        (SELECT MAX(started_at) FROM job AS other WHERE other.client = job.client) AS served_at
    FROM head JOIN job ON job.id = head.id""")
"""The first queued job of every client and priority: as many steps in the index as there are
pairs, however many jobs wait."""
STARTED = select(job.c.client, job.c.priority).where(job.c.state == JobState.STARTED)
START = (
    update(job)
    .where(job.c.id == bindparam("started_id"))
    .values(
        state=JobState.STARTED, started_at=func.coalesce(job.c.started_at, now()), updated_at=now()
    )
)
RELEASED = (
    update(task)
    .where(
        task.c.job_id == bindparam("released_job"),
        task.c.state.in_([TaskState.WAITING, TaskState.READY, TaskState.RUNNING]),
    )
    .values(held=False)
)
SENT = (
    update(task)
    .where(
        task.c.job_id == bindparam("sent_job"),
        task.c.state == TaskState.READY,
        task.c.not_before <= now(),
    )
    .values(sent_at=now())
    .returning(task.c.id, task.c.generation, task.c.queue, task.c.priority)
)


class Admission:
    """Who holds the slots for jobs."""

    database: Database

    def rules(self) -> Rules:
        """The limits in force."""
        with self.database.read() as connection:
            return _rules(connection)

    def admit(self, job_id: int | None = None) -> tuple[Dispatch, ...]:
        """Start queued jobs while there is room.

        Args:
            job_id: start this job if it is queued, room or not, and no other: somebody runs it
                here and now on a machine of their own.

        Returns:
            Their ready tasks, marked as sent.
        """
        with self.database.read() as connection:
            if not _any_queued(connection, job_id):
                return ()
        with self.database.write() as connection:
            self.database.lock(connection, LOCK)
            if job_id is not None:
                return tuple(_start(connection, job_id) or ())
            rules = _rules(connection)
            started = [Started(*row) for row in connection.execute(STARTED)]
            ready: list[Dispatch] = []
            passed_over: set[int] = set()
            while chosen := _choose(connection, started, rules, passed_over):
                # Once: a job that somebody holds is left to the next look.
                passed_over.add(chosen.job_id)
                dispatches = _start(connection, chosen.job_id)
                if dispatches is not None:
                    started.append(Started(chosen.client, chosen.priority))
                    ready += dispatches
            return tuple(ready)


def _any_queued(connection: Connection, job_id: int | None) -> bool:
    queued = select(job.c.id).where(job.c.state == JobState.QUEUED)
    if job_id is not None:
        queued = queued.where(job.c.id == job_id)
    return connection.execute(queued.limit(1)).first() is not None


def _choose(
    connection: Connection, started: Sequence[Started], rules: Rules, passed_over: set[int]
) -> Waiting | None:
    if len(started) >= rules.max_jobs:
        return None
    found = [
        Waiting(row.id, row.client, row.priority, row.queued_at, row.served_at or 0)
        for row in connection.execute(FIRST_OF_EACH)
    ]
    now_ms = int(connection.execute(select(now())).scalar_one())
    for waiting in order(found, started, rules, now_ms):
        if waiting.job_id not in passed_over:
            return waiting
    return None


def _start(connection: Connection, job_id: int) -> list[Dispatch] | None:
    """The ready tasks of the job that is started; None: it is not queued, or somebody holds it."""
    free = (
        select(job.c.id)
        .where(job.c.id == job_id, job.c.state == JobState.QUEUED)
        .with_for_update(key_share=True, skip_locked=True)
    )
    if connection.execute(free).first() is None:
        return None
    connection.execute(START, {"started_id": job_id})
    rows.lock_tasks(connection, job_id)
    connection.execute(RELEASED, {"released_job": job_id})
    rows.insert_lines(connection, job_id, 0, [(10, "started")], progname="scheduler")
    sent = connection.execute(SENT, {"sent_job": job_id})
    return [Dispatch(row.id, row.generation, row.queue, row.priority) for row in sent]


def _rules(connection: Connection) -> Rules:
    names = [field.name for field in fields(Rules)]
    stored: dict[str, Any] = {
        row.name: row.value
        for row in connection.execute(select(setting).where(setting.c.name.in_(names)))
    }
    return Rules(**stored)
