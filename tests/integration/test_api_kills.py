"""kill -9 of the API at any moment: what was answered is there, and nothing is there twice."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from adaptation.engine.clients import Role
from adaptation.engine.lists import JobQuery
from adaptation.engine.store import Store
from engine_kit import broken_invariants
from services import free_port, wait_until

JOBS, CLIENTS = 500, 4
UP_SECONDS = 1.0
START_SECONDS = 60.0
PAUSE_SECONDS = 0.05
"""Before a request is sent again that met nobody."""


class Sender:
    """Submits jobs, each under a key of its own and again until it is answered."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.headers = {"client": "client", "api-key": key}
        self.answered: dict[str, int] = {}
        self.unheard = 0
        """Requests that were cut off or met nobody."""
        self._pause = threading.Event()

    def send(self, numbers: range) -> None:
        with httpx2.Client(trust_env=False, timeout=20) as web:
            for number in numbers:
                self.answered[f"key-{number}"] = self._send(web, number)

    def _send(self, web: httpx2.Client, number: int) -> int:
        film = {"url": "https://example.org/film.mp4", "output_folder": f"films/{number}"}
        body = {"job": {"workflow": "encoding_workflow"}, "parameters": film}
        headers = {**self.headers, "Idempotency-Key": f"key-{number}"}
        while True:
            try:
                answer = web.post(f"{self.url}/job", json=body, headers=headers)
            except httpx2.TransportError:
                self.unheard += 1
                self._pause.wait(PAUSE_SECONDS)
                continue
            assert answer.status_code == 200, answer.text
            return int(answer.json()["id"])


@contextmanager
def api_process(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """`adaptation api`, killed at the end."""
    command = [sys.executable, "-m", "adaptation", "api", "--port", str(port)]
    paths = os.pathsep.join(path for path in sys.path if path)
    quiet = subprocess.DEVNULL
    environment = {**os.environ, "PYTHONPATH": paths}
    process = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        return httpx2.get(url, trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False


@pytest.mark.slow
@pytest.mark.crash
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_500_jobs_are_stored_once_while_the_api_is_killed_again_and_again(
    kind: str, home: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = f"sqlite:///{home / 'adaptation.db'}"
    if kind == "postgresql":
        database = request.getfixturevalue("postgres_url")
    monkeypatch.setenv("ADAPTATION_DATABASE_URL", database)
    store = Store(database)
    store.migrate()
    port = free_port()
    sender = Sender(f"http://127.0.0.1:{port}", store.add_client("client", Role.CLIENT)[1])
    chance = random.Random(500)
    kills = 0

    with ThreadPoolExecutor(CLIENTS) as pool:
        work: list[Future[None]] = [
            pool.submit(sender.send, range(first, JOBS, CLIENTS)) for first in range(CLIENTS)
        ]
        while not all(part.done() for part in work):
            with api_process(port):
                assert wait_until(lambda: answers(sender.url), START_SECONDS)
                up = chance.uniform(0.5, 1.5) * UP_SECONDS
                wait_until(lambda: all(part.done() for part in work), up)
            kills += 1
    for part in work:
        part.result()

    stored = store.list_jobs(JobQuery(limit=10 * JOBS))
    assert kills >= 3, "the storm was too calm to prove anything"
    assert sender.unheard > 0
    assert len(sender.answered) == len(stored) == JOBS
    assert set(sender.answered.values()) == {job.id for job in stored}
    folders = {str(job.parameters["output_folder"]) for job in stored}
    assert len(folders) == JOBS
    assert broken_invariants(store) == []
    store.close()
