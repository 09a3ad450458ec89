"""Addresses that get no callbacks, or do not take them, in SQL: listed, closed, opened again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, text, update

from adaptation.adapters.masking import HIDDEN, masked
from adaptation.engine import tally
from adaptation.engine.addresses import Addresses
from adaptation.engine.callbacks import DISABLED, DROPPED
from adaptation.engine.database import Database, now
from adaptation.engine.reads import time_of, time_or_none
from adaptation.engine.schema import FAILING, UNDELIVERED, delivery, endpoint, log
from adaptation.errors import ParameterError

OFF, TRIED_IN_VAIN = "disabled", "failing"
BY_HAND = "disabled by hand"
URL_LETTERS = 2_000
MOST_LISTED = 1_000
"""End points of each of the two states in one list."""


@dataclass(frozen=True)
class EndPoint:
    """An address that gets no callbacks, or does not take them."""

    client: str
    """Whose jobs tell it; another client may have the same address."""
    url: str
    state: str
    """disabled: it is sent nothing; failing: what it did not take is tried again."""
    since: datetime
    """When it was disabled, or the oldest callback was stored that it did not take."""
    status: int | None
    """HTTP status of the last answer; None: there was none, or nothing is tried."""
    reason: str
    """Why it is disabled, or how the last answer began."""
    waiting: int
    """Callbacks that wait for it."""
    next_try_at: datetime | None
    """None: nothing is tried."""


class EndPoints(Addresses):
    """What people do about addresses that take no callbacks."""

    database: Database

    def end_points(self, client: str | None = None) -> list[EndPoint]:
        """Those that are disabled or failing, by client and address; the others are not known.

        Args:
            client: only this one's; None: everybody's.
        """
        with self.database.read() as connection:
            failing = connection.execute(_failing(client)).all()
            waiting = _waiting(connection, {row.url for row in failing})
            found = [_failing_one(row, waiting) for row in failing]
            found += [_disabled_one(row) for row in connection.execute(_disabled(client))]
        return sorted(found, key=lambda one: (one.client, one.url))

    def disable_end_point(self, client: str, url: str) -> int:
        """Send an address none of a client's callbacks any more; returns how many were dropped.

        Args:
            client: whose jobs would tell it.
            url: the address, or one that is listed, as it is shown.

        Raises:
            ParameterError: `end_point_unknown`, or `parameter_invalid`.
        """
        name = self.address_name(url)
        with self.database.write() as connection:
            self.database.lock(connection, endpoint.name)
            meant = _meant(connection, client, name)
            if meant is None:
                _check(url)
            dropped = close(connection, client, meant or name, BY_HAND)
            tally.count_callbacks(connection, {DROPPED: dropped})
            return dropped

    def enable_end_point(self, client: str, url: str) -> int:
        """Send callbacks to an address again; returns how many that failed are tried at once.

        What was dropped meanwhile stays so.

        Args:
            client: whose jobs tell it.
            url: one that is disabled or failing, in full or as it is shown.

        Raises:
            ParameterError: `end_point_unknown`.
        """
        name = self.address_name(url)
        with self.database.write() as connection:
            self.database.lock(connection, endpoint.name)
            meant = _meant(connection, client, name)
            if meant is None:
                raise _unknown(client, url)
            connection.execute(delete(endpoint).where(*_place(client, meant)))
            rest = (
                text(FAILING),
                delivery.c.client == client,
                delivery.c.url == meant,
                delivery.c.worker_id.is_(None),
            )
            return connection.execute(update(delivery).where(*rest).values(due_at=now())).rowcount


def close(
    connection: Connection, client: str, url: str, reason: str, *, but_not_in: int = 0
) -> int:
    """Send an address nothing more of a client; returns how many callbacks were dropped.

    The transaction must have locked the end points: two that close one would store it twice.

    Args:
        reason: as it is shown.
        but_not_in: number of a job whose log tells of it anyway.
    """
    connection.execute(delete(endpoint).where(*_place(client, url)))
    facts = {"client": client, "url": url, "disabled_at": now(), "reason": reason}
    connection.execute(insert(endpoint).values(facts))
    waiting = (text(UNDELIVERED), delivery.c.client == client, delivery.c.url == url)
    others = select(delivery.c.job_id).where(*waiting, delivery.c.job_id != but_not_in)
    told = [{"job_id": job_id} for job_id in connection.execute(others.distinct()).scalars()]
    if told:
        line = f"callbacks to {masked(url)} are dropped: {DISABLED}"
        of_job = {"task_id": 0, "severity": 30, "progname": "callback", "message": line}
        connection.execute(insert(log).values(created_at=now(), **of_job), told)
    dropped = {"state": DROPPED, "finished_at": now(), "answer": DISABLED}
    return connection.execute(update(delivery).where(*waiting).values(dropped)).rowcount


def _place(client: str, url: str) -> tuple[Any, Any]:
    return endpoint.c.client == client, endpoint.c.url == url


def _disabled(client: str | None) -> Select[Any]:
    found = select(endpoint).order_by(endpoint.c.client, endpoint.c.url).limit(MOST_LISTED)
    return found if client is None else found.where(endpoint.c.client == client)


def _failing(client: str | None) -> Select[Any]:
    """The addresses with callbacks that were tried in vain, each with its newest answer."""
    # One that is sent again by hand was tried, too, but counts its tries anew.
    of_one = [] if client is None else [delivery.c.client == client]
    each = (
        select(
            func.max(delivery.c.id).label("newest_id"),
            func.min(delivery.c.created_at).label("since"),
            func.min(delivery.c.due_at).label("next_try_at"),
        )
        .where(text(FAILING), delivery.c.attempt > 0, *of_one)
        .group_by(delivery.c.client, delivery.c.url)
        .order_by(delivery.c.client, delivery.c.url)
        .limit(MOST_LISTED)
        .subquery()
    )
    answer = delivery.c.client, delivery.c.url, delivery.c.status, delivery.c.answer
    return select(*answer, each.c.since, each.c.next_try_at).join(
        each, each.c.newest_id == delivery.c.id
    )


def _waiting(connection: Connection, urls: Iterable[str]) -> dict[tuple[str, str], int]:
    counted = (
        select(delivery.c.client, delivery.c.url, func.count().label("amount"))
        .where(text(UNDELIVERED), delivery.c.url.in_(list(urls)))
        .group_by(delivery.c.client, delivery.c.url)
    )
    return {(row.client, row.url): row.amount for row in connection.execute(counted)}


def _failing_one(row: Row[Any], waiting: dict[tuple[str, str], int]) -> EndPoint:
    return EndPoint(
        client=row.client,
        url=row.url,
        state=TRIED_IN_VAIN,
        since=time_of(row.since),
        status=row.status,
        reason=row.answer or "",
        waiting=waiting.get((row.client, row.url), 0),
        next_try_at=time_or_none(row.next_try_at),
    )


def _disabled_one(row: Row[Any]) -> EndPoint:
    since = time_of(row.disabled_at)
    return EndPoint(row.client, row.url, OFF, since, None, row.reason, 0, None)


def _meant(connection: Connection, client: str, url: str) -> str | None:
    """The address in full, of those that are listed; it may be given as it is shown.

    Raises:
        ParameterError: `end_point_unknown`, several are shown so.
    """
    listed = {row.url for row in connection.execute(_disabled(client))}
    listed |= {row.url for row in connection.execute(_failing(client))}
    if url in listed:
        return url
    shown = [known for known in listed if masked(known) == url]
    if len(shown) > 1:
        raise _unknown(client, url, f"{len(shown)} end points are shown as")
    return shown[0] if shown else None


def _check(url: str) -> None:
    if HIDDEN in url:
        raise _unknown("", url)
    if not url.startswith(("http://", "https://")) or len(url) > URL_LETTERS:
        raise ParameterError(
            f"{masked(url):.200} cannot be an end point",
            hint="Give its address, as jobs name it in rest_endpoints.",
        )


def _unknown(client: str, url: str, words: str = "") -> ParameterError:
    whose = f" of client {client}" if client else ""
    return ParameterError(
        f"{words or f'no disabled or failing end point{whose} is'} {masked(url):.200}",
        code="end_point_unknown",
        hint="`adaptation callbacks endpoints` lists them; give the address in full.",
    )
