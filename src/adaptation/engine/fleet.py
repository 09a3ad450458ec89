"""Who works in the fleet, in SQL: workers sign on and off, one leads, the lost are buried."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, not_, or_, select, text, update
from sqlalchemy.exc import IntegrityError

from adaptation.engine import deliveries, messages, rows
from adaptation.engine.abilities import (
    ABILITIES,
    MET,
    TOLD_BY,
    WAITS_FOR,
    as_given,
    lacking,
    sentence,
)
from adaptation.engine.database import Database, now
from adaptation.engine.losses import lose
from adaptation.engine.model import Member, Process, Running
from adaptation.engine.room import MOST_TOLD, SCRATCH_NEEDED, Need, Room, most_room
from adaptation.engine.schema import CLAIMABLE, job, leader, log, task, worker
from adaptation.engine.states import JobState, TaskState, Wish

EXPIRY_BATCH = 500
WAITING = "scratch"
"""Who says in a job's log that it waits for scratch."""


class Fleet:
    """Workers and their leases, each change one transaction."""

    database: Database

    def expire(self, job_id: int | None = None) -> int:
        """Take back tasks whose lease has run out; returns how many."""
        expired = select(task.c.id, task.c.generation).where(
            task.c.state == TaskState.RUNNING, task.c.lease_until < now()
        )
        if job_id is not None:
            expired = expired.where(task.c.job_id == job_id)
        with self.database.read() as connection:
            found = connection.execute(expired.limit(EXPIRY_BATCH)).all()
        return sum(
            lose(self.database, row.id, row.generation, "its lease ran out") for row in found
        )

    def bury(self, worker_id: str) -> int:
        """Take back all tasks of a worker that is known to be dead, and forget the worker."""
        with self.database.read() as connection:
            found = connection.execute(
                select(task.c.id, task.c.generation).where(
                    task.c.state == TaskState.RUNNING, task.c.worker_id == worker_id
                )
            ).all()
        lost = sum(lose(self.database, row.id, row.generation, "its worker died") for row in found)
        with self.database.write() as connection:
            # What it was sent may have been in its memory: send it again, a double does no harm.
            messages.forget(connection)
            deliveries.let_go(connection, worker_id)
            connection.execute(delete(leader).where(leader.c.holder == worker_id))
            connection.execute(delete(worker).where(worker.c.id == worker_id))
        return lost

    def sign_on(self, process: Process) -> None:
        """Make a worker known."""
        with self.database.write() as connection:
            connection.execute(delete(worker).where(worker.c.id == process.worker_id))
            rows.insert_worker(connection, process)

    def describe(self, worker_id: str, facts: Mapping[str, Any]) -> None:
        """Store what a worker says of its machine."""
        with self.database.write() as connection:
            told = update(worker).where(worker.c.id == worker_id).values(facts=dict(facts))
            connection.execute(told)
            if facts.get(ABILITIES):
                _offer(connection, facts[ABILITIES])

    def drain(self, worker_id: str) -> None:
        """Make known that a worker takes no new tasks."""
        with self.database.write() as connection:
            connection.execute(update(worker).where(worker.c.id == worker_id).values(draining=True))

    def hand_on(self, task_id: int, generation: int) -> None:
        """Let a task be sent again at once: its message came to a worker that takes no more."""
        unclaimed = task.c.id == task_id, task.c.generation == generation
        with self.database.write() as connection:
            free = rows.unlocked(connection, task.c.id, *unclaimed, task.c.state == TaskState.READY)
            connection.execute(update(task).where(task.c.id.in_(free)).values(sent_at=None))

    def may_lead(self, name: str, holder: str) -> bool:
        """Whether `lead` would be granted just now, without trying."""
        other = (
            leader.c.name == name,
            leader.c.holder != holder,
            leader.c.lease_until > now(),
        )
        with self.database.read() as connection:
            return connection.execute(select(leader.c.name).where(*other)).first() is None

    def lead(self, name: str, holder: str, lease_seconds: float) -> bool:
        """Become or stay the one that sweeps; correctness never depends on it."""
        lease = now() + int(lease_seconds * 1000)
        with self.database.write() as connection:
            taken = connection.execute(
                update(leader)
                .where(
                    leader.c.name == name,
                    or_(leader.c.holder == holder, leader.c.lease_until <= now()),
                )
                .values(holder=holder, lease_until=lease)
            ).rowcount
            if taken:
                return True
            if connection.execute(select(leader.c.name).where(leader.c.name == name)).first():
                return False
            taken_first = {"name": name, "holder": holder, "lease_until": lease}
            try:
                with connection.begin_nested():
                    connection.execute(insert(leader).values(taken_first))
            except IntegrityError:
                return False
            return True

    def step_down(self, holder: str) -> None:
        """Give up whatever leadership `holder` has, so that the next one need not wait."""
        with self.database.write() as connection:
            connection.execute(delete(leader).where(leader.c.holder == holder))

    def slots(self, alive_seconds: float) -> int:
        """The slots of all workers that have given a heartbeat lately."""
        alive = worker.c.heartbeat_at > now() - int(alive_seconds * 1000)
        with self.database.read() as connection:
            found = connection.execute(select(func.sum(worker.c.slots)).where(alive))
            return int(found.scalar() or 0)

    def processes(self, host: str | None = None) -> list[Process]:
        """The workers that signed on and have not signed off."""
        statement = select(worker) if host is None else select(worker).where(worker.c.host == host)
        with self.database.read() as connection:
            return [_process(row) for row in connection.execute(statement)]

    def members(self) -> list[Member]:
        """All workers and controllers, with what they run, in the order of their names."""
        heard = (now() - worker.c.heartbeat_at).label("heard_ms")
        held = select(task.c.id, task.c.job_id, task.c.name, task.c.progress, task.c.worker_id)
        with self.database.read() as connection:
            known = connection.execute(select(worker, heard).order_by(worker.c.host, worker.c.pid))
            runs = connection.execute(held.where(task.c.state == TaskState.RUNNING)).all()
            return [
                Member(
                    _process(row),
                    max(0, row.heard_ms) / 1000,
                    tuple(
                        Running(run.id, run.job_id, run.name, run.progress)
                        for run in runs
                        if run.worker_id == row.id
                    ),
                )
                for row in known
            ]

    def silent(self, seconds: float) -> list[str]:
        """Ids of the workers that were not heard for so long."""
        old = worker.c.heartbeat_at < now() - int(seconds * 1000)
        with self.database.read() as connection:
            return list(connection.execute(select(worker.c.id).where(old)).scalars())

    def pass_on(self, task_id: int, generation: int, abilities: Collection[str]) -> None:
        """Let a task be sent again at once: its message came to a worker that cannot do it.

        One that nobody can do waits for the usual time, or for a worker that can.
        """
        unclaimed = (
            task.c.id == task_id,
            task.c.generation == generation,
            task.c.state == TaskState.READY,
            task.c.needs.is_not(None),
            task.c.detail.is_(None),
            not_(MET),
        )
        given = {"can_do": as_given(abilities)}
        with self.database.read(one=True) as connection:
            if connection.execute(select(task.c.id).where(*unclaimed), given).first() is None:
                return
        self.hand_on(task_id, generation)

    def is_idle(self, queues: Sequence[str]) -> bool:
        """Whether nothing in these queues runs, may be claimed, or is only waiting for a moment.

        What belongs to paused jobs does not count: nobody knows when they go on.
        """
        lively = and_(
            task.c.queue.in_(queues),
            or_(
                task.c.state == TaskState.RUNNING,
                and_(task.c.state == TaskState.READY, task.c.held.is_(False)),
            ),
        )
        queued = select(task.c.id).join(job, job.c.id == task.c.job_id)
        soon = queued.where(
            job.c.state == JobState.QUEUED,
            task.c.state == TaskState.READY,
            task.c.queue.in_(queues),
        )
        with self.database.read() as connection:
            return not any(
                connection.execute(statement.limit(1)).first()
                for statement in (select(task.c.id).where(lively), soon)
            )

    def tell_unfit(self, silent_seconds: float) -> int:
        """Find ready tasks that no live worker can do: for want of scratch, or of an ability.

        Each is marked so in its details, and its job's log says so once.

        Returns:
            How many were found for the first time.
        """
        with self.database.read() as connection:
            needs = [_need(row) for row in connection.execute(_needs())]
            rooms = live_rooms(connection, silent_seconds)
        told = 0
        for need in needs:
            if missing := lacking(need, rooms):
                detail: dict[str, Any] = {WAITS_FOR: ", ".join(missing)}
                told += self._tell(need, detail, sentence(need), TOLD_BY)
                continue
            most = most_room(need, rooms)
            if most is not None and most < need.scratch_bytes:
                detail = {SCRATCH_NEEDED: need.scratch_bytes, "most_scratch_bytes": most}
                told += self._tell(need, detail, need.sentence(most), WAITING)
        return told

    def _tell(self, need: Need, detail: Mapping[str, Any], line: str, by: str) -> bool:
        unclaimed = (
            task.c.id == need.task_id,
            task.c.state == TaskState.READY,
            task.c.detail.is_(None),
        )
        with self.database.write() as connection:
            free = rows.unlocked(connection, task.c.id, *unclaimed)
            connection.execute(update(task).where(task.c.id.in_(free)).values(detail=detail))
            told = log.c.job_id == need.job_id, log.c.progname == by
            if free and connection.execute(select(log.c.id).where(*told).limit(1)).first() is None:
                rows.insert_lines(connection, need.job_id, need.task_id, [(30, line)], by)
            return bool(free)


