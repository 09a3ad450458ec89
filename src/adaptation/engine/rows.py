"""The pieces of SQL that several transitions share: plans, edges, log lines, messages."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Row,
    bindparam,
    case,
    delete,
    func,
    insert,
    null,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from adaptation.adapters.masking import redacted
from adaptation.engine.database import now
from adaptation.engine.model import Dispatch, Outgoing, Process
from adaptation.engine.plan import Plan, Upstream
from adaptation.engine.schema import job, log, outbox, task, task_dependency, worker
from adaptation.engine.statements import NONE, ONE, word
from adaptation.engine.states import TaskState, Wish
from adaptation.errors import ParameterError

AnyRow = Row[*tuple[Any, ...]]

LOG_LINES = 10_000
"""Lines of one job's log: one that logs for ever must not fill the disk."""
ERROR_LINES = 500
"""More lines that only errors may have."""
LINE_LETTERS = 4_000
"""Length of a line; the rest of it is cut off."""
LOOKED_AT_LETTERS = 4 * LINE_LETTERS
"""As much of a line is looked at for secrets: one that is cut in its midst cannot be seen."""

INSERT_TASKS = insert(task).values(
    sent_at=case((bindparam("is_sent", type_=Boolean), now()), else_=null())
)
# Asked for, not returned: SQLite would be given one row at a time.
IDS_OF_TASKS = select(task.c.key, task.c.id).where(
    task.c.job_id == bindparam("job_id"),
    task.c.run_no == bindparam("run_no"),
    task.c.key.in_(bindparam("keys", expanding=True)),
)
INSERT_EDGES = insert(task_dependency)
INSERT_LOG = insert(log).values(created_at=now())
INSERT_OUTBOX = insert(outbox).values(created_at=now())
LOCK_JOB = (
    select(
        job.c.state,
        job.c.failed,
        job.c.cancelling,
        job.c.priority,
        job.c.run_no,
        job.c.work,
        job.c.output,
        job.c.queued_at,
        job.c.client,
        job.c.endpoints,
    )
    .where(job.c.id == bindparam("job_id"))
    # The key stays: others may store rows that refer to it meanwhile, such as log lines.
    .with_for_update(key_share=True)
)

_edge = task_dependency


def one_less(added: ColumnElement[int]) -> dict[Column[Any], ColumnElement[Any]]:
    """What changes of a dependant when a task is done that it waited for.

    Args:
        added: how many others it waits for instead.
    """
    left = task.c.waits - ONE + added
    return {
        task.c.waits: left,
        task.c.state: case((left == NONE, word(TaskState.READY)), else_=task.c.state),
        task.c.sent_at: case((left == NONE, now()), else_=null()),
    }


RELEASED = (
    task.c.id,
    task.c.generation,
    task.c.queue,
    task.c.priority,
    task.c.state,
    task.c.held,
)
"""What must be known of a dependant to send it."""
RELEASE = (
    update(task)
    .where(
        task.c.id.in_(select(_edge.c.task_id).where(_edge.c.upstream_id == bindparam("done_id"))),
        task.c.state == TaskState.WAITING,
    )
    .values(one_less(bindparam("added")))
    .returning(*RELEASED)
)
"""One statement turns a wait into a ready task, so that it happens exactly once."""


def lock_job(connection: Connection, job_id: int) -> AnyRow:
    """Read the job's row and hold it until the transaction ends (SQLite already holds all)."""
    return connection.execute(LOCK_JOB, {"job_id": job_id}).one()


@contextmanager
def holding_output(connection: Connection, output: str | None) -> Iterator[None]:
    """Let a change make a job hold its output.

    Raises:
        ParameterError: `output_busy`, an unfinished job holds it.
    """
    try:
        with connection.begin_nested():
            yield
    except IntegrityError as error:
        raise output_busy(connection, output) from error


def output_busy(connection: Connection, output: str | None) -> ParameterError:
    """What to say of an output that an unfinished job holds."""
    held = select(job.c.id).where(
        job.c.output == output, job.c.finished_at.is_(None), job.c.after_id.is_(None)
    )
    holder = connection.execute(held).scalar()
    return ParameterError(
        f"job {holder} is not finished and writes to {output}",
        code="output_busy",
        hint=f"Wait for job {holder} or cancel it, or choose another output folder.",
    )


