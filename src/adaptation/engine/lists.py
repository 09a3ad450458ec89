"""Lists and counts of jobs that cost the same however many there are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    cast,
    func,
    literal_column,
    or_,
    select,
    text,
    union,
)

from adaptation.engine import tally
from adaptation.engine.database import Database
from adaptation.engine.model import Job
from adaptation.engine.reads import JOB, job_of
from adaptation.engine.schema import CLAIMABLE, FAILED, PERSISTENT, QUEUED, UNFINISHED, job, task
from adaptation.engine.states import JOB_ENDS, JobState, TaskState
from adaptation.errors import ParameterError

WINDOW = 10_000
"""The newest jobs among which text is searched for and another order is made: without an index,
all there are would have to be read."""
MOST_DIGITS = 18
"""A longer number is no job's."""
RANKED = 10_000
"""Places in the queue that are told."""
BY_AGE = frozenset({"id", "created_at"})
"""Orders that every filter has an index for."""
ORDERS = BY_AGE | {
    "client",
    "failed",
    "finished_at",
    "priority",
    "run_at",
    "started_at",
    "state",
    "updated_at",
    "workflow",
}


UNFINISHED_BY_STATE = (
    select(job.c.state, func.count()).where(text(UNFINISHED)).group_by(job.c.state)
)
READY_BY_QUEUE = select(task.c.queue, func.count()).where(text(CLAIMABLE)).group_by(task.c.queue)
RUNNING_BY_QUEUE = (
    select(task.c.queue, func.count())
    .where(task.c.state == TaskState.RUNNING)
    .group_by(task.c.queue)
)


@dataclass(frozen=True)
class JobQuery:
    """Which jobs, and in which order; what is not given does not matter."""

    limit: int = 10
    order_by: str = "id"
    """One of `ORDERS`. Other than by age: among the newest 10,000 that fit."""
    ascending: bool = False
    before: int | None = None
    """Only older ones than this job: the id of the last of the page before."""
    client: str | None = None
    workflow: str | None = None
    """Among the newest 10,000 that fit otherwise."""
    state: JobState | None = None
    failed: bool | None = None
    """Whether they ended badly."""
    since: datetime | None = None
    """Created at this time or later."""
    until: datetime | None = None
    """Created at this time or earlier."""
    search: str = ""
    """The whole subject or main task's id; or, of the newest 10,000 that fit, any part of the
    parameters."""
    job_ids: tuple[int, ...] | None = None
    persist: bool | None = None


@dataclass(frozen=True)
class Counts:
    """How much there is to do, and how much has been done."""

    jobs: dict[str, int]
    """By state; completed ones are `completed` or `failed`."""
    ready: dict[str, int]
    """Tasks that a slot may take, by queue."""
    running: dict[str, int]
    """Tasks that run, by queue."""
    ended: dict[str, int]
    """How often jobs have ended so, also those that run again or are deleted."""


class Lists:
    """What is asked about many jobs at once."""

    database: Database

    def jobs(self, *, limit: int = 10, state: JobState | None = None) -> list[Job]:
        """The newest jobs first."""
        return self.list_jobs(JobQuery(limit=limit, state=state))

    def list_jobs(self, query: JobQuery) -> list[Job]:
        """The jobs that are asked for.

        Raises:
            ParameterError: `order_unknown`.
        """
        if query.order_by not in ORDERS:
            raise ParameterError(
                f"jobs cannot be ordered by {query.order_by!r}",
                code="order_unknown",
                hint=f"By one of: {', '.join(sorted(ORDERS))}.",
            )
        with self.database.read() as connection:
            return [job_of(row) for row in connection.execute(listing(query))]

    def positions(self, job_ids: Iterable[int]) -> dict[int, int]:
        """The places of queued jobs by priority and time; 1 is next.

        Jobs that are not queued, or behind the first 10,000, are not in it. Limits, turns of
        clients and ageing may let others pass.
        """
        with self.database.read() as connection:
            return {row.id: row.place for row in connection.execute(places(job_ids))}

    def owners(self, job_ids: Iterable[int]) -> dict[int, str]:
        """Whose jobs these are."""
        asked = select(job.c.id, job.c.client).where(job.c.id.in_(list(job_ids)))
        with self.database.read() as connection:
            return {row.id: row.client for row in connection.execute(asked)}

    def job_counts(self) -> dict[str, int]:
        """How many jobs there are in each state; completed ones are `completed` or `failed`."""
        with self.database.read() as connection:
            return _job_counts(connection)[0]

    def counts(self) -> Counts:
        """How many jobs there are in each state, and tasks to do in each queue."""
        with self.database.read() as connection:
            jobs, ever = _job_counts(connection)
            ready, running = (
                _pairs(connection, tasks) for tasks in (READY_BY_QUEUE, RUNNING_BY_QUEUE)
            )
            return Counts(jobs, ready, running, ever)


