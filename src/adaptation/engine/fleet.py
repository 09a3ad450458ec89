"""Who works in the fleet, in SQL: workers sign on and off, one leads, the lost are buried."""

from __future__ import annotations

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from adaptation.engine import messages
from adaptation.engine.database import Database, now
from adaptation.engine.losses import lose
from adaptation.engine.model import Process
from adaptation.engine.schema import leader, task, worker
from adaptation.engine.states import TaskState

EXPIRY_BATCH = 500


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
            connection.execute(delete(leader).where(leader.c.holder == worker_id))
            connection.execute(delete(worker).where(worker.c.id == worker_id))
        return lost

    def sign_on(self, process: Process) -> None:
        """Make a worker known."""
        with self.database.write() as connection:
            connection.execute(delete(worker).where(worker.c.id == process.worker_id))
            connection.execute(
                insert(worker).values(
                    id=process.worker_id,
                    host=process.host,
                    pid=process.pid,
                    process_started_at=process.started_at_ms,
                    slots=process.slots,
                    queues=list(process.queues),
                    facts=process.facts,
                    scratch_free=process.scratch_free,
                    job_id=process.job_id,
                    heartbeat_at=now(),
                )
            )

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

    def processes(self, host: str | None = None) -> list[Process]:
        """The workers that signed on and have not signed off."""
        statement = select(worker) if host is None else select(worker).where(worker.c.host == host)
        with self.database.read() as connection:
            return [
                Process(
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
                )
                for row in connection.execute(statement)
            ]