def lock_tasks(connection: Connection, job_id: int) -> None:
    """Hold the tasks of a job in the order heartbeats take them.

    Whoever changes them in another order could wait for a heartbeat that waits for it. Those that
    have ended, too: a heartbeat that came too late for one still holds its row on PostgreSQL.
    """
    held = select(task.c.id).where(task.c.job_id == job_id).order_by(task.c.id)
    connection.execute(held.with_for_update(key_share=True)).all()


def unlocked(
    connection: Connection, column: Column[int], *conditions: ColumnElement[bool]
) -> list[int]:
    """Ids of rows that nobody is just changing, held until the transaction ends.

    For changes to rows of many jobs: to wait for any of them could be to wait in a circle.
    """
    free = select(column).where(*conditions).order_by(column)
    return list(
        connection.execute(free.with_for_update(key_share=True, skip_locked=True)).scalars()
    )


def release_dependants(connection: Connection, done_id: int, added: int) -> list[Dispatch]:
    """Count a finished task off its dependants' waits.

    Args:
        done_id: the task that is done; edges to tasks it expanded to are not stored yet.
        added: ends of what it expanded to, which its dependants now wait for instead.

    Returns:
        The dependants that turned ready.
    """
    return to_send(connection.execute(RELEASE, {"done_id": done_id, "added": added}))


def to_send(released: Iterable[AnyRow]) -> list[Dispatch]:
    """Those of counted-down dependants, with the columns `RELEASED`, that may be claimed now."""
    return [
        Dispatch(row.id, row.generation, row.queue, row.priority)
        for row in released
        if row.state == TaskState.READY and not row.held
    ]


def insert_plan(  # noqa: PLR0913 - one row's worth of facts
    connection: Connection,
    plan: Plan,
    *,
    job_id: int,
    run_no: int,
    priority: int,
    queues: Mapping[str, str],
    known: Mapping[str, int],
    held: bool,
) -> tuple[dict[str, int], list[Dispatch]]:
    """Store the tasks that a running one adds to its job, with their edges.

    Args:
        queues: the queue of each task name.
        known: ids of finished tasks that the plan's first tasks receive from, by key.
        held: whether the job is not started; what is ready is then not to be claimed yet.

    Returns:
        The ids of all keys, and the tasks that may be claimed at once, for the caller to publish
        right after its commit.
    """
    facts = {"job_id": job_id, "run_no": run_no, "priority": priority, "held": held}
    tasks = task_rows(plan, queues, known, facts)
    ids = dict(known)
    if tasks:
        connection.execute(INSERT_TASKS, tasks)
        asked = {"job_id": job_id, "run_no": run_no, "keys": [row["key"] for row in tasks]}
        ids |= {row.key: row.id for row in connection.execute(IDS_OF_TASKS, asked)}
    if edges := edge_rows(plan, ids):
        connection.execute(INSERT_EDGES, edges)
    return ids, [
        Dispatch(ids[row["key"]], 0, row["queue"], row["priority"])
        for row in tasks
        if row["is_sent"]
    ]