def places(job_ids: Iterable[int]) -> Select[Any]:
    """The ids of those jobs that are among the first in the queue, each with its place."""
    turn = (job.c.priority, job.c.queued_at, job.c.id)
    first = (
        select(job.c.id, func.row_number().over(order_by=turn).label("place"))
        .where(text(QUEUED))
        .order_by(*turn)
        .limit(RANKED)
        .subquery()
    )
    return select(first.c.id, first.c.place).where(first.c.id.in_(list(job_ids)))


def _job_counts(connection: Connection) -> tuple[dict[str, int], dict[str, int]]:
    """How many jobs there are in each state, and how often what ever came to an end."""
    jobs = dict.fromkeys([*map(str, JobState), tally.FAILED], 0)
    ended, ever = tally.sums(connection)
    return jobs | _pairs(connection, UNFINISHED_BY_STATE) | ended, ever


def _pairs(connection: Connection, statement: Select[Any]) -> dict[str, int]:
    return {str(name): int(number) for name, number in connection.execute(statement)}


def listing(query: JobQuery) -> Select[Any]:
    """The rows of `JOB` that are asked for."""
    by_age = query.order_by in BY_AGE
    if query.job_ids is None and (query.search or query.workflow or not by_age):
        return _out_of_the_newest(query)
    found = select(*JOB).where(*_filters(query), *_made_by(query))
    if query.search:
        found = found.where(or_(*_named(query.search), _holds(job.c.parameters, query.search)))
    column = _age(query) if by_age else job.c[query.order_by]
    return found.order_by(*_order(query, column, job.c.id)).limit(query.limit)


def _out_of_the_newest(query: JobQuery) -> Select[Any]:
    """Those of the newest that come first in another order, or that hold the words.

    All is decided within one look at them: the rows themselves are read of those alone that are
    listed, for a join with thousands of ids would read the whole table.
    """
    column = job.c[query.order_by].label("sorted_by")
    conditions, age = _filters(query), _age(query)
    own = [*conditions, *_made_by(query)]
    fitting = select(job.c.id, column, job.c.workflow, job.c.parameters).where(*conditions)
    recent = fitting.order_by(age.desc(), job.c.id.desc()).limit(WINDOW).subquery()
    found = select(recent.c.id, recent.c.sorted_by)
    if query.workflow is not None:
        found = found.where(recent.c.workflow == query.workflow)
    if query.search:
        named = [
            select(job.c.id, column)
            .where(*own, name)
            .order_by(job.c.id.desc())
            .limit(WINDOW)
            .subquery()
            for name in _named(query.search)
        ]
        held = found.where(_holds(recent.c.parameters, query.search))
        each = union(held, *[select(part.c.id, part.c.sorted_by) for part in named]).subquery()
        found = select(each.c.id, each.c.sorted_by)
    found_id, sorted_by = found.selected_columns
    chosen = found.order_by(*_order(query, sorted_by, found_id)).limit(query.limit).subquery()
    listed = select(*JOB).join(chosen, chosen.c.id == job.c.id)
    return listed.order_by(*_order(query, job.c[query.order_by], job.c.id))


def _order(
    query: JobQuery, column: ColumnElement[Any], job_id: ColumnElement[Any]
) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    first, then = (column, job_id) if query.ascending else (column.desc(), job_id.desc())
    return first if query.order_by in BY_AGE else first.nulls_last(), then


def _age(query: JobQuery) -> ColumnElement[Any]:
    """The column of an index that leads to the oldest or newest at once."""
    return job.c.created_at if query.since or query.until else job.c.id


def _filters(query: JobQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool] | None] = [
        None if query.before is None else job.c.id < query.before,
        None if query.client is None else job.c.client == query.client,
        None if query.state is None else job.c.state == query.state,
        None if query.failed is None else _is(FAILED, wanted=query.failed),
        None if query.failed is None else job.c.state.in_(JOB_ENDS),
        None if query.since is None else job.c.created_at >= _milliseconds(query.since),
        None if query.until is None else job.c.created_at <= _milliseconds(query.until),
        None if query.job_ids is None else job.c.id.in_(query.job_ids),
        None if query.persist is None else _is(PERSISTENT, wanted=query.persist),
    ]
    return [condition for condition in conditions if condition is not None]


def _made_by(query: JobQuery) -> list[ColumnElement[bool]]:
    return [] if query.workflow is None else [job.c.workflow == query.workflow]


def _named(words: str) -> list[ColumnElement[bool]]:
    subject = (job.c.subject == words) & text("subject <> ''")
    named = [subject, job.c.main_task_id == words, job.c.client == words]
    is_number = words.isascii() and words.isdecimal() and len(words) <= MOST_DIGITS
    return [*named, job.c.id == int(words)] if is_number else named


def _holds(parameters: ColumnElement[Any], words: str) -> ColumnElement[bool]:
    written = json.dumps(words)[1:-1]  # as the parameters are stored
    return cast(parameters, String).icontains(written, autoescape=True)


def _is(flag: str, *, wanted: bool) -> ColumnElement[Any]:
    # In the words of its index: only these make use of it.
    return literal_column(flag if wanted else f"NOT {flag}")


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
