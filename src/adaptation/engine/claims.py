"""Claims in SQL: a ready task becomes one worker's, under the next generation."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from adaptation.engine.database import Database
from adaptation.engine.model import Claim
from adaptation.engine.statements import CLAIM, INSERT_ATTEMPT, JOB_OF_CLAIM, UPSTREAM, most_urgent


class Claims:
    """How workers come by tasks, each claim one transaction."""

    database: Database

    def claim(
        self, task_id: int, generation: int, worker_id: str, lease_seconds: float
    ) -> Claim | None:
        """Make a ready task ours under the next generation; None if it is not to be had."""
        with self.database.write() as connection:
            return _claim(connection, task_id, generation, worker_id, lease_seconds)

    def claim_next(
        self,
        queues: Sequence[str],
        worker_id: str,
        lease_seconds: float,
        *,
        job_id: int | None = None,
        scratch_free: int | None = None,
    ) -> Claim | None:
        """Make the most urgent ready task of some queues ours; None if there is none.

        A message only says that there is something to do: what is done first is decided here, so
        that no order of messages and no backlog in a broker comes before a job's priority.

        Args:
            queues: their names.
            worker_id: who claims.
            lease_seconds: how long the task is ours without a heartbeat.
            job_id: only this job's tasks.
            scratch_free: bytes; tasks that need more are left to others.
        """
        limits = {"only_job": job_id, "scratch_free": scratch_free}
        limits = {name: value for name, value in limits.items() if value is not None}
        urgent = most_urgent(
            tuple(queues), one_job=job_id is not None, fitting=scratch_free is not None
        )
        with self.database.write() as connection:
            found = connection.execute(urgent, limits).first()
            if found is None:
                return None
            return _claim(connection, found.id, found.generation, worker_id, lease_seconds)


def _claim(
    connection: Connection, task_id: int, generation: int, worker_id: str, lease_seconds: float
) -> Claim | None:
    facts = {
        "claim_id": task_id,
        "claim_generation": generation,
        "claim_worker": worker_id,
        "lease_ms": int(lease_seconds * 1000),
    }
    row = connection.execute(CLAIM, facts).one_or_none()
    if row is None:
        return None
    owner = connection.execute(JOB_OF_CLAIM, {"job_id": row.job_id}).one()
    connection.execute(
        INSERT_ATTEMPT,
        {"task_id": task_id, "generation": generation + 1, "worker_id": worker_id},
    )
    results = list(connection.execute(UPSTREAM, {"claim_id": task_id}).scalars())
    payload = results if row.joins else (results[0] if results else owner.context)
    return Claim(
        task_id=task_id,
        generation=generation + 1,
        job_id=row.job_id,
        run_no=row.run_no,
        main_task_id=owner.main_task_id,
        workflow=owner.workflow,
        key=row.key,
        name=row.name,
        params=row.params,
        attempt=row.attempt,
        payload=payload,
        scratch_bytes=row.scratch_bytes,
    )
