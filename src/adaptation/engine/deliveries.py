"""Callbacks on their way, in SQL: a line for each job and end point, tried until it has ended."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, TextClause, bindparam, delete, func, select, text, update

from adaptation.adapters.masking import masked, redacted
from adaptation.engine import rows, tally
from adaptation.engine.addresses import urls_of
from adaptation.engine.callbacks import DEAD, DELIVERED, DISABLED, DROPPED, ENDS, PENDING
from adaptation.engine.control import StateForbids
from adaptation.engine.database import Database, now
from adaptation.engine.endpoints import close
from adaptation.engine.reads import time_of, time_or_none
from adaptation.engine.schema import HELD, UNDELIVERED, delivery, endpoint
from adaptation.engine.under_way import UnderWay
from adaptation.errors import ParameterError

MOST_URLS = 1_000
"""End points that are looked at in one turn."""
WINDOW = 64
"""Due callbacks of one end point that are looked at in one turn."""
ANSWER_LETTERS = 1_000
"""As much of an answer is stored."""
_before = delivery.alias("before")
FIRST = (
    select(func.min(_before.c.id))
    .where(
        text("before.state = 'pending'"),
        _before.c.job_id == delivery.c.job_id,
        _before.c.url == delivery.c.url,
    )
    .correlate(delivery)
    .scalar_subquery()
)
_first = delivery.alias("first")
DUE_OF_FIRST = select(_first.c.due_at).where(_first.c.id == FIRST).scalar_subquery()
DUE = (
    select(delivery, FIRST.label("first"))
    .where(
        text("delivery.state = 'pending'"),
        delivery.c.url == bindparam("due_url"),
        delivery.c.due_at <= now(),
    )
    .order_by(delivery.c.due_at, delivery.c.id)
    .limit(WINDOW)
    .with_for_update(of=delivery, skip_locked=True)
)
DUE_OF_JOB = DUE.where(delivery.c.job_id == bindparam("only_job"))
HELD_JOBS = select(delivery.c.job_id).where(
    text(HELD), delivery.c.url == bindparam("held_url"), delivery.c.due_at > now()
)
WRITE = (
    update(delivery).where(delivery.c.id == bindparam("written_id")).values(body=bindparam("body"))
)


def due_urls(most: int) -> TextClause:
    """The end points for which something is due: one step in the index for each.

    Args:
        most: as many, after the address `after` in alphabetical order.
    """
    return text(f"""
    WITH RECURSIVE known(url) AS (
        SELECT MIN(url) FROM delivery WHERE {UNDELIVERED} AND url > :after
        UNION ALL
        SELECT (SELECT MIN(url) FROM delivery WHERE {UNDELIVERED} AND url > known.url)
        FROM known WHERE known.url IS NOT NULL
    )
    SELECT url FROM known WHERE url IS NOT NULL AND EXISTS (
        SELECT 1 FROM delivery WHERE {UNDELIVERED} AND url = known.url AND due_at <= :moment
    ) LIMIT {most}""")  # noqa: S608 - our own words


DUE_URLS = due_urls(MOST_URLS)


@dataclass(frozen=True)
class Delivery:
    """A callback to one end point."""

    id: int
    job_id: int
    task_id: int
    """0: it tells of the job itself."""
    client: str
    url: str
    """What the address is called; the address itself, if there is no secret in it."""
    target: str
    """The address."""
    event: str
    """start, complete or fail of a task, or job."""
    identity: str
    """The same at every try, so that a receiver knows a repeat."""
    facts: dict[str, Any]
    """What the transition knew: `message`, and `task_name` or `status`."""
    body: str | None
    """As it is sent, at every try; None before the first."""
    state: str
    """pending, delivered, dead (given up) or dropped (the end point wants none)."""
    attempt: int
    """Tries, with the one under way."""
    due_at: datetime
    """Of the next try, or of the end of the one under way at the latest."""
    status: int | None
    """HTTP status of the last answer."""
    answer: str | None
    """How the last answer begins, or what went wrong."""
    created_at: datetime
    tried_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True)
class Verdict:
    """What has come of a try."""

    state: str
    """delivered, dead, dropped; or pending: it is tried again."""
    status: int | None = None
    answer: str = ""
    wait_seconds: float = 0.0
    """Until the next try."""
    is_charged: bool = True
    """Whether it counts as a try."""


class Deliveries:
    """How callbacks are taken, settled, looked at and sent again."""

    database: Database
    _looked_up_to: str = ""
    """The address up to which the last look came, if there were too many for one."""

    def claim_deliveries(  # noqa: PLR0913 - each limits what is taken
        self,
        limit: int,
        per_url: int,
        lease_seconds: float,
        *,
        per_origin: int | None = None,
        busy: Mapping[str, int] | None = None,
        job_id: int | None = None,
        worker_id: str | None = None,
    ) -> list[Delivery]:
        """Take what is due: of each job and end point only what comes first.

        What is taken and not settled is due again when the lease is over.

        Args:
            limit: as many at most.
            per_url: as many of one end point at most, with those that are under way.
            lease_seconds: how long they are ours.
            per_origin: as many of one scheme, host and port at most, however many addresses it
                has; None: any number.
            busy: under way here already, by end point.
            job_id: only this job's.
            worker_id: who takes them; what it had is due at once when it is buried.
        """
        room = UnderWay(limit, per_url, limit if per_origin is None else per_origin, busy or {})
        urls = self._due_urls(room)
        if not urls:
            return []
        heads: list[Row[Any]] = []
        waiting: list[int] = []
        with self.database.write() as connection:
            for url in urls:
                free = room.of(url)
                seen = _due(connection, url, job_id) if free > 0 else []
                held = _held_jobs(connection, url) if seen else set()
                first = [row for row in seen if row.first == row.id and row.job_id not in held]
                heads += first[:free]
                room.take(url, len(first[:free]))
                waiting += [row.id for row in seen if row.first != row.id]
            taken = update(delivery).where(delivery.c.id.in_([row.id for row in heads]))
            lease_ms = int(lease_seconds * 1000)
            connection.execute(
                taken.values(
                    attempt=delivery.c.attempt + 1, due_at=now() + lease_ms, worker_id=worker_id
                )
            )
            # Those that wait for another are due with it, so that they are not looked at before.
            behind = update(delivery).where(delivery.c.id.in_(waiting))
            connection.execute(behind.values(due_at=DUE_OF_FIRST))
            called = urls_of(connection, {row.job_id for row in heads if "#" in row.url})
        return [_delivery(row, row.attempt + 1, called.get((row.job_id, row.url))) for row in heads]

    def _due_urls(self, room: UnderWay) -> list[str]:
        """Addresses for which something is due and there is room, in no order.

        More may be due than one turn can take: then it is not always the same that wait.
        """
        with self.database.read() as connection:
            moment = connection.execute(select(now())).scalar_one()
            asked = {"moment": moment, "after": self._looked_up_to}
            urls = list(connection.execute(DUE_URLS, asked).scalars())
        self._looked_up_to = urls[-1] if len(urls) == MOST_URLS else ""
        urls = [url for url in urls if room.of(url) > 0]
        random.shuffle(urls)
        return urls

    def keep_bodies(self, bodies: Mapping[int, str]) -> None:
        """Store what is sent, by the callbacks' ids, before it is sent for the first time."""
        if bodies:
            rows_of = [{"written_id": one, "body": body} for one, body in bodies.items()]
            with self.database.write() as connection:
                connection.execute(WRITE, rows_of)

    def warn(self, job_id: int, message: str) -> None:
        """Add a warning of callbacks to a job's log."""
        with self.database.write() as connection:
            rows.insert_lines(connection, job_id, 0, [(30, message)], "callback")

    def settle_deliveries(self, tried: Iterable[tuple[Delivery, Verdict]]) -> int:
        """Note what has come of some tries; returns how many of them still counted.

        The next of the same line becomes due when one has an end.
        """
        settled = 0
        ends = Counter[str]()
        ended = sorted(tried, key=lambda pair: pair[0].id)
        with self.database.write() as connection:
            if any(verdict.state == DROPPED for _, verdict in ended):
                # Two that hear the same at the same time would store it twice.
                self.database.lock(connection, endpoint.name)
            for one, verdict in ended:
                settled += _settle(connection, one, verdict, ends)
            tally.count_callbacks(connection, {state: ends[state] for state in ENDS})
        return settled

    def deliveries(self, job_id: int) -> list[Delivery]:
        """A job's callbacks, oldest first."""
        statement = select(delivery).where(delivery.c.job_id == job_id).order_by(delivery.c.id)
        with self.database.read() as connection:
            return [_delivery(row) for row in connection.execute(statement)]

    def redeliver(self, job_id: int, delivery_id: int) -> None:
        """Send a callback again, now, with the same identity and body.

        An end point that had said that it wants none gets some again.

        Raises:
            ParameterError: `delivery_unknown`.
            StateForbids: it is still being delivered.
        """
        same = delivery.c.id == delivery_id, delivery.c.job_id == job_id
        with self.database.write() as connection:
            row = connection.execute(select(delivery).where(*same).with_for_update()).one_or_none()
            if row is None:
                raise ParameterError(
                    f"job {job_id} has no callback {delivery_id}",
                    code="delivery_unknown",
                    hint=f"`adaptation callbacks {job_id}` lists them.",
                )
            if row.state == PENDING:
                raise StateForbids(
                    f"callback {delivery_id} is still being delivered",
                    hint="It is tried again by itself; `due_at` says when.",
                )
            wanted = endpoint.c.client == row.client, endpoint.c.url == row.url
            connection.execute(delete(endpoint).where(*wanted))
            afresh = {"state": PENDING, "attempt": 0, "due_at": now(), "finished_at": None}
            connection.execute(update(delivery).where(*same).values(afresh))

    def delivery_counts(self) -> dict[str, int]:
        """How many callbacks wait, as `pending`, and how often any came to each end."""
        waiting = select(func.count()).select_from(delivery).where(text(UNDELIVERED))
        with self.database.read() as connection:
            _, ever = tally.sums(connection)
            pending = int(connection.execute(waiting).scalar_one())
        return {PENDING: pending, **{state: ever.get(state, 0) for state in ENDS}}


