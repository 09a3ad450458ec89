"""How much the engine itself costs: tasks that do nothing, beside bare commits to SQLite."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from celery import chain

from adaptation.engine.engine import Engine
from adaptation.engine.model import Job
from adaptation.engine.store import Store
from adaptation.engine.tasks import Registry, TaskRun, WorkflowDefinition, task

ROUNDS = 5
LENGTH = 400
"""Tasks of one chain."""
SUBMISSIONS = 40
POLL_SECONDS = 0.001

Figures = dict[str, list[float]]


@task("bench")
def nothing(context: dict[str, Any], run: TaskRun[Any]) -> dict[str, Any]:  # noqa: ARG001
    """Do nothing."""
    return context


def measure() -> Figures:
    """Several rounds, each measuring everything once, so that drift hits all alike.

    Returns:
        For each figure its value in every round.
    """
    figures: Figures = {}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder, _engine(Path(folder)) as engine:
            _add(figures, "bare commits/s", _bare_commits(Path(folder)))
            wall, cpu = _timed(partial(_run_chains, engine, 1))
            _add(figures, "one chain, tasks/s", LENGTH / wall)
            _add(figures, "one chain, CPU ms/task", 1000 * cpu / LENGTH)
            wall, cpu = _timed(partial(_run_chains, engine, 4))
            _add(figures, "four chains, tasks/s", 4 * LENGTH / wall)
            latencies = [_latency(engine) for _ in range(SUBMISSIONS)]
            _add(figures, "submit to first start, median ms", 1000 * median(latencies))
            _add(figures, "submit to first start, max ms", 1000 * max(latencies))
    ratios = [
        tasks / commits
        for tasks, commits in zip(
            figures["one chain, tasks/s"], figures["bare commits/s"], strict=True
        )
    ]
    figures["tasks per bare commit"] = ratios
    return figures


def table(figures: Figures) -> str:
    """The figures as a Markdown table: median and range over the rounds."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    lines = [
        f"engine, SQLite with synchronous=FULL, {ROUNDS} rounds, load {load}",
        "",
        "| figure | median | min | max |",
        "|---|---|---|---|",
    ]
    for name, values in figures.items():
        cells = [f"{value:.3g}" for value in (median(values), min(values), max(values))]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


@contextmanager
def _engine(folder: Path) -> Iterator[Engine]:
    @contextmanager
    def scratch(*_: int) -> Iterator[Path]:
        yield folder

    registry = Registry()
    registry.add_tasks(nothing)
    registry.add_workflow(
        WorkflowDefinition(
            "nothing", dict, lambda given: chain(*[nothing.s() for _ in range(given["length"])])
        )
    )
    store = Store(f"sqlite:///{folder / 'bench.db'}")
    engine = Engine(
        store=store,
        registry=registry,
        resources=None,
        scratch=scratch,
        remove_work=lambda _: None,
    )
    with engine.running(slots=2):
        yield engine
    store.close()


def _run_chains(engine: Engine, count: int) -> None:
    jobs = [engine.submit("nothing", {"length": LENGTH}) for _ in range(count)]
    for job in jobs:
        _wait(engine, job)


def _wait(engine: Engine, job: Job) -> None:
    while not engine.store.job(job.id).ended:
        time.sleep(10 * POLL_SECONDS)


def _latency(engine: Engine) -> float:
    """Seconds from the call of `submit` to the start of the first task."""
    begin = time.time()
    job = engine.submit("nothing", {"length": 1})
    _wait(engine, job)
    started = engine.store.tasks(job.id)[0].started_at
    if started is None:
        raise RuntimeError("the task never started")
    return max(0.0, started.timestamp() - begin)


def _bare_commits(folder: Path) -> float:
    """Durable commits of one row a second: what the disk and SQLite allow at most."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE row (value TEXT)")
    wall, _ = _timed(partial(_commit_rows, connection))
    connection.close()
    return LENGTH / wall


def _commit_rows(connection: sqlite3.Connection) -> None:
    for _ in range(LENGTH):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO row VALUES ('x')")
        connection.execute("COMMIT")


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def _add(figures: Figures, name: str, value: float) -> None:
    figures.setdefault(name, []).append(value)
