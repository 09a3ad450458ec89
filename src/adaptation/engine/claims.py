"""Claims in SQL: a ready task becomes one worker's, under the next generation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Select

from adaptation.engine import at_once, callbacks
from adaptation.engine.abilities import as_given
from adaptation.engine.database import Database
from adaptation.engine.model import Claim
from adaptation.engine.rows import AnyRow
from adaptation.engine.statements import (
    FACTS_OF_CLAIM,
    INSERT_ATTEMPT,
    THIS_ONE,
    becoming_ours,
    most_urgent,
)


class Claims:
    """How workers come by tasks, each claim one transaction."""

    database: Database

    def claim(
        self, task_id: int, generation: int, worker_id: str, lease_seconds: float
    ) -> Claim | None:
        """Make a ready task ours under the next generation; None if it is not to be had."""
        which = {"claim_id": task_id, "claim_generation": generation}
        return self._take(THIS_ONE, which, worker_id, lease_seconds)

    def claim_next(  # noqa: PLR0913 - each limits what is taken
        self,
        queues: Sequence[str],
        worker_id: str,
        lease_seconds: float,
        *,
        job_id: int | None = None,
        scratch_free: int | None = None,
        abilities: Collection[str] | None = None,
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
            abilities: what the worker can do, other tasks are left to others; None: everything.
        """
        can_do = None if abilities is None else as_given(abilities)
        limits: dict[str, Any] = {
            "only_job": job_id,
            "scratch_free": scratch_free,
            "can_do": can_do,
        }
        limits = {name: value for name, value in limits.items() if value is not None}
        kind = {
            "one_job": job_id is not None,
            "fitting": scratch_free is not None,
            "choosy": can_do is not None,
        }
        if self.database.is_sqlite:
            turn = most_urgent(tuple(queues), **kind)
        else:
            turn = at_once.most_urgent(**kind)
            limits["claim_queues"] = list(queues)
        return self._take(turn, limits, worker_id, lease_seconds)

    def _take(
        self, turn: Select[int], which: dict[str, Any], worker_id: str, lease_seconds: float
    ) -> Claim | None:
        ours = {"claim_worker": worker_id, "lease_ms": int(lease_seconds * 1000)}
        if not self.database.is_sqlite:
            found = at_once.claim(self.database, turn, which | ours)
            if not found:
                return None
            if found[0].id is not None:
                return _claim_of(found[0], found)
        with self.database.write() as connection:
            return _claim(connection, turn, which | ours)


def _claim(connection: Connection, turn: Select[int], given: dict[str, Any]) -> Claim | None:
    row = connection.execute(becoming_ours(turn), given).one_or_none()
    if row is None:
        return None
    begun = {"task_id": row.id, "generation": row.generation, "worker_id": given["claim_worker"]}
    connection.execute(INSERT_ATTEMPT, begun)
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
    return _claim_of(row, facts)


def _claim_of(row: AnyRow, facts: Sequence[AnyRow]) -> Claim:
    """A claim of the task in `row`, which receives the results in `facts`."""
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
