"""Claims and completions on PostgreSQL: each one statement, which is a transaction by itself.

The server is asked once instead of five or seven times, and a job's row is held no longer. What is
changed is what `claims` and `moves` change step by step, who take over where there is more to do.
All parts of a statement see the moment in which it begins. A row that somebody else has changed
since is looked at anew before it is changed: a stale generation changes nothing here either.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    Column,
    ColumnElement,
    FromClause,
    Integer,
    Row,
    Select,
    Text,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal_column,
    not_,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.exc import DataError

from adaptation.adapters.vault import MARK
from adaptation.engine import callbacks
from adaptation.engine.database import Database, now
from adaptation.engine.rows import LOG_LINES, RELEASED, line_row, one_less
from adaptation.engine.schema import Id, attempt, client, delivery, endpoint, job, log, tally, task
from adaptation.engine.schema import task_dependency as edge
from adaptation.engine.statements import LEAVE, NONE, ONE, becoming_ours, first_of, word
from adaptation.engine.states import TaskState
from adaptation.engine.tally import EVER

LINE: dict[str, ARRAY[Any]] = {"severity": ARRAY(Integer), "message": ARRAY(Text)}
"""What a log line is given as: a list of each."""
DIVIDED_BY_ZERO = "22012"
"""SQLSTATE by which a statement undoes itself."""
_upstream = task.alias("upstream")
_most_lines = literal_column(str(LOG_LINES), Integer)


def claim(database: Database, turn: Select[int], given: dict[str, Any]) -> Sequence[Row[Any]]:
    """Make the ready task ours that `turn` finds, and tell of its start.

    Args:
        database: a PostgreSQL.
        turn: finds its id.
        given: what `turn` and `statements.becoming_ours` are to be given.

    Returns:
        A row for each result that it receives, one without a position if none; empty: no task.
        One row without an id: nothing has changed, as only we can tell its job's end points.
    """
    with database.single() as connection:
        return connection.execute(_claiming(turn), given).all()


def complete(
    database: Database, left: dict[str, Any], job_id: int, lines: Sequence[tuple[int, str]]
) -> Sequence[Row[Any]]:
    """Finish a task that adds none to its job and is not the last one.

    Args:
        database: a PostgreSQL.
        left: what `statements.LEAVE` is to be given.
        job_id: whose task it is.
        lines: for the job's log, oldest first.

    Returns:
        A row for each dependant that was counted down, one without an id if none; empty: nothing
        has changed, as the attempt is stale, or there is more to do.
    """
    # None of these names is a column's: SQLAlchemy would set it.
    given = {**left, "owner_id": job_id}
    if lines:
        stored = [line_row(job_id, line, "worker") for line in lines]
        given |= {f"line_{name}": [row[name] for row in stored] for name in LINE}
        given["line_count"] = len(stored)
    with database.single() as connection:
        try:
            return connection.execute(_completing(with_lines=bool(lines)), given).all()
        except DataError as error:
            if getattr(error.orig, "sqlstate", None) == DIVIDED_BY_ZERO:
                return ()
            raise


@lru_cache(maxsize=8)
def most_urgent(*, one_job: bool, fitting: bool, choosy: bool = False) -> Select[int]:
    """As `statements.most_urgent`, of the queues `claim_queues`: one plan however many they are."""
    queues = func.unnest(bindparam("claim_queues", type_=ARRAY(Text)))
    wanted = queues.table_valued("queue", name="wanted").render_derived()
    first = first_of(wanted.c.queue, one_job=one_job, fitting=fitting, choosy=choosy)
    found = first.lateral("found")
    return (
        select(found.c.id)
        .select_from(wanted.join(found, true()))
        .order_by(found.c.priority, found.c.id)
        .limit(ONE)
    )


@lru_cache(maxsize=16)
def _claiming(turn: Select[int]) -> Select[Any]:
    found = turn.cte("turn")
    ours = (
        becoming_ours(select(found.c.id))
        .where(job.c.id == task.c.job_id, _are_plain(job.c.endpoints))
        .cte("ours")
    )
    begun = insert(attempt).from_select(
        ["task_id", "generation", "worker_id", "started_at"],
        select(ours.c.id, ours.c.generation, bindparam("claim_worker"), now()),
    )
    told = _told(ours, job, callbacks.START)
    received = and_(edge.c.task_id == ours.c.id, edge.c.position.is_not(None))
    return (
        select(
            ours,
            job.c.main_task_id,
            job.c.workflow,
            job.c.context,
            job.c.trace,
            job.c.client,
            client.c.limits,
            edge.c.position,
            _upstream.c.result,
        )
        .outerjoin_from(found, ours, true())
        .outerjoin(job, job.c.id == ours.c.job_id)
        .outerjoin(client, client.c.name == job.c.client)
        .outerjoin(edge, received)
        .outerjoin(_upstream, _upstream.c.id == edge.c.upstream_id)
        .order_by(edge.c.position)
        .add_cte(begun.cte("begun"), told, _dropped(told))
    )


@lru_cache(maxsize=2)
def _completing(*, with_lines: bool) -> Select[Any]:
    # Whoever changes tasks of a job holds its row first, here too: by the one change it gets. If it
    # were locked and changed apart, each would look for it from the moment the statement began,
    # and who has it could wait for who waits for it.
    running = exists().where(
        task.c.id == bindparam("left_id"),
        task.c.generation == bindparam("left_generation"),
        task.c.state == TaskState.RUNNING,
    )
    counting = (
        update(job)
        .where(
            job.c.id == bindparam("owner_id"),
            job.c.remaining > ONE,
            _are_plain(job.c.endpoints),
            running,
        )
        .values(remaining=job.c.remaining - ONE, updated_at=now())
        .returning(job.c.id, job.c.client, job.c.endpoints)
    )
    if with_lines:
        room = _lines_stored() + bindparam("line_count", type_=Integer) < _most_lines
        counting = counting.where(room)
    counted = counting.cte("counted")
    left = (
        LEAVE.where(task.c.job_id == counted.c.id)
        .returning(task.c.id, task.c.job_id, task.c.run_no, task.c.name, task.c.generation)
        .cte("done")
    )
    # The given numbers, not those of `done`: a plan that is made once finds rows by them.
    this = bindparam("left_id", type_=Id)
    ended = (
        update(attempt)
        .where(
            attempt.c.task_id == this,
            attempt.c.task_id == left.c.id,
            attempt.c.generation == left.c.generation,
        )
        .values(finished_at=now(), outcome=word("done"), error=null())
    )
    released = (
        update(task)
        # Joined, not looked up: PostgreSQL cannot look again into what another part has changed.
        .where(
            task.c.id == edge.c.task_id,
            edge.c.upstream_id == this,
            edge.c.upstream_id == left.c.id,
            task.c.state == word(TaskState.WAITING),
        )
        .values(one_less(NONE))
        .returning(*RELEASED)
        .cte("released")
    )
    told = _told(left, counted, callbacks.COMPLETE)
    besides = [ended.cte("ended"), told, _dropped(told)]
    besides += [_logged(left)] if with_lines else []
    # Of a job that was counted for a task which another has taken meanwhile, nothing may stay.
    whole = (ONE // select(func.count()).select_from(left).scalar_subquery()).label("whole")
    found = select(released, whole).join_from(counted, released, true(), isouter=True)
    return found.add_cte(*besides)


def _are_plain(endpoints: Column[Any]) -> ColumnElement[bool]:
    """Whether the names of all end points can be read: a sealed one only we can open."""
    hides = endpoints.cast(Text).op("~", is_comparison=True)(word(f"[{{]|{MARK}"))
    return or_(endpoints.is_(None), not_(hides))


def _told(done: CTE, owner: FromClause, event: str) -> CTE:
    """Store for each end point that a task has started or ended, as `callbacks.tell_of_task`.

    Args:
        done: the task: `id`, `job_id`, `run_no` and `name`.
        owner: its job: `id`, `client` and `endpoints`.
        event: `callbacks.START` or `callbacks.COMPLETE`.
    """
    each = func.json_array_elements_text(owner.c.endpoints).table_valued("url", name="each")
    each = each.render_derived()
    identity = func.concat_ws(word("-"), done.c.job_id, done.c.id, done.c.run_no, word(event))
    told = (
        select(
            done.c.job_id,
            done.c.id.label("task_id"),
            done.c.name,
            owner.c.client,
            identity.label("identity"),
            each.c.url,
        )
        .select_from(done.join(owner, owner.c.id == done.c.job_id).join(each, true()))
        .distinct()
    )
    if event == callbacks.START:  # a second attempt is no second start
        known = delivery.c.job_id == done.c.job_id, delivery.c.identity == identity
        told = told.where(~exists().where(*known))
    named = told.subquery("named")
    is_open = endpoint.c.url.is_(None)
    facts = {
        "job_id": named.c.job_id,
        "task_id": named.c.task_id,
        "client": named.c.client,
        "url": named.c.url,
        "event": word(event),
        "identity": named.c.identity,
        "facts": func.json_build_object(word("task_name"), named.c.name, word("message"), word("")),
        "state": case((is_open, word(callbacks.PENDING)), else_=word(callbacks.DROPPED)),
        "answer": case((is_open, null()), else_=word(callbacks.DISABLED)),
        "attempt": NONE,
        "created_at": now(),
        "due_at": now(),
    }
    closed = and_(endpoint.c.client == named.c.client, endpoint.c.url == named.c.url)
    rows = select(*facts.values()).select_from(named.outerjoin(endpoint, closed))
    return insert(delivery).from_select(list(facts), rows).returning(delivery.c.state).cte("told")


def _dropped(told: CTE) -> CTE:
    """Count the callbacks that are told to nobody, as `tally.count_callbacks`."""
    many = func.count()
    rows = (
        select(word(EVER + callbacks.DROPPED), many)
        .where(told.c.state == word(callbacks.DROPPED))
        .having(many > NONE)
    )
    return insert(tally).from_select(["kind", "amount"], rows).cte("dropped")


def _logged(done: CTE) -> CTE:
    """Store log lines of a task, in order."""
    given = [bindparam(f"line_{name}", type_=kind) for name, kind in LINE.items()]
    line = func.unnest(*given).table_valued(*LINE, with_ordinality="place")
    line = line.render_derived()
    facts = {
        "job_id": done.c.job_id,
        "task_id": done.c.id,
        "severity": line.c.severity,
        "progname": word("worker"),
        "message": line.c.message,
        "created_at": now(),
    }
    rows = select(*facts.values()).select_from(done.join(line, true())).order_by(line.c.place)
    return insert(log).from_select(list(facts), rows).cte("logged")


def _lines_stored() -> ColumnElement[int]:
    """Lines in the log of the job `owner_id`, no farther than it may have."""
    stored = select(log.c.id).where(log.c.job_id == bindparam("owner_id")).limit(_most_lines)
    return select(func.count()).select_from(stored.subquery()).scalar_subquery()
