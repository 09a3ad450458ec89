"""Starting queued jobs in SQL, as many as the rules allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, select, text, update

from adaptation.engine import rows
from adaptation.engine.database import Database, now
from adaptation.engine.model import Dispatch
from adaptation.engine.rules import ALL, Rules, Started, Waiting, order
from adaptation.engine.schema import QUEUED, client, job, setting, task
from adaptation.engine.states import JobState, TaskState

MOST_RUNNING = "most_running"
"""The limit of a client that is decided here."""
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
        (SELECT MAX(started_at) FROM job AS other
            WHERE other.client = job.client AND other.priority = job.priority) AS served_at
    FROM head JOIN job ON job.id = head.id""")
"""The first queued job of every client and priority: as many steps in the index as there are
pairs, however many jobs wait."""
STARTED = select(job.c.client, job.c.priority).where(job.c.state == JobState.STARTED)
OWN_LIMITS = select(client.c.name, client.c.limits).where(client.c.limits.is_not(None))
IN_TURN = (job.c.state == JobState.QUEUED,)
HERE_AND_NOW = (
    job.c.state.in_([JobState.QUEUED, JobState.SCHEDULED]),
    job.c.after_id.is_(None),
)
"""A job that somebody runs themselves waits for no time, but for the one whose output it takes."""
HELD_SLOTS = select(func.count()).select_from(job).where(job.c.state == JobState.STARTED)
START = (
    update(job)
    .where(job.c.id == bindparam("started_id"))
    .values(
        state=JobState.STARTED,
        started_at=func.coalesce(job.c.started_at, now()),
        queued_at=func.coalesce(job.c.queued_at, now()),
        updated_at=now(),
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
            job_id: start this job if it is queued or scheduled, room or not, and no other:
                somebody runs it here and now on a machine of their own.

        Returns:
            Their ready tasks, marked as sent.
        """
        ready: list[Dispatch] = []
        passed_over: set[int] = set()
        # A transaction for each job: none holds the rows of one while it waits for another's.
        while (started := self._start_next(job_id, passed_over)) is not None:
            ready += started
        return tuple(ready)

    def _start_next(self, job_id: int | None, passed_over: set[int]) -> list[Dispatch] | None:
        """The ready tasks of the next job, which is started; None: there is none to be started."""
        with self.database.read() as connection:
            if not _may_start(connection, job_id):
                return None
        with self.database.write() as connection:
            self.database.lock(connection, LOCK)
            if job_id is not None:
                return _start(connection, job_id, HERE_AND_NOW)
            rules = _rules(connection)
            started = [Started(*row) for row in connection.execute(STARTED)]
            while chosen := _choose(connection, started, rules, passed_over):
                dispatches = _start(connection, chosen.job_id, IN_TURN)
                if dispatches is not None:
                    return dispatches
                # Somebody holds it just now: it is left to the next look.
                passed_over.add(chosen.job_id)
            return None


def _may_start(connection: Connection, job_id: int | None) -> bool:
    """Whether it is worth while to decide: something is queued, and a slot is free."""
    if job_id is not None:
        startable = select(job.c.id).where(job.c.id == job_id, *HERE_AND_NOW)
        return connection.execute(startable).first() is not None
    if connection.execute(select(job.c.id).where(text(QUEUED)).limit(1)).first() is None:
        return False
    rules = _rules(connection)
    if rules.queue_paused:
        return False
    return int(connection.execute(HELD_SLOTS).scalar_one()) < rules.max_jobs


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
    for waiting in order(found, started, rules, now_ms, _most_running(connection)):
        if waiting.job_id not in passed_over:
            return waiting
    return None


def _most_running(connection: Connection) -> dict[str, int]:
    """How many jobs may be started of each client that has a limit of its own."""
    return {
        row.name: ALL if row.limits[MOST_RUNNING] is None else row.limits[MOST_RUNNING]
        for row in connection.execute(OWN_LIMITS)
        if MOST_RUNNING in row.limits
    }


def _start(
    connection: Connection, job_id: int, allowed: Sequence[ColumnElement[bool]]
) -> list[Dispatch] | None:
    """The ready tasks of the job that is started; None: it may not be, or somebody holds it."""
    free = (
        select(job.c.id)
        .where(job.c.id == job_id, *allowed)
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
