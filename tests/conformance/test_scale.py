"""What runs all the time looks at a few rows, however many wait: the plans say so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from adaptation.engine import (
    admission,
    control,
    lists,
    messages,
    overview,
    retention,
    scheduling,
    watching,
)
from adaptation.engine.lists import JobQuery
from adaptation.engine.statements import most_urgent
from adaptation.engine.states import JobState
from adaptation.engine.store import Store

MANY = 20_000
SERIES = {
    "sqlite": "(WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < :many)"
    " SELECT i FROM g)",
    "postgresql": "generate_series(1, :many) AS g(i)",
}
JOBS = """
    INSERT INTO job (id, main_task_id, workflow, client, state, failed, cancelling, priority,
        run_no, remaining, parameters, context, farewell, fingerprint, permanent, work, persist,
        subject, queued_at, created_at, updated_at)
    SELECT i, 'job-' || i, 'line', 'client-' || i % 5, 'queued', false, false, 1 + i % 10, 1, 1,
        '{}', '{}', '{}', '', false, 'kept', false, '', i, i, i
    FROM """
TASKS = """
    INSERT INTO task (id, job_id, run_no, key, name, queue, state, held, waits, joins, attempt,
        losses, generation, not_before, priority, scratch_bytes, params, progress)
    SELECT i, i, 1, '0', 'count_one', CASE WHEN i % 2 = 0 THEN 'light' ELSE 'heavy' END, 'ready',
        false, 0, false, 0, 0, 0, 0, 1 + i % 10, 0, '{}', 0
    FROM """
QUEUES = ("heavy", "light")
DAY = datetime.fromtimestamp(0, UTC)
LISTS: dict[str, dict[str, Any]] = {
    "older ones": {"before": 5000},
    "a client": {"client": "client-3"},
    "a client's broken": {"client": "client-3", "state": JobState.BROKEN},
    "broken": {"state": JobState.BROKEN},
    "queued": {"state": JobState.QUEUED},
    "failed": {"failed": True, "state": JobState.COMPLETED},
    "kept": {"persist": True},
    "by priority": {"order_by": "priority"},
    "that hold words": {"search": "film"},
    "a day's": {"since": DAY, "until": DAY + timedelta(days=1)},
}
WITH_A_LIMIT = {"a list: by priority", "a list: that hold words"}
"""What goes through a SQLite table in its own order, and no farther than ten thousand rows."""
STATEMENTS: dict[str, Any] = {
    **{f"a list: {name}": lists.listing(JobQuery(**asked)) for name, asked in LISTS.items()},
    "a claim": most_urgent(QUEUES, one_job=False, fitting=False),
    "a claim that must fit": most_urgent(QUEUES, one_job=False, fitting=True).params(
        scratch_free=1
    ),
    "the next tasks": messages.foremost(QUEUES, one_job=False).select().params(each=10),
    "queues that are ready": messages.READY_QUEUES,
    "whose turn it is": admission.FIRST_OF_EACH,
    "whose time has come": scheduling.due_jobs(),
    "whose pieces are of no use": control.pieces_of_no_use(3600),
    "whose pieces are removed": control.REMOVING,
    "what is old": retention.oldest_spent(30),
    "how many tasks run": lists.RUNNING_BY_QUEUE,
    "places in the queue": lists.places([1, 2, 3]),
    "how far jobs are that run or have changed": overview.standing(overview.running_or([1, 2])),
    "what has become of watched jobs": watching.standing(
        [1, 2, 3], since_ms=1, task_after=1, whole=[2]
    ),
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def crowded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """A store with very many ready tasks of very many queued jobs."""
    kind = request.param
    if kind == "sqlite":
        store = Store(f"sqlite:///{tmp_path_factory.mktemp('crowded') / 'store.db'}")
    else:
        store = Store(request.getfixturevalue("postgres_server").make_database())
    store.migrate()
    with store.database.write() as connection:
        for rows in (JOBS, TASKS):
            connection.execute(text(rows + SERIES[kind]), {"many": MANY})
    # PostgreSQL looks at its tables by itself; nobody ever does at SQLite's, and when asked to
    # its planner is undecided between a state that no row has and the table's own order.
    if kind == "postgresql":
        with store.database.write() as connection:
            connection.execute(text("ANALYZE"))
    yield store
    store.close()


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_of_every_moment_reads_a_whole_table(crowded: Store, name: str) -> None:
    steps = plan(crowded, STATEMENTS[name])

    looks = [step for step in steps if re.search(r"(Scan|SCAN|SEARCH) .*\b(task|job)\b", step)]
    assert looks
    if name in WITH_A_LIMIT:
        looks = [step for step in looks if step != "SCAN job"]
    assert [step for step in looks if not re.search("using|bitmap", step, re.IGNORECASE)] == []


def plan(store: Store, statement: Any) -> list[str]:
    """The steps of a statement as the database explains them."""
    dialect, literal = store.database.dialect, {"literal_binds": True}
    words = statement.compile(dialect=dialect, compile_kwargs=literal)
    explain = "EXPLAIN QUERY PLAN" if store.database.is_sqlite else "EXPLAIN"
    with store.database.read() as connection:
        return [str(row[-1]) for row in connection.execute(text(f"{explain} {words}"))]