def live_rooms(connection: Connection, silent_seconds: float) -> list[Room]:
    """What each worker that takes tasks has to give.

    Args:
        silent_seconds: one that was not heard for so long does not count.
    """
    return [_room(row) for row in connection.execute(_rooms(silent_seconds))]


def _offer(connection: Connection, abilities: Collection[str]) -> None:
    """Let tasks that wait for somebody who can do this be sent at once."""
    able = (
        select(task.c.id)
        .where(text(CLAIMABLE), task.c.needs.is_not(None), MET)
        .order_by(task.c.id)
        .with_for_update(key_share=True, skip_locked=True)
    )
    found = connection.execute(able, {"can_do": as_given(abilities)}).scalars().all()
    connection.execute(update(task).where(task.c.id.in_(found)).values(detail=None, sent_at=None))


def _process(row: Any) -> Process:
    return Process(
        worker_id=row.id,
        host=row.host,
        pid=row.pid,
        started_at_ms=row.process_started_at,
        slots=row.slots,
        job_id=row.job_id,
        queues=tuple(row.queues),
        facts=row.facts,
        scratch_free=row.scratch_free,
        draining=row.draining,
        wish=Wish(row.wish or Wish.WORK),
        load=row.load or {},
    )


def _need(row: Any) -> Need:
    return Need(row[0], row[1], row[2], row[3], row[4], tuple(row.needs or ()))


