"""Jobs posted while the API is killed every second: none is lost, none is doubled."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count

import httpx2
import pytest

from adaptation.engine.clients import Role
from adaptation.engine.lists import JobQuery
from adaptation.engine.store import Store
from adaptation.wiring import deploy
from command_line import started
from services import free_port

POSTS = 150
AT_ONCE = 4
KILLS = 3
ALIVE_SECONDS = 0.5
PATIENCE_SECONDS = 120.0
PAUSE_SECONDS = 0.2
"""Between two tries to reach a server that is dead."""
REST_SECONDS = 0.05
"""Between two jobs of a client when there are enough, but not yet of kills."""
FILM = "https://example.org/film.mp4"


@dataclass
class Killed:
    """A server that is killed and started again until told to stop."""

    port: int
    kills: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def live_and_die(self) -> None:
        """Serve; a second after each first answer, be killed."""
        while not self.over.is_set():
            with started("api", ADAPTATION_PORT=str(self.port)):
                self._await_answer()
                self.over.wait(ALIVE_SECONDS)
            self.kills += not self.over.is_set()

    def _await_answer(self) -> None:
        with httpx2.Client(trust_env=False) as client:
            while not self.over.wait(PAUSE_SECONDS):
                with contextlib.suppress(httpx2.TransportError):
                    client.get(f"http://127.0.0.1:{self.port}/")
                    return


@pytest.fixture
def store(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The database of the server."""
    monkeypatch.setenv("ADAPTATION_DATABASE_URL", postgres_url)
    store = deploy().store
    yield store
    store.close()


@pytest.mark.crash
def test_no_accepted_job_is_lost_or_doubled_while_the_api_is_killed(store: Store) -> None:
    _, key, _ = store.add_client("studio", Role.CLIENT)
    server = Killed(free_port())
    life = threading.Thread(target=server.live_and_die)
    life.start()
    numbers = count()

    def post_until_enough() -> list[tuple[int, int]]:
        """Post jobs, each until it is answered, until there were enough of them and of kills."""
        found = []
        with httpx2.Client(trust_env=False, timeout=10) as client:
            while (number := next(numbers)) < POSTS or server.kills < KILLS:
                found.append((number, post(client, server.port, key, number)))
                if number >= POSTS:
                    time.sleep(REST_SECONDS)
        return found

    with ThreadPoolExecutor(AT_ONCE) as pool:
        posting = [pool.submit(post_until_enough) for _ in range(AT_ONCE)]
        answered = [pair for one in posting for pair in one.result()]
    server.over.set()
    life.join()

    stored = store.list_jobs(JobQuery(limit=10 * POSTS))
    by_number = {job.parameters["content_id"]: job.id for job in stored}
    assert len(answered) >= POSTS
    assert server.kills >= KILLS
    assert len(stored) == len(by_number) == len(answered), "one job for each key"
    assert {str(number): job_id for number, job_id in answered} == by_number


def post(client: httpx2.Client, port: int, key: str, number: int) -> int:
    """The job's number, as soon as somebody says it."""
    until = time.monotonic() + PATIENCE_SECONDS
    headers = {"client": "studio", "api-key": key, "Idempotency-Key": f"film-{number}"}
    asked = {
        "job": {"workflow": "encoding_workflow"},
        "parameters": {"url": FILM, "content_id": str(number)},
    }
    while time.monotonic() < until:
        try:
            answer = client.post(f"http://127.0.0.1:{port}/job", json=asked, headers=headers)
        except httpx2.TransportError:
            time.sleep(PAUSE_SECONDS)
            continue
        assert answer.status_code in {200, 503}, answer.text
        if answer.status_code == 200:
            return int(answer.json()["id"])
    raise AssertionError(f"nobody answered job {number}")
