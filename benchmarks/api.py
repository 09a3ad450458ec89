"""What it costs to accept a job over HTTP, beside a server that does nothing but store a row."""

from __future__ import annotations

import http.client
import itertools
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from adaptation.engine.clients import Role
from adaptation.engine.store import Store
from benchmarks.processes import BenchError, Command
from benchmarks.progress import Progress
from benchmarks.report import spread, table
from benchmarks.serving import Server, serving
from benchmarks.setup import Bench

REQUESTS = 800
"""Of each server, a round."""
WARM = 100
"""Before the rounds, of each."""
CONNECTIONS = 8
"""Kept open, each with one request under way."""
LEAST_RATE = 0.25
"""Of the bare server's."""
MOST_P99 = 4.0
SERVERS = ("ours", "bare")

Figures = dict[str, list[float]]
_numbers = itertools.count(1)


def measure(bench: Bench) -> dict[str, Any]:
    """Both servers run all the time and take requests in turn.

    Returns:
        For each server the requests a second, p50 and p99 and the server's CPU time of a request,
        in milliseconds, one value a round.
    """
    folder = bench.made("api")
    found: dict[str, Figures] = {name: {} for name in SERVERS}
    progress = Progress("api", bench.setup.rounds * len(SERVERS))
    with _ours(folder) as ours, _bare(folder) as bare:
        sends = {"ours": ours, "bare": bare}
        for send in sends.values():
            _load(send, WARM)
        for number in range(bench.setup.rounds):
            for name in SERVERS if number % 2 else SERVERS[::-1]:
                progress.step(f"round {number + 1} of {bench.setup.rounds}, {name}")
                for figure, value in _load(sends[name], REQUESTS).items():
                    found[name].setdefault(figure, []).append(value)
    return {"servers": found}


def report(document: dict[str, Any]) -> str:
    """Medians, ranges, and what is aimed at."""
    ours, bare = (document["servers"][name] for name in SERVERS)
    ratios = {name: median(ours[name]) / median(bare[name]) for name in ours}
    rows = [
        [name, spread(ours[name], 2), spread(bare[name], 2), f"{ratios[name]:.3g}"] for name in ours
    ]
    rate, last = ratios["requests/s"], ratios["p99 ms"]
    aims = [
        f"Rate: {rate:.3g} of the bare server's (aim: at least {LEAST_RATE}, "
        f"{'met' if rate >= LEAST_RATE else 'missed'}).",
        f"p99: {last:.3g} times (aim: at most {MOST_P99:g}, "
        f"{'met' if last <= MOST_P99 else 'missed'}).",
    ]
    return f"{table(['figure', 'ours', 'bare', 'ratio'], rows)}\n\n{' '.join(aims)}"


class Sender:
    """Submits jobs to one server, over one connection for each thread."""

    def __init__(self, server: Server, headers: dict[str, str]) -> None:
        self.server = server
        self.headers = {"Content-Type": "application/json", **headers}

    def send(self, connection: http.client.HTTPConnection) -> float:
        """Submit one job; how long it took, in milliseconds."""
        film = {
            "url": "https://example.org/film.mp4",
            "output_folder": f"films/{next(_numbers)}",
            "content_id": "film",
        }
        body = json.dumps({"job": {"workflow": "encoding_workflow"}, "parameters": film})
        begin = time.perf_counter()
        connection.request("POST", "/job", body, self.headers)
        answer = connection.getresponse()
        told = answer.read()
        if answer.status != 200:
            raise BenchError(f"a job was refused: {told.decode()}")
        return 1000 * (time.perf_counter() - begin)


def _load(sender: Sender, requests: int) -> dict[str, float]:
    """Requests over all connections at once."""
    each = requests // CONNECTIONS
    before, begin = sender.server.cpu_seconds(), time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        parts = list(pool.map(partial(_some, sender), [each] * CONNECTIONS))
    wall, cpu = time.perf_counter() - begin, sender.server.cpu_seconds() - before
    times = [value for part in parts for value in part]
    return {
        "requests/s": len(times) / wall,
        "p50 ms": median(times),
        "p99 ms": quantiles(times, n=100)[98],
        "CPU ms/request": 1000 * cpu / len(times),
    }


def _some(sender: Sender, requests: int) -> list[float]:
    connection = sender.server.connect()
    try:
        return [sender.send(connection) for _ in range(requests)]
    finally:
        connection.close()


@contextmanager
def _ours(folder: Path) -> Iterator[Sender]:
    home = folder / "home"
    store = Store(f"sqlite:///{home / 'adaptation.db'}")
    store.migrate()
    key = store.add_client("bench", Role.CLIENT)[1]
    store.close()
    environment = {"ADAPTATION_HOME": str(home), "ADAPTATION_DATABASE_URL": ""}

    def command(port: int) -> Command:
        words = ["-m", "adaptation", "api", "--port", str(port)]
        return Command([sys.executable, *words], environment=environment)

    with serving(command) as server:
        yield Sender(server, {"client": "bench", "api-key": key})


@contextmanager
def _bare(folder: Path) -> Iterator[Sender]:
    def command(port: int) -> Command:
        words = ["-m", "benchmarks.bare_api", str(folder / "bare.db"), str(port)]
        return Command([sys.executable, *words])

    with serving(command) as server:
        yield Sender(server, {})
