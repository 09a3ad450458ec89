"""Claims in SQL: a ready task becomes one worker's, under the next generation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.sql.dml import ReturningUpdate

from adaptation.engine import callbacks
from adaptation.engine.database import Database
from adaptation.engine.model import Claim
from adaptation.engine.statements import CLAIM, FACTS_OF_CLAIM, INSERT_ATTEMPT, claim_most_urgent


class Claims:
    """How workers come by tasks, each claim one transaction."""

    database: Database

    def claim(
        self, task_id: int, generation: int, worker_id: str, lease_seconds: float
    ) -> Claim | None:
        """Make a ready task ours under the next generation; None if it is not to be had."""
        which = {"claim_id": task_id, "claim_generation": generation}
        with self.database.write() as connection:
            return _claim(connection, CLAIM, which, worker_id, lease_seconds)

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
        urgent = claim_most_urgent(
            tuple(queues), one_job=job_id is not None, fitting=scratch_free is not None
        )
        with self.database.write() as connection:
            return _claim(connection, urgent, limits, worker_id, lease_seconds)


def _claim(
    connection: Connection,
    statement: ReturningUpdate[Any],
    which: dict[str, Any],
    worker_id: str,
    lease_seconds: float,
) -> Claim | None:
    ours = {"claim_worker": worker_id, "lease_ms": int(lease_seconds * 1000)}
    row = connection.execute(statement, which | ours).one_or_none()
    if row is None:
        return None
    connection.execute(
        INSERT_ATTEMPT,
        {"task_id": row.id, "generation": row.generation, "worker_id": worker_id},
    )
    asked = {"claim_id": row.id, "job_id": row.job_id}
    facts = connection.execute(FACTS_OF_CLAIM, asked).all()
    callbacks.tell_of_task(
        connection,
        facts[0],
        callbacks.START,
        job_id=row.job_id,
        task_id=row.id,
        run_no=row.run_no,
        name=row.name,
    )
    results = [fact.result for fact in facts if fact.position is not None]
    payload = results if row.joins else (results[0] if results else facts[0].context)
    return Claim(
        task_id=row.id,
        generation=row.generation,
        job_id=row.job_id,
        run_no=row.run_no,
        main_task_id=facts[0].main_task_id,
        workflow=facts[0].workflow,
        key=row.key,
        name=row.name,
        params=row.params,
        attempt=row.attempt,
        payload=payload,
        scratch_bytes=row.scratch_bytes,
        limits=(facts[0].limits or {}) if facts[0].client else None,
        trace=facts[0].trace,
    )
