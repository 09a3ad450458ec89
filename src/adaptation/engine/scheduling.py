"""Jobs that wait for a time, for an address, or for another job, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    exists,
    insert,
    or_,
    select,
    text,
    type_coerce,
    update,
)
from sqlalchemy.exc import IntegrityError

from adaptation.adapters.masking import masked, redacted
from adaptation.engine import rows
from adaptation.engine.database import Database, now
from adaptation.engine.schema import DUE, job, log, schedule, setting
from adaptation.engine.schema import client as owner
from adaptation.engine.setting import KNOWN
from adaptation.engine.states import JobState
from adaptation.errors import ParameterError

QUEUE_SCHEDULED_JOBS = "queue_scheduled_jobs"
"""The one schedule there is: it lets scheduled jobs into the queue."""
INTERVAL = "schedule_interval"
BATCH = 500
"""Jobs queued in one transaction."""
MOST_SEMAPHORES = 10_000
"""Addresses asked in one turn."""

PASSED = or_(job.c.run_at.is_(None), job.c.run_at <= now())
ACTIVE = ~exists().where(schedule.c.name == QUEUE_SCHEDULED_JOBS, schedule.c.active.is_(False))


@dataclass(frozen=True)
class Schedule:
    """Something that is done again and again."""

    name: str
    active: bool
    every_seconds: float
    ran_at: datetime | None
    """When it was done last."""
    due_in_seconds: float
    """Until it may be done again, by the database's clock; 0: at once, where there is a need."""


class Scheduling:
    """How scheduled jobs come into the queue."""

    database: Database

    def queue_due(self) -> int:
        """Queue the jobs whose time has come and that wait for nothing else; returns how many."""
        due = due_jobs()
        with self.database.read() as connection:
            if connection.execute(due.limit(1)).first() is None:
                return 0
        with self.database.write() as connection:
            free = due.limit(BATCH).with_for_update(of=job, key_share=True, skip_locked=True)
            found = list(connection.execute(free).scalars())
            return _queue(connection, found, job.c.id.in_(found), "queued: its time has come")

    def semaphores(self) -> list[str]:
        """The addresses that jobs wait for whose time has come, if it is time to ask them."""
        waiting = (
            select(job.c.semaphore_url)
            .where(
                job.c.state == JobState.SCHEDULED,
                job.c.semaphore_url.is_not(None),
                job.c.after_id.is_(None),
                PASSED,
            )
            .distinct()
            .limit(MOST_SEMAPHORES)
        )
        with self.database.read() as connection:
            urls = [str(url) for url in connection.execute(waiting).scalars()]
        if not urls:
            return []
        with self.database.write() as connection:
            return urls if _takes_its_turn(connection) else []

    def _waits_for(self, url: str) -> ColumnElement[bool]:
        """Whether a job waits for an address, which may be sealed in its row, with any key."""
        forms = self.database.sealing.forms(url, "semaphore_url")
        return type_coerce(job.c.semaphore_url, Text).in_(forms)

    def semaphore_clients(self, url: str) -> dict[str, dict[str, Any]]:
        """The clients whose jobs wait for this address, with limits of their own."""
        waiting = (
            select(job.c.client, owner.c.limits)
            .select_from(job.outerjoin(owner, owner.c.name == job.c.client))
            .where(job.c.state == JobState.SCHEDULED, self._waits_for(url))
        )
        with self.database.read() as connection:
            return {row.client: row.limits or {} for row in connection.execute(waiting)}

    def pass_semaphore(self, url: str, client: str | None = None) -> int:
        """Queue the jobs that waited for this address, which has answered well.

        Args:
            url: the address.
            client: whose jobs alone; None: everybody's.
        """
        waiting = (
            job.c.state == JobState.SCHEDULED,
            self._waits_for(url),
            job.c.after_id.is_(None),
            PASSED,
            ACTIVE,
            *([] if client is None else [job.c.client == client]),
        )
        with self.database.write() as connection:
            found = rows.unlocked(connection, job.c.id, *waiting)
            line = f"queued: {masked(url)} has answered"
            return _queue(connection, found, job.c.id.in_(found), line)

    def doubt_semaphore(self, url: str, client: str, why: str) -> None:
        """Say once, in the logs of a client's jobs that wait for it, why a URL is not asked."""
        line = redacted(f"semaphore_url is waited for, and cannot be asked: {why}")
        told = exists().where(log.c.job_id == job.c.id, log.c.message == line)
        mine = job.c.client == client, self._waits_for(url)
        waiting = job.c.state == JobState.SCHEDULED, *mine, ~told
        with self.database.write() as connection:
            for job_id in connection.execute(select(job.c.id).where(*waiting)).scalars().all():
                rows.insert_lines(connection, job_id, 0, [(30, line)], progname="scheduler")

    def schedules(self) -> list[Schedule]:
        """All there are."""
        with self.database.read() as connection:
            row = connection.execute(
                select(schedule, now().label("now_ms")).where(
                    schedule.c.name == QUEUE_SCHEDULED_JOBS
                )
            ).one_or_none()
            every = _interval(connection)
        if row is None or row.ran_at is None:
            is_active = row is None or row.active
            return [Schedule(QUEUE_SCHEDULED_JOBS, is_active, every, None, 0.0)]
        ran_at = datetime.fromtimestamp(row.ran_at / 1000, UTC)
        # Not `due_at`: the interval may have been set anew since.
        left = max(0.0, (row.ran_at - row.now_ms) / 1000 + every)
        return [Schedule(QUEUE_SCHEDULED_JOBS, row.active, every, ran_at, left)]

    def set_schedule(self, name: str, *, active: bool) -> None:
        """Let a schedule rest, or go on.

        Raises:
            ParameterError: `schedule_unknown`.
        """
        self._change_schedule(name, active=active)

    def look_soon(self, name: str) -> None:
        """Let a schedule do at once what it would do when its interval has passed.

        Raises:
            ParameterError: `schedule_unknown`.
        """
        self._change_schedule(name, ran_at=None, due_at=now())

    def _change_schedule(self, name: str, **values: Any) -> None:
        if name != QUEUE_SCHEDULED_JOBS:
            raise ParameterError(
                f"no schedule is called {name!r}",
                code="schedule_unknown",
                hint=f"There is: {QUEUE_SCHEDULED_JOBS}.",
            )
        with self.database.write() as connection:
            _know(connection)
            connection.execute(update(schedule).where(schedule.c.name == name).values(**values))


