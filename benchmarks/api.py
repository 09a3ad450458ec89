"""How quickly jobs are taken over HTTP, beside a bare FastAPI that inserts one row."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx2
import psutil

from adaptation.engine.clients import Role
from adaptation.engine.store import Store
from benchmarks.progress import note
from benchmarks.report import table
from benchmarks.setup import Bench

THREADS = 8
SECONDS = 5.0
"""Of each server, a round."""
START_SECONDS = 30.0
PORTS = {"bare": 8191, "adaptation": 8192}
BODY = {
    "job": {"workflow": "encoding_workflow", "priority": 5},
    "parameters": {"url": "https://example.org/film.mp4", "content_id": "film-42"},
}

Figures = dict[str, list[float]]


def measure(bench: Bench) -> dict[str, Any]:
    """Rounds of both servers in turn, so that drift hits them alike.

    Returns:
        For each server requests a second, p50 and p99 in ms and CPU ms a request, one value a
        round; and the ratios to the bare server.
    """
    folder = bench.folder
    store = Store(f"sqlite:///{folder / 'home' / 'adaptation.db'}")
    store.migrate()
    _, key, _ = store.add_client("bench", Role.CLIENT)
    store.close()
    headers = {"client": "bench", "api-key": key}
    found: dict[str, Figures] = {name: {} for name in PORTS}
    with _servers(folder) as processes:
        for number in range(bench.setup.rounds):
            note(f"api: round {number + 1}")
            for name, process in processes.items():
                before = _cpu_seconds(process)
                times = _post(PORTS[name], headers if name == "adaptation" else {})
                cpu = 1000 * (_cpu_seconds(process) - before) / len(times)
                high = quantiles(times, n=100)[98]
                round_of = {
                    "requests/s": len(times) / SECONDS,
                    "p50 ms": median(times),
                    "p99 ms": high,
                    "CPU ms/request": cpu,
                }
                for figure, value in round_of.items():
                    found[name].setdefault(figure, []).append(value)
    return {"servers": found}


def report(document: dict[str, Any]) -> str:
    """Medians of the rounds, and ours beside the bare one's."""
    bare, ours = (document["servers"][name] for name in PORTS)
    rows = []
    for figure, values in ours.items():
        ratios = [mine / other for mine, other in zip(values, bare[figure], strict=True)]
        cells = [f"{median(bare[figure]):.3g}", f"{median(values):.3g}", f"{median(ratios):.2f}"]
        rows.append([figure, *cells])
    return table(["POST /job", "bare", "adaptation", "ratio"], rows)


@contextmanager
def _servers(folder: Path) -> Iterator[Mapping[str, subprocess.Popen[bytes]]]:
    environment = {**os.environ, "ADAPTATION_HOME": str(folder / "home")}
    port = str(PORTS["bare"])
    commands = {
        "bare": ["-m", "benchmarks.bare_server", str(folder / "bare.db"), port],
        "adaptation": ["-m", "adaptation", "--log-level", "warning", "api", "--port"],
    }
    commands["adaptation"].append(str(PORTS["adaptation"]))
    processes = {
        name: subprocess.Popen([sys.executable, *words], env=environment)
        for name, words in commands.items()
    }
    try:
        for name in processes:
            _await(PORTS[name])
        yield processes
    finally:
        for process in processes.values():
            process.terminate()
            process.wait()


def _await(port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            httpx2.get(f"http://127.0.0.1:{port}/", trust_env=False)
        except httpx2.TransportError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"nobody answers on port {port}")


def _post(port: int, headers: Mapping[str, str]) -> list[float]:
    """Milliseconds of each answer, of several threads that post as quickly as they can."""
    over = time.monotonic() + SECONDS
    times: list[float] = []

    def work() -> None:
        with httpx2.Client(trust_env=False, headers=headers) as client:
            while time.monotonic() < over:
                begin = time.perf_counter()
                answer = client.post(f"http://127.0.0.1:{port}/job", json=BODY)
                times.append(1000 * (time.perf_counter() - begin))
                answer.raise_for_status()

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def _cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    spent = psutil.Process(process.pid).cpu_times()
    return float(spent.user + spent.system)