def let_go(connection: Connection, worker_id: str) -> None:
    """Let what a dead worker was trying be due at once."""
    held = update(delivery).where(text(HELD), delivery.c.worker_id == worker_id)
    connection.execute(held.values(due_at=now(), worker_id=None))


def _settle(connection: Connection, tried: Delivery, verdict: Verdict, ends: Counter[str]) -> bool:
    ours = (
        delivery.c.id == tried.id,
        delivery.c.attempt == tried.attempt,
        delivery.c.state == PENDING,
    )
    changed = update(delivery).where(*ours).values(_outcome(tried, verdict))
    if connection.execute(changed).rowcount == 0:
        return False
    ends[verdict.state] += 1
    if verdict.state == DROPPED:
        gone = tried.client, tried.url, redacted(verdict.answer)
        ends[DROPPED] += close(connection, *gone, but_not_in=tried.job_id)
    if verdict.state != PENDING:
        _let_next_go(connection, tried)
    if line := _line(tried, verdict):
        rows.insert_lines(connection, tried.job_id, tried.task_id, [line], "callback")
    return True


def _outcome(tried: Delivery, verdict: Verdict) -> dict[str, Any]:
    if not verdict.is_charged:
        return {"due_at": now(), "attempt": tried.attempt - 1, "worker_id": None}
    values: dict[str, Any] = {
        "state": verdict.state,
        "status": verdict.status,
        "answer": redacted(verdict.answer)[:ANSWER_LETTERS],
        "tried_at": now(),
        "worker_id": None,
    }
    if verdict.state == PENDING:
        return {**values, "due_at": now() + int(verdict.wait_seconds * 1000)}
    return {**values, "finished_at": now()}


