"""One worker against two, each on a processor of its own, with Redis between them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from adaptation.engine.store import Store
from benchmarks import product
from benchmarks.capabilities import PROGRAM
from benchmarks.processes import BenchError, Command, run, started, wait_until
from benchmarks.progress import Progress, note
from benchmarks.report import aim, column, ratio, spread, table
from benchmarks.setup import LADDER, Bench
from benchmarks.sources import make_source

LENGTHS = (120,)
"""Seconds of the source."""
RUNGS = LADDER[2:]
"""A small ladder: what is measured is how a job is shared, not how long it takes."""
WORKERS = (1, 2)
PARALLEL_CHUNKS = 2
"""The same plan for one worker as for two."""
MOST_RATIO = 0.53
READY_SECONDS = 60.0
JOB_SECONDS = 3600.0
POLL_SECONDS = 0.1


def measure(bench: Bench) -> dict[str, Any]:
    """One worker and two in turn, over several rounds.

    Returns:
        JSON with the job's seconds from submission to its end, and the chunks that each worker
        encoded, by number of workers.

    Raises:
        BenchError: Redis, taskset or a second processor is missing, or a job failed.
    """
    processors = sorted(os.sched_getaffinity(0))
    missing = [name for name in ("redis-server", "taskset") if shutil.which(name) is None]
    if missing or len(processors) < max(WORKERS):
        raise BenchError(f"this needs two processors, redis-server and taskset; missing: {missing}")
    bench = replace(bench, setup=replace(bench.setup, rungs=_small(bench)))
    (seconds,) = bench.setup.lengths or LENGTHS
    note("making the source")
    source = make_source(bench, seconds)
    progress = Progress("scaling", bench.setup.rounds * len(WORKERS))
    runs: dict[str, list[dict[str, Any]]] = {str(count): [] for count in WORKERS}
    for number in range(bench.setup.rounds):
        for count in WORKERS if number % 2 == 0 else WORKERS[::-1]:
            progress.step(f"round {number + 1} of {bench.setup.rounds}, {count} workers")
            runs[str(count)].append(_run(bench, source, processors[:count]))
    rungs = product.ladder(bench.setup.rungs)
    return {"runs": runs, "source_seconds": seconds, "ladder": rungs}


def report(document: dict[str, Any]) -> str:
    """The figures as Markdown."""
    runs = document["runs"]
    walls = {count: column(own, "wall_seconds") for count, own in runs.items()}
    rows = [[count, spread(walls[count]), str(own[-1]["chunks"])] for count, own in runs.items()]
    about = f"{document['source_seconds']} s source to {document['ladder']}."
    found = aim(ratio(walls["2"], walls["1"]), MOST_RATIO)
    parts = [about, table(["workers", "wall s", "chunks each"], rows), f"Two against one: {found}."]
    return "\n\n".join(parts)


def _small(bench: Bench) -> Any:
    return RUNGS if bench.setup.rungs == LADDER else bench.setup.rungs


def _run(bench: Bench, source: Path, processors: list[int]) -> dict[str, Any]:
    """One job by one worker on each of the processors."""
    out = bench.made("scaling")
    with ExitStack() as stack:
        variables = {
            **product.home(out),
            "ADAPTATION_BROKER_URL": stack.enter_context(_redis(out)),
            "ADAPTATION_PARALLEL_CHUNKS": str(PARALLEL_CHUNKS),
        }
        log = stack.enter_context((out / "workers.log").open("wb"))
        for processor in processors:
            argv = ["taskset", "-c", str(processor), *PROGRAM, "worker", "--slots", "1"]
            stack.enter_context(started(Command(argv, environment=variables), log.fileno()))
        _await_workers(out, len(processors))
        ended = _ended_job(bench, source, out, variables)
    shutil.rmtree(out)
    return ended


def _await_workers(out: Path, count: int) -> None:
    """Wait until all workers say in their log that they wait for work."""
    log = out / "workers.log"
    if not wait_until(lambda: log.read_text().count(" ready") == count, READY_SECONDS):
        raise BenchError(f"the workers do not start:\n{log.read_text()[-2000:]}")


def _ended_job(bench: Bench, source: Path, out: Path, variables: dict[str, str]) -> dict[str, Any]:
    """Submit the job and wait for its end; how long it took, and who encoded how many chunks."""
    submit = [*PROGRAM, "submit", str(source), str(out / "asset"), "--json"]
    command = Command([*submit, *product.request(bench.setup)], environment=variables)
    number = json.loads(run(command))["job_id"]
    store = Store(f"sqlite:///{out / 'home' / 'adaptation.db'}")
    try:
        if not wait_until(lambda: store.job(number).ended, JOB_SECONDS, POLL_SECONDS):
            raise BenchError("the job does not end")
        job = store.job(number)
        if job.finished_at is None or not job.succeeded:
            raise BenchError(f"the job did not succeed: {job.error}")
        workers = [task.worker_id for task in store.tasks(number) if task.name == "encode_chunk"]
    finally:
        store.close()
    return {
        "wall_seconds": (job.finished_at - job.created_at).total_seconds(),
        "chunks": sorted(Counter(workers).values()),
    }


@contextmanager
def _redis(folder: Path) -> Iterator[str]:
    """A Redis of our own on the loopback that keeps nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = int(server.getsockname()[1])
    options = {"port": str(port), "bind": "127.0.0.1", "save": "", "dir": str(folder)}
    flags = [word for name, value in options.items() for word in (f"--{name}", value)]
    with started(Command(["redis-server", *flags]), subprocess.DEVNULL) as server_process:
        if not wait_until(lambda: _answers(port), READY_SECONDS, POLL_SECONDS):
            raise BenchError(f"redis-server does not answer, status {server_process.poll()}")
        yield f"redis://127.0.0.1:{port}/0"


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(16).startswith(b"+PONG")
    return False