def due_jobs() -> Select[int]:
    """The ids of jobs that waited for a time alone, which has come."""
    return select(job.c.id).where(text(DUE), PASSED, ACTIVE).order_by(job.c.run_at, job.c.id)


def tell_when(connection: Connection, job_id: int, run_at: datetime | int | None) -> None:
    """Say in a job's log when it will run."""
    if run_at is None:
        return
    if isinstance(run_at, int):
        run_at = datetime.fromtimestamp(run_at / 1000, UTC)
    moment = run_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = f'Job will run at: "{moment}"'
    rows.insert_lines(connection, job_id, 0, [(20, line)], progname="scheduler")


def _queue(
    connection: Connection, found: Sequence[int], which: ColumnElement[bool], line: str
) -> int:
    if not found:
        return 0
    changed = update(job).where(which, job.c.state == JobState.SCHEDULED)
    connection.execute(
        changed.values(state=JobState.QUEUED, semaphore_url=None, queued_at=now(), updated_at=now())
    )
    for job_id in found:
        rows.insert_lines(connection, job_id, 0, [(20, line)], progname="scheduler")
    return len(found)


def _takes_its_turn(connection: Connection) -> bool:
    """Whether the interval has passed since anybody asked; then the next one waits for another."""
    _know(connection)
    every_ms = int(_interval(connection) * 1000)
    turn = schedule.c.ran_at.is_(None), schedule.c.ran_at <= now() - every_ms
    taken = (
        update(schedule)
        .where(schedule.c.name == QUEUE_SCHEDULED_JOBS, schedule.c.active, or_(*turn))
        .values(ran_at=now(), due_at=now() + every_ms)
    )
    return connection.execute(taken).rowcount == 1


def _know(connection: Connection) -> None:
    name = schedule.c.name == QUEUE_SCHEDULED_JOBS
    if connection.execute(select(schedule.c.name).where(name)).first():
        return
    first = {"name": QUEUE_SCHEDULED_JOBS, "active": True, "due_at": now()}
    try:
        with connection.begin_nested():
            connection.execute(insert(schedule).values(first))
    except IntegrityError:
        return  # another has just made it


def _interval(connection: Connection) -> float:
    found = connection.execute(select(setting.c.value).where(setting.c.name == INTERVAL)).scalar()
    return float(KNOWN[INTERVAL].default if found is None else found)