def _room(row: Any) -> Room:
    # PostgreSQL sums to a Decimal.
    return Room(row[0], row[1], row[2], int(row[3]), (row.facts or {}).get(ABILITIES))


def _needs() -> Any:
    """Ready tasks that need something and of which nothing was said yet."""
    columns = task.c.id, task.c.job_id, task.c.name, task.c.queue, task.c.scratch_bytes
    return (
        select(*columns, task.c.needs)
        .where(
            task.c.state == TaskState.READY,
            task.c.held.is_(False),
            or_(task.c.scratch_bytes > 0, task.c.needs.is_not(None)),
            task.c.detail.is_(None),
        )
        .order_by(task.c.scratch_bytes.desc())
        .limit(MOST_TOLD)
    )


def _rooms(silent_seconds: float) -> Any:
    """What each live worker serves, has free, and gives to what it runs."""
    runs = and_(task.c.worker_id == worker.c.id, task.c.state == TaskState.RUNNING)
    given = select(func.coalesce(func.sum(task.c.scratch_bytes), 0)).where(runs)
    return select(
        worker.c.queues,
        worker.c.job_id,
        worker.c.scratch_free,
        given.scalar_subquery(),
        worker.c.facts,
    ).where(
        worker.c.slots > 0,
        worker.c.draining.is_(False),
        worker.c.heartbeat_at >= now() - int(silent_seconds * 1000),
    )
