"""What the API takes while two films are encoded and hundreds look at the page of one of them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from adaptation.engine.clients import Role
from adaptation.engine.store import Store
from benchmarks import product
from benchmarks.capabilities import PROGRAM
from benchmarks.processes import BenchError, Command, run, started, wait_until
from benchmarks.progress import note
from benchmarks.report import aim, table
from benchmarks.serving import Server, got, serving
from benchmarks.setup import Bench
from benchmarks.sources import make_source

LISTENERS = 200
ENCODES = 2
SECONDS = 240
"""Of the source: the first job, which takes all slots, outlasts all that is measured."""
CALLS = 100
"""Of each kind of request, under each condition."""
BETWEEN_SECONDS = 0.02
"""Between two requests: what is measured is how long one takes, not how many there can be."""
WARM = 20
PATHS = ("/jobs/1", "/jobs?limit=50", "/jobs/1/tasks", "/logs/1", "/dashboard")
LATER = {
    "job": {"workflow": "encoding_workflow", "run_at": "2090-01-01T00:00:00.000Z"},
    "parameters": {"url": "https://example.org/film.mp4", "content_id": "later"},
}
"""Job 1, which is asked for: the same under all conditions."""
START_SECONDS = 600.0
MOST_RATIO = 3.0
IDLE, ENCODING, WATCHED = "nothing runs", f"{ENCODES} encodes", f"{LISTENERS} listeners, too"

Times = dict[str, list[float]]


def measure(bench: Bench) -> dict[str, Any]:
    """One server: idle, then with two encodes, then with the listeners as well.

    Returns:
        Milliseconds of each request under each condition, the server's CPU seconds a second, and
        what the listeners heard.
    """
    home = bench.made("listeners")
    store = Store(f"sqlite:///{home / 'home' / 'adaptation.db'}")
    store.migrate()
    key = store.add_client("bench", Role.ADMIN)[1]
    try:
        with serving(partial(_command, home)) as server:
            return _conditions(bench, server, store, key)
    finally:
        store.close()


def report(document: dict[str, Any]) -> str:
    """Median and p95 under each condition, and what is aimed at."""
    found = document["milliseconds"]
    all_of = {name: [ms for own in times.values() for ms in own] for name, times in found.items()}
    rows = [
        [request, *(f"{median(t[request]):.1f} / {_p95(t[request]):.1f}" for t in found.values())]
        for request in found[IDLE]
    ]
    rows.append(["all", *(f"{median(own):.1f} / {_p95(own):.1f}" for own in all_of.values())])
    rows.append(["server, CPU s/s", *(f"{own:.2f}" for own in document["cpu"].values())])
    heard = document["heard"]
    ratio = _p95(all_of[WATCHED]) / _p95(all_of[IDLE])
    alone = _p95(all_of[WATCHED]) / _p95(all_of[ENCODING])
    return "\n\n".join(
        [
            table(["ms p50 / p95", *found], rows),
            f"p95 with listeners against nothing: {aim(ratio, MOST_RATIO)};"
            f" against the encodes alone: {alone:.2f}.",
            f"{len(heard['events'])} listeners heard {min(heard['events'])} to"
            f" {max(heard['events'])} events each, {sum(heard['bytes']) / 1e6:.0f} MB in all,"
            f" within {document['seconds']:.0f} s.",
        ]
    )


def _conditions(bench: Bench, server: Server, store: Store, key: str) -> dict[str, Any]:
    note("making the source")
    source = make_source(bench, (bench.setup.lengths or (SECONDS,))[0])
    headers = {"client": "bench", "api-key": key}
    found: dict[str, Times] = {}
    cpu: dict[str, float] = {}

    def look(condition: str) -> float:
        note(f"listeners: {condition}")
        begin, used = time.perf_counter(), server.cpu_seconds()
        found[condition] = _requests(server, headers)
        wall = time.perf_counter() - begin
        cpu[condition] = (server.cpu_seconds() - used) / wall
        return wall

    _schedule(server, headers)
    look(IDLE)
    jobs = [_submitted(bench, source, number) for number in range(ENCODES)]
    if not wait_until(lambda: _encodes(store, jobs) == ENCODES, START_SECONDS, 0.2):
        raise BenchError("the encodes do not begin")
    look(ENCODING)
    cookie = server.signed_in("bench", key)["Cookie"]
    with _listeners(server, f"/ui/jobs/{jobs[0]}/live", cookie) as heard:
        wall = look(WATCHED)
    if store.job(jobs[0]).ended:
        raise BenchError("the job has ended before its time: take a longer source (--lengths)")
    return {"milliseconds": found, "cpu": cpu, "heard": heard, "seconds": wall}


def _requests(server: Server, headers: dict[str, str]) -> Times:
    """Each kind of request in turn, one after another."""
    times: Times = {}
    connection = server.connect()
    for number in range(CALLS + WARM):
        for path in PATHS:
            begin = time.perf_counter()
            got(connection, path, headers)
            if number >= WARM:
                times.setdefault(path, []).append(1000 * (time.perf_counter() - begin))
            time.sleep(BETWEEN_SECONDS)
    connection.close()
    return times


def _schedule(server: Server, headers: dict[str, str]) -> None:
    connection = server.connect()
    sent_as = {"Content-Type": "application/json", **headers}
    connection.request("POST", "/job", json.dumps(LATER), sent_as)
    told = json.loads(connection.getresponse().read())
    connection.close()
    if told.get("id") != 1:
        raise BenchError(f"a job was refused: {told}")


def _submitted(bench: Bench, source: Path, number: int) -> int:
    home = bench.folder / "listeners"
    argv = [*PROGRAM, "submit", str(source), str(home / f"asset-{number}"), "--json"]
    command = Command([*argv, *product.request(bench.setup)], environment=product.home(home))
    return int(json.loads(run(command))["job_id"])


def _encodes(store: Store, jobs: list[int]) -> int:
    """How many encodes run: of one job or of several, the queue decides."""
    running = (task for tasks in store.running_in(jobs).values() for task in tasks)
    return sum(one.name == "encode_chunk" and one.progress > 0 for one in running)


@contextmanager
def _listeners(server: Server, path: str, cookie: str) -> Iterator[dict[str, Any]]:
    """All of them for the length of a block; what they heard is there after it."""
    words = ["-m", "benchmarks.listening", str(server.port), path, cookie, str(LISTENERS)]
    command = Command([sys.executable, *words])
    heard: dict[str, Any] = {}
    with started(command, subprocess.DEVNULL, subprocess.PIPE) as process:
        out = process.stdout
        if out is None or out.readline() != b"open\n":
            raise BenchError("the listeners do not hear anything")
        yield heard
        process.terminate()
        heard |= json.loads(out.read())


def _command(home: Path, port: int) -> Command:
    environment = {**product.home(home), "ADAPTATION_DATABASE_URL": ""}
    argv = [*PROGRAM, "serve", "--port", str(port), "--slots", str(ENCODES)]
    return Command(argv, environment=environment)


def _p95(times: list[float]) -> float:
    return quantiles(times, n=100)[94]