def task_rows(
    plan: Plan, queues: Mapping[str, str], known: Container[str], facts: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The tasks of a plan as rows.

    Args:
        queues: the queue of each task name.
        known: keys of finished tasks that the plan's first tasks receive from.
        facts: the columns that are the same for all.
    """
    found = []
    for planned in plan.tasks:
        upstream = planned.upstream
        waits = sum(key not in known for key in (*upstream.keys, *upstream.after))
        row = {
            **facts,
            "key": planned.key,
            "name": planned.name,
            "queue": queues[planned.name],
            "state": TaskState.WAITING if waits else TaskState.READY,
            "is_sent": not waits and not facts["held"],
            "waits": waits,
            "joins": upstream.joins,
            "params": planned.params,
            "scratch_bytes": planned.scratch_bytes,
            "needs": list(planned.needs) or None,
        }
        found.append(row)
    return found


def edge_rows(plan: Plan, ids: Mapping[str, int]) -> list[dict[str, Any]]:
    """What the tasks of a plan wait for as rows, once all of them have ids."""
    return [
        edge for planned in plan.tasks for edge in _edges(ids[planned.key], planned.upstream, ids)
    ]


def link(
    connection: Connection,
    task_id: int,
    upstream: Upstream,
    ids: Mapping[str, int],
    position: str | None,
) -> None:
    """Store what a task receives, in order, and what it only waits for.

    Args:
        position: put before the places in the list of what is received; None: only waited for.
    """
    if rows := _edges(task_id, upstream, ids, position):
        connection.execute(INSERT_EDGES, rows)


def _edges(
    task_id: int, upstream: Upstream, ids: Mapping[str, int], position: str | None = ""
) -> list[dict[str, Any]]:
    prefix = f"{position}." if position else ""
    places = {key: f"{prefix}{number:06d}" for number, key in enumerate(upstream.keys)}
    return [
        {
            "task_id": task_id,
            "upstream_id": ids[key],
            "position": None if position is None else places.get(key),
        }
        for key in (*upstream.keys, *upstream.after)
    ]


def take_edges(connection: Connection, upstream_id: int) -> list[AnyRow]:
    """Remove and return the edges that leave a task, because its work goes on in new tasks."""
    gone = delete(_edge).where(_edge.c.upstream_id == upstream_id)
    return list(connection.execute(gone.returning(_edge.c.task_id, _edge.c.position)))


def give_edges(
    connection: Connection,
    edges: Iterable[AnyRow],
    exits: Upstream,
    ids: Mapping[str, int],
) -> None:
    """Let the former dependants of an expanded task receive from its exits, in the same place."""
    for edge in edges:
        link(connection, edge.task_id, exits, ids, edge.position)
        if exits.joins:
            connection.execute(update(task).where(task.c.id == edge.task_id).values(joins=True))


def insert_lines(
    connection: Connection,
    job_id: int,
    task_id: int,
    lines: Iterable[tuple[int, str]],
    progname: str = "worker",
) -> None:
    """Store log lines, oldest first; of a task's only as many as one job may fill the log with."""
    found = list(lines)
    if found and task_id:
        found = _fitting(connection, job_id, found)
    if rows := [line_row(job_id, line, progname, task_id) for line in found]:
        connection.execute(INSERT_LOG, rows)


def line_row(job_id: int, line: tuple[int, str], progname: str, task_id: int = 0) -> dict[str, Any]:
    """A line of log as a row."""
    severity, message = line
    return {
        "job_id": job_id,
        "task_id": task_id,
        "severity": severity,
        "progname": progname,
        "message": redacted(message[:LOOKED_AT_LETTERS])[:LINE_LETTERS],
    }


def _fitting(
    connection: Connection, job_id: int, lines: list[tuple[int, str]]
) -> list[tuple[int, str]]:
    """The lines for which there is room; errors find some when the others do not any more."""
    stored = select(log.c.id).where(log.c.job_id == job_id).limit(LOG_LINES + ERROR_LINES)
    count = connection.execute(select(func.count()).select_from(stored.subquery())).scalar_one()
    free, spare = LOG_LINES - int(count), LOG_LINES + ERROR_LINES - int(count)
    if len(lines) < free:
        return lines
    full = (logging.WARNING, f"the log has {LOG_LINES} lines: more than errors is not kept")
    kept = [*lines[: free - 1], full] if free > 0 else []
    errors = [line for line in lines[max(0, free - 1) :] if line[0] >= logging.ERROR]
    return kept + errors[: max(0, spare)]


def insert_worker(connection: Connection, process: Process) -> None:
    """Store a worker's row, heard just now."""
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
            draining=process.draining,
            wish=None if process.wish is Wish.WORK else process.wish,
            load=process.load or None,
            job_id=process.job_id,
            heartbeat_at=now(),
        )
    )


def insert_outgoing(
    connection: Connection, job_id: int, identity: str, outgoing: Iterable[Outgoing]
) -> None:
    """Store messages for the outbox; `identity` and a number make each unique for ever."""
    rows = [
        {
            "job_id": job_id,
            "kind": message.kind,
            "address": message.address,
            "identity": f"{identity}/{number}",
            "body": message.body,
        }
        for number, message in enumerate(outgoing)
    ]
    if rows:
        connection.execute(INSERT_OUTBOX, rows)