def _due(connection: Connection, url: str, job_id: int | None) -> Sequence[Row[Any]]:
    """What is due for an end point, each with the first of its line, held if nobody holds it."""
    if job_id is None:
        return connection.execute(DUE, {"due_url": url}).all()
    return connection.execute(DUE_OF_JOB, {"due_url": url, "only_job": job_id}).all()


def _held_jobs(connection: Connection, url: str) -> set[int]:
    """The jobs of which something is just being sent to an end point.

    What comes first may have been stored later, by a transaction that began before.
    """
    return set(connection.execute(HELD_JOBS, {"held_url": url}).scalars())


def _let_next_go(connection: Connection, ended: Delivery) -> None:
    line = (
        text(UNDELIVERED),
        delivery.c.job_id == ended.job_id,
        delivery.c.url == ended.url,
    )
    following = connection.execute(select(func.min(delivery.c.id)).where(*line)).scalar()
    if following is not None:
        connection.execute(update(delivery).where(delivery.c.id == following).values(due_at=now()))


def _line(tried: Delivery, verdict: Verdict) -> tuple[int, str] | None:
    """What the job's log says of a try; nothing of one that went well or was not made."""
    if verdict.state == DELIVERED or not verdict.is_charged:
        return None
    what = f"callback {tried.event} to {masked(tried.url)}: {verdict.answer[:200]}"
    if verdict.state == PENDING:
        return (30 if tried.attempt == 1 else 10), f"{what}; next try in {verdict.wait_seconds:g} s"
    last = {DEAD: f"given up after {tried.attempt} tries", DROPPED: DISABLED}
    return 30, f"{what}; {last[verdict.state]}"


def _delivery(row: Row[Any], attempt: int | None = None, target: str | None = None) -> Delivery:
    return Delivery(
        id=row.id,
        job_id=row.job_id,
        task_id=row.task_id,
        client=row.client,
        url=row.url,
        target=target or row.url,
        event=row.event,
        identity=row.identity,
        facts=row.facts,
        body=row.body,
        state=row.state,
        attempt=row.attempt if attempt is None else attempt,
        due_at=time_of(row.due_at),
        status=row.status,
        answer=row.answer,
        created_at=time_of(row.created_at),
        tried_at=time_or_none(row.tried_at),
        finished_at=time_or_none(row.finished_at),
    )
