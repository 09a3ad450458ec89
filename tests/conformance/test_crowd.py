"""Everybody at once on one PostgreSQL: nothing deadlocks for good, nothing is lost or doubled."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text, update

from adaptation.engine.changes import Change
from adaptation.engine.control import StateForbids
from adaptation.engine.model import Claim
from adaptation.engine.moves import Beat
from adaptation.engine.schema import task
from adaptation.engine.states import TaskState
from adaptation.engine.store import Store
from engine_kit import HandWorker, broken_invariants, small_registry
from services import wait_until

QUEUES = ("heavy", "light")
SHORT_LEASE_SECONDS = 0.05
"""Short enough to run out under a worker that waits for its turn."""
STORM_SECONDS = 3.0
MOST_JOBS = 120


class Crowd:
    """Threads that each do one kind of thing again and again until told to stop."""

    def __init__(self, seconds: float) -> None:
        self._over = threading.Event()
        self._timer = threading.Timer(seconds, self._over.set)
        self._threads: list[threading.Thread] = []
        self.errors: list[BaseException] = []

    def add(self, deed: Callable[[random.Random], None]) -> None:
        chance = random.Random(len(self._threads))
        self._threads.append(threading.Thread(target=self._go_on, args=(deed, chance)))

    def run(self) -> None:
        self._timer.start()
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            thread.join()
        self._timer.join()

    def _go_on(self, deed: Callable[[random.Random], None], chance: random.Random) -> None:
        while not self._over.is_set() and not self.errors:
            try:
                deed(chance)
            except Exception as error:  # noqa: BLE001 - judged by who started the threads
                self.errors.append(error)


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    store = Store(postgres_url)
    store.create()
    yield store
    store.close()


class Deeds:
    """What workers, clients, people and controllers do to one store."""

    def __init__(self, worker: HandWorker) -> None:
        self.worker = worker
        self.store = worker.store
        self.jobs = [worker.submit("fan", width=number % 5) for number in range(8)]
        self._held: dict[int, Claim] = {}

    def work(self, chance: random.Random) -> None:
        lease = SHORT_LEASE_SECONDS if chance.random() < 0.3 else 30.0
        room = chance.choice([None, 1])
        claim = self.store.claim_next(QUEUES, "w", lease, scratch_free=room)
        if claim is None:
            return
        self._held[claim.task_id] = claim
        ending = chance.random()
        if ending < 0.1:
            retry = 0.0 if ending < 0.09 else None
            self.store.fail(claim, {"code": "x"}, retry_in_seconds=retry)
        elif ending < 0.2:
            self.store.give_back(claim)
        elif ending < 0.95:
            self.worker.complete(claim)
        self._held.pop(claim.task_id, None)

    def beat(self, chance: random.Random) -> None:
        claims = list(self._held.values())
        chance.shuffle(claims)
        beats = [Beat(c.task_id, c.generation, c.job_id, 0.5, None, ((20, "x"),)) for c in claims]
        self.store.heartbeat("w", beats, 0.2)

    def submit(self, chance: random.Random) -> None:
        if len(self.jobs) < MOST_JOBS:
            self.jobs.append(self.worker.submit("fan", width=chance.randrange(6)))

    def meddle(self, chance: random.Random) -> None:
        store = self.store
        deeds: list[Callable[[int], object]] = [store.pause, store.forgive_losses, store.resume]
        deeds += [store.resume] * 2
        deeds += [lambda job_id: store.change(job_id, Change(priority=chance.randint(1, 10)))]
        deeds += [store.retry] if chance.random() < 0.3 else []
        deeds += [store.cancel] if chance.random() < 0.1 else []
        with suppress(StateForbids):
            chance.choice(deeds)(chance.choice(self.jobs))

    def control(self, chance: random.Random) -> None:
        self.store.admit()
        self.store.due(resend_seconds=0)
        self.store.expire()
        self.store.lead("sweep", f"c{chance.randrange(3)}", 0.01)
        self.store.give_up_work(keep_failed_seconds=3600)
        self.store.queue_due()
        self.store.clean_up()
        self.store.add_up()
        self.store.counts()
        self.store.bury("nobody")


def test_a_crowd_on_one_database_ends_every_job_once(store: Store, tmp_path: Path) -> None:
    worker = HandWorker(store, small_registry(), tmp_path)
    deeds = Deeds(worker)
    crowd = Crowd(STORM_SECONDS)
    for deed in (*[deeds.work] * 4, *[deeds.beat, deeds.meddle, deeds.control] * 2, deeds.submit):
        crowd.add(deed)

    crowd.run()

    assert crowd.errors == []
    assert _deadlocks(store) == 0
    assert broken_invariants(store) == []
    _finish(worker, deeds.jobs)
    assert broken_invariants(store) == []
    assert all(store.job(job_id).ended for job_id in deeds.jobs)


def _deadlocks(store: Store) -> int:
    """How many transactions the server had to sacrifice in this database."""
    count = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    with store.database.read() as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        return int(connection.execute(count).scalar_one())


def _finish(worker: HandWorker, jobs: list[int]) -> None:
    """Run what is left of all jobs, the tasks of workers that were never heard of again too."""
    store = worker.store
    with store.database.write() as connection:
        running = task.c.state == TaskState.RUNNING
        connection.execute(update(task).where(running).values(lease_until=1))

    def go_on() -> bool:
        store.expire()
        for job_id in jobs:
            store.forgive_losses(job_id)
            store.resume(job_id)
        worker.run_all()
        return all(store.job(job_id).ended for job_id in jobs)

    assert wait_until(go_on, 60)
