"""How long the pages for people take when there are many jobs, on SQLite and on PostgreSQL."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median, quantiles
from typing import Any

from sqlalchemy import text

from adaptation.engine.clients import Role
from adaptation.engine.model import Process
from adaptation.engine.store import Store
from benchmarks.processes import Command
from benchmarks.progress import Progress, note
from benchmarks.report import aim, table
from benchmarks.serving import got, serving
from benchmarks.setup import Bench
from benchmarks.store import A_JOB, LATER, SERIES, fill, opened

CALLS = 40
"""Of each page, a round."""
WARM = 3
MOST_MS = 150.0
QUEUED = 10_000
"""Of these every tenth is scheduled, and every hundredth paused."""
LAST = 10_000
"""Ended jobs that have tasks and a log."""
TASKS, LINES = 10, 20
"""Of each of those."""
WORKERS = 50
CLIENTS = 50
BARE_NAME = "bare query"
BARE = "SELECT * FROM job ORDER BY id DESC LIMIT 50"
WAITING = """
    INSERT INTO job (id, main_task_id, workflow, client, state, failed, cancelling, priority,
        run_no, remaining, parameters, context, farewell, fingerprint, permanent, work, persist,
        subject, queued_at, run_at, created_at, updated_at)
    SELECT {first} + i, 'job-' || ({first} + i), 'encoding', 'client-' || i % 50,
        CASE WHEN i % 100 = 1 THEN 'paused' WHEN i % 10 = 2 THEN 'scheduled' ELSE 'queued' END,
        false, false, 1 + i % 10, 1, 1, {parameters}, '{{}}', '{{}}', '', false, 'kept', false,
        'waiting' || i || '.mp4', i, :now + 86400000, :now, :now
    FROM {series}"""
ENDED_TASKS = """
    INSERT INTO task (job_id, run_no, key, name, queue, state, held, waits, joins, attempt,
        losses, generation, not_before, priority, scratch_bytes, params, progress, worker_id,
        started_at, finished_at)
    SELECT :newest - (i - 1) / {each}, 1, 'done' || i, 'encode_chunk', 'heavy', 'done', false, 0,
        false, 1, 0, 1, 0, 5, 0, '{{}}', 1, 'worker-1', :now - 60000, :now FROM {series}"""
ENDED_LINES = """
    INSERT INTO log (job_id, task_id, severity, progname, message, created_at)
    SELECT :newest - (i - 1) / {each}, 0, 20, 'encode', 'chunk ' || i || ' encoded in 4.2 s', :now
    FROM {series}"""
PARAMETERS = """'{"url": "https://example.org/waiting' || i || '.mp4"}'"""

Figures = dict[str, list[float]]


@dataclass(frozen=True)
class Page:
    """Something that somebody looks at."""

    path: str
    name: str
    as_admin: bool = True


def pages(jobs: int) -> list[Page]:
    """What is asked for, with so many ended jobs."""
    middle, running = jobs // 2, LATER + 1
    return [
        Page("/ui/", "queue"),
        Page("/ui/rows", "queue, its rows alone"),
        Page("/ui/", "queue of a client", as_admin=False),
        *(Page(f"/ui/?state={state}", f"{state}") for state in ("queued", "failed", "cancelled")),
        Page("/ui/?client=client-7", "of a client"),
        Page("/ui/?kept=1", "kept"),
        Page("/ui/?from=2026-01-01&to=2099-01-01", "by date"),
        Page("/ui/?workflow=encoding", "of a workflow"),
        Page(f"/ui/?before={middle}", "page from the middle"),
        Page(f"/ui/?before={min(60, middle)}", "last page"),
        Page(f"/ui/?search={middle}", "search by id"),
        Page(f"/ui/?search=film{middle}.mp4", "search by content"),
        Page("/ui/?search=client-7", "search by client"),
        Page("/ui/?search=nobody-has-this", "search for nothing"),
        Page(f"/ui/jobs/{jobs}", f"job, {TASKS} tasks, {LINES} lines"),
        Page(f"/ui/jobs/{running}", f"job, {A_JOB} tasks"),
        Page("/ui/workers", f"{WORKERS} workers"),
        *(Page(f"/ui/{name}", name) for name in ("workflows", "settings", "clients", "storages")),
    ]


def measure(bench: Bench) -> dict[str, Any]:
    """Each database with a hundredth, a tenth and all of the jobs; pages and a query in turn.

    Returns:
        For each database and number of jobs the milliseconds of all calls, and those of the
        server's processor, by page.
    """
    found: dict[str, dict[str, dict[str, Figures]]] = {}
    for kind in SERIES:
        found[kind] = {}
        for jobs in (bench.setup.jobs // 100, bench.setup.jobs // 10, bench.setup.jobs):
            with opened(kind, bench.folder / f"pages-{kind}-{jobs}") as store:
                note(f"pages: {kind}, {jobs} jobs")
                fill(store, jobs)
                _fill_more(store, jobs)
                found[kind][str(jobs)] = _look(bench, store, jobs)
    return {"databases": found}


def report(document: dict[str, Any]) -> str:
    """Medians and p95 of each page, by the number of jobs, and what is aimed at."""
    parts = []
    for kind, sizes in document["databases"].items():
        most = sizes[list(sizes)[-1]]
        rows = [
            [name, *(_cell(own["times"][name]) for own in sizes.values()), _cell(most["cpu"][name])]
            for name in most["times"]
        ]
        head = ["page, ms p50 / p95", *(f"{jobs} jobs" for jobs in sizes), "of it the server's CPU"]
        shown = {name: _p95(own) for name, own in most["times"].items() if name != BARE_NAME}
        worst = max(shown, key=lambda name: shown[name])
        said = f"Slowest page ({worst}), p95: {aim(shown[worst], MOST_MS, ' ms')}."
        parts.append(f"{kind}\n\n{table(head, rows)}\n\n{said}")
    return "\n\n".join(parts)


def _look(bench: Bench, store: Store, jobs: int) -> dict[str, Figures]:
    """Every page in turn, over one connection, as often as is wanted."""
    keys = {
        "admin": store.add_client("bench", Role.ADMIN)[1],
        "client": store.add_client("client-7", Role.CLIENT)[1],
    }
    times: Figures = {}
    cpu: Figures = {}
    with serving(partial(_command, bench, store)) as server:
        signed_in = {
            True: server.signed_in("bench", keys["admin"]),
            False: server.signed_in("client-7", keys["client"]),
        }
        connection = server.connect()
        progress = Progress(f"{jobs} jobs", bench.setup.rounds)
        for number in range(-WARM, CALLS * bench.setup.rounds):
            if number >= 0 and number % CALLS == 0:
                progress.step(f"round {number // CALLS + 1} of {bench.setup.rounds}")
            kinds: dict[str, Callable[[], object]] = {BARE_NAME: partial(_bare, store)}
            kinds |= {
                page.name: partial(got, connection, page.path, signed_in[page.as_admin])
                for page in pages(jobs)
            }
            for name, call in kinds.items():
                begin, used = time.perf_counter(), server.cpu_seconds()
                call()
                if number >= 0:
                    times.setdefault(name, []).append(1000 * (time.perf_counter() - begin))
                    cpu.setdefault(name, []).append(1000 * (server.cpu_seconds() - used))
        connection.close()
    return {"times": times, "cpu": cpu}


def _command(bench: Bench, store: Store, port: int) -> Command:
    environment = {
        "ADAPTATION_HOME": str(bench.folder / "home"),
        "ADAPTATION_DATABASE_URL": store.database.url.render_as_string(hide_password=False),
    }
    argv = [sys.executable, "-m", "adaptation", "api", "--port", str(port)]
    return Command(argv, environment=environment)


def _bare(store: Store) -> None:
    """The rows of the newest jobs, and nothing else."""
    with store.database.read(one=True) as connection:
        connection.execute(text(BARE)).all()


def _fill_more(store: Store, jobs: int) -> None:
    """Jobs that wait, tasks and log lines of those that ended last, workers and clients."""
    kind = "sqlite" if store.database.is_sqlite else "postgresql"
    series, moment = SERIES[kind], {"now": int(time.time() * 1000)}
    parameters = PARAMETERS if kind == "sqlite" else f"CAST({PARAMETERS} AS JSON)"
    waiting = WAITING.format(first=LATER // 2, series=series, parameters=parameters)
    newest, last = {"newest": jobs}, min(LAST, jobs)
    with store.database.write() as connection:
        if kind == "postgresql":  # whose numbers were given by hand before
            connection.execute(text("SELECT setval('task_id_seq', (SELECT MAX(id) FROM task))"))
        connection.execute(text(waiting), {"many": QUEUED, **moment})
        for words, each in ((ENDED_TASKS, TASKS), (ENDED_LINES, LINES)):
            rows = text(words.format(each=each, series=series))
            connection.execute(rows, {"many": last * each, **newest, **moment})
    for number in range(WORKERS):
        facts = {"adaptation": "1.0", "encoders": ["libx264", "libx265"], "ffmpeg": "7.1"}
        process = Process(f"worker-{number}", f"host-{number}", number, 0, 2, facts=facts)
        store.sign_on(process)
    for number in range(CLIENTS):
        if number != 7:
            store.add_client(f"client-{number}", Role.CLIENT)
    with store.database.read() as connection:
        connection.execute(text("ANALYZE" if kind == "sqlite" else "VACUUM ANALYZE"))


def _cell(times: list[float]) -> str:
    return f"{median(times):.1f} / {_p95(times):.1f}"


def _p95(times: list[float]) -> float:
    return quantiles(times, n=100)[94]
