"""How much the store costs when there is much in it, on SQLite and on PostgreSQL."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from sqlalchemy import Connection, text

from adaptation.engine.lists import JobQuery
from adaptation.engine.states import JobState
from adaptation.engine.store import Store
from benchmarks.progress import note
from benchmarks.report import table
from benchmarks.setup import Bench

READY = 100_000
"""Tasks that may be claimed."""
A_JOB = 100
"""Of those, how many belong to one job."""
LATER = 1_000_000_000
"""Where the numbers of the jobs with ready tasks begin."""
CALLS = 200
"""Of each kind, a round."""
THREADS = 8
WORK_SECONDS = 5.0
QUEUES = ("bench", "other")
DAY_MS = 86_400_000

SERIES = {
    "sqlite": "(WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < :many)"
    " SELECT i FROM g)",
    "postgresql": "generate_series(1, :many) AS g(i)",
}
JOBS = """
    INSERT INTO job (id, main_task_id, workflow, client, state, failed, cancelling, priority,
        run_no, remaining, parameters, context, farewell, fingerprint, permanent, work, persist,
        subject, queued_at, created_at, updated_at, started_at, finished_at)
    SELECT {first} + i, 'job-' || ({first} + i), 'encoding', 'client-' || i % 50,
        {state}, i % 50 = 0, false, 1 + i % 10, 1, {remaining},
        {url}, '{{}}', '{{}}', '', false,
        {work}, false, 'film' || i || '.mp4', i, :now - i % :span, :now, :now, {finished}
    FROM {series}"""
URL = """'{"url": "https://example.org/film' || i || '.mp4"}'"""
ENDED = {
    "first": 0,
    "state": "CASE WHEN i % 100 = 1 THEN 'broken' ELSE 'completed' END",
    "remaining": 0,
    "work": "'removed'",
    "finished": ":now",
}
RUNNING = {
    "first": LATER,
    "state": "'started'",
    "remaining": A_JOB,
    "work": "'kept'",
    "finished": "NULL",
}
TASKS = """
    INSERT INTO task (id, job_id, run_no, key, name, queue, state, held, waits, joins, attempt,
        losses, generation, not_before, priority, scratch_bytes, params, progress)
    SELECT i, {first} + 1 + (i - 1) / {each}, 1, 'key' || i, 'nothing', 'bench', 'ready',
        false, 0, false, 0, 0, 0, 0, 1 + i % 10, 0, '{{}}', 0
    FROM {series}"""
TALLY = """
    INSERT INTO tally (kind, amount) SELECT CASE WHEN state = 'broken' THEN 'broken'
    WHEN failed THEN 'failed' ELSE 'completed' END, COUNT(*) FROM job
    WHERE finished_at IS NOT NULL GROUP BY 1"""

Figures = dict[str, list[float]]


def measure(bench: Bench) -> dict[str, Any]:
    """Each database with few ended jobs, then with many, beside inserts of one row.

    Returns:
        For each database and number of jobs the figures, one value a round.
    """
    found: dict[str, dict[str, Figures]] = {}
    for kind in SERIES:
        found[kind] = {}
        for jobs in (bench.setup.jobs // 100, bench.setup.jobs):
            with opened(kind, bench.folder / f"{kind}-{jobs}") as store:
                note(f"store: {kind}, {jobs} jobs")
                fill(store, jobs)
                figures = found[kind][str(jobs)] = {}
                for _ in range(bench.setup.rounds):
                    _round(store, figures)
    return {"databases": found}


def report(document: dict[str, Any]) -> str:
    """Medians of the rounds, and what they are beside an insert of one row."""
    parts = []
    for kind, sizes in document["databases"].items():
        few, many = sizes
        rows = []
        for name, values in sizes[many].items():
            bare = median(sizes[many]["bare insert, p50 ms"])
            times = f"{median(values) / bare:.2f}" if name.endswith("ms") else ""
            cells = [f"{value:.3g}" for value in (median(sizes[few][name]), median(values))]
            rows.append([name, *cells, f"{min(values):.3g} to {max(values):.3g}", times])
        head = ["figure", f"{few} jobs", f"{many} jobs", "range", "bare inserts"]
        parts.append(f"{kind}\n\n{table(head, rows)}")
    return "\n\n".join(parts)


@contextmanager
def opened(kind: str, folder: Path) -> Iterator[Store]:
    """An empty database of a kind of `SERIES`, with our tables."""
    folder.mkdir()
    if kind == "sqlite":
        url, server = f"sqlite:///{folder / 'store.db'}", None
    else:
        # The tests' own server: one that is durable here.
        sys.path.append(str(Path(__file__).parent.parent / "tests"))
        from postgres import running_postgres

        server = running_postgres(durable=True)
        url = server.__enter__().url
    store = Store(url)
    try:
        store.migrate()
        yield store
    finally:
        store.close()
        if server is not None:
            server.__exit__(None, None, None)


def fill(store: Store, jobs: int) -> None:
    """Ended jobs, started ones with ready tasks, and statistics for the planner."""
    kind = "sqlite" if store.database.is_sqlite else "postgresql"
    series = SERIES[kind]
    moment = {"now": int(time.time() * 1000), "span": 30 * DAY_MS}
    url = URL if kind == "sqlite" else f"CAST({URL} AS JSON)"
    ended, running = (JOBS.format(series=series, url=url, **facts) for facts in (ENDED, RUNNING))
    tasks = TASKS.format(series=series, first=LATER, each=A_JOB)
    with store.database.write() as connection:
        connection.execute(text(ended), {"many": jobs, **moment})
        connection.execute(text(running), {"many": READY // A_JOB, **moment})
        connection.execute(text(tasks), {"many": READY})
        connection.execute(text(TALLY))
        connection.execute(text("CREATE TABLE bare (id INTEGER, words VARCHAR(200))"))
    with store.database.read() as connection:
        connection.execute(text("ANALYZE" if kind == "sqlite" else "VACUUM ANALYZE"))


def _round(store: Store, figures: Figures) -> None:
    _add(figures, "bare insert", _timed(partial(_insert, store)))
    _add(figures, "claim", _timed(partial(store.claim_next, QUEUES, "bench", 3600.0)))
    figures.setdefault(f"transitions/s, {THREADS} threads", []).append(_transitions(store))
    newest = JobQuery(client="client-7")
    kinds: dict[str, Callable[[], object]] = {
        "list of a client": partial(store.list_jobs, newest),
        "list of broken": partial(store.list_jobs, JobQuery(state=JobState.BROKEN)),
        "list of failed": partial(store.list_jobs, JobQuery(failed=True)),
        "list by priority": partial(store.list_jobs, JobQuery(order_by="priority")),
        "search": partial(store.list_jobs, JobQuery(search="film4711.mp4")),
        "counts": store.counts,
        "dashboard": partial(_dashboard, store),
    }
    for name, call in kinds.items():
        _add(figures, name, _timed(call, CALLS // 4), last=95)


def _dashboard(store: Store) -> None:
    store.counts()
    store.rules()
    for state in (JobState.STARTED, JobState.QUEUED, JobState.SCHEDULED):
        jobs = store.jobs(limit=100, state=state)
    store.positions([job.id for job in jobs])


def _insert(store: Store) -> None:
    with store.database.write() as connection:
        _insert_row(connection)


def _insert_row(connection: Connection) -> None:
    connection.execute(text("INSERT INTO bare VALUES (1, 'words')"))


def _transitions(store: Store) -> float:
    """Claims and completions a second of tasks that do nothing."""
    over = time.monotonic() + WORK_SECONDS
    counts: list[int] = []

    def work() -> None:
        count = 0
        while time.monotonic() < over:
            claim = store.claim_next(QUEUES, "bench", 3600.0)
            if claim is not None:
                store.complete(claim, {}, queues={})
                count += 2
        counts.append(count)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / WORK_SECONDS


def _timed(call: Callable[[], object], calls: int = CALLS) -> list[float]:
    """Milliseconds of each call."""
    found = []
    for _ in range(calls):
        begin = time.perf_counter()
        call()
        found.append(1000 * (time.perf_counter() - begin))
    return found


def _add(figures: Figures, name: str, times: list[float], last: int = 99) -> None:
    """The median and the time that `last` of a hundred calls take at most."""
    figures.setdefault(f"{name}, p50 ms", []).append(median(times))
    high = quantiles(times, n=100)[last - 1]
    figures.setdefault(f"{name}, p{last} ms", []).append(high)
