"""What is told to a job's end points, stored in the transaction of what it tells of, in SQL."""

from __future__ import annotations

from typing import Any, Protocol

from sqlalchemy import Connection, Row, insert, select

from adaptation.engine import tally
from adaptation.engine.addresses import Stored, names_of
from adaptation.engine.database import now
from adaptation.engine.schema import delivery, endpoint

START, COMPLETE, FAIL, JOB = "start", "complete", "fail", "job"
PENDING, DELIVERED, DEAD, DROPPED = "pending", "delivered", "dead", "dropped"
ENDS = (DELIVERED, DEAD, DROPPED)
CANCELLED = "the job was cancelled"
DISABLED = "this end point wants no callbacks any more"
INSERT_DELIVERY = insert(delivery).values(created_at=now(), due_at=now())


class Told(Protocol):
    """A row that knows who is told of a job."""

    @property
    def endpoints(self) -> list[Stored] | None:
        """The addresses; None: nobody."""

    @property
    def client(self) -> str:
        """Whose the job is."""


class Ended(Told, Protocol):
    """A row of a job whose run has ended."""

    @property
    def run_no(self) -> int:
        """Which run it was."""


def tell_of_task(  # noqa: PLR0913 - one row's worth of facts
    connection: Connection,
    owner: Told,
    event: str,
    *,
    job_id: int,
    task_id: int,
    run_no: int,
    name: str,
    message: str = "",
) -> None:
    """Store that a task has started or ended, once for each run of its job.

    Whoever tells holds the row of the task, so that nobody else tells the same meanwhile.
    """
    if not owner.endpoints:
        return
    identity = f"{job_id}-{task_id}-{run_no}-{event}"
    known = delivery.c.job_id == job_id, delivery.c.identity == identity
    if event == START and connection.execute(select(delivery.c.id).where(*known).limit(1)).first():
        return  # a second attempt is no second start
    facts = {"task_name": name, "message": message}
    _insert(connection, owner, event, identity, facts, job_id=job_id, task_id=task_id)


def tell_of_job(
    connection: Connection, ended: Ended, job_id: int, *, status: str, message: str
) -> None:
    """Store that a job's run has ended; a second time fails, as its identity is unique."""
    if ended.endpoints:
        facts = {"status": status, "message": message}
        identity = f"{job_id}-{ended.run_no}-job"
        _insert(connection, ended, JOB, identity, facts, job_id=job_id, task_id=0)


def why_stopped(owner: Row[Any]) -> str:
    """What is said of a task that was stopped for good."""
    return CANCELLED if owner.cancelling else "another task of the job has failed"


def _insert(  # noqa: PLR0913 - one row's worth of facts
    connection: Connection,
    owner: Told,
    event: str,
    identity: str,
    facts: dict[str, Any],
    *,
    job_id: int,
    task_id: int,
) -> None:
    urls = list(dict.fromkeys(names_of(owner.endpoints)))
    asked = select(endpoint.c.url).where(
        endpoint.c.client == owner.client, endpoint.c.url.in_(urls)
    )
    disabled = set(connection.execute(asked).scalars())
    same = {
        "job_id": job_id,
        "task_id": task_id,
        "client": owner.client,
        "event": event,
        "identity": identity,
        "facts": facts,
        "attempt": 0,
    }
    rows = [
        {
            **same,
            "url": url,
            "state": DROPPED if url in disabled else PENDING,
            "answer": DISABLED if url in disabled else None,
        }
        for url in urls
    ]
    connection.execute(INSERT_DELIVERY, rows)
    tally.count_callbacks(connection, {DROPPED: len(disabled)})
