"""Addresses that jobs wait for, on a real server: who answers well, and who delays nobody."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from adaptation.adapters import semaphore
from adaptation.engine.semaphores import AT_ONCE, OF_ONE_HOST, Semaphores
from adaptation.engine.states import JobState
from adaptation.engine.store import Store
from engine_kit import HandWorker, small_registry
from gates import Gates, serving
from services import HERE, free_port, wait_until

answers_well = partial(semaphore.answers_well, policy=HERE)


@pytest.fixture
def gates() -> Iterator[Gates]:
    gates = Gates()
    with serving(gates):
        yield gates


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[HandWorker]:
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    store.create()
    yield HandWorker(store, small_registry(), tmp_path)
    store.close()


@pytest.mark.parametrize(
    ("path", "good"), [(200, True), (204, True), (302, True), (404, False), (500, False)]
)
def test_an_address_answers_well_with_2xx_and_3xx(gates: Gates, path: int, good: bool) -> None:
    assert answers_well(gates.url(path), threading.Event()) is good
    assert gates.asked == [f"/{path}"], "a redirect is an answer, and is not followed"


def test_what_does_not_answer_in_time_or_at_all_does_not_answer_well(gates: Gates) -> None:
    assert not answers_well(gates.url("hang"), threading.Event(), timeout_seconds=0.2)
    assert not answers_well(f"http://127.0.0.1:{free_port()}/", threading.Event())


def test_addresses_that_hang_delay_no_others(gates: Gates, worker: HandWorker) -> None:
    store = worker.store
    hanging = [worker.queue(semaphore_url=gates.url(f"hang{n}")) for n in range(AT_ONCE)]
    good = worker.queue(semaphore_url=gates.url(204, "localhost"))
    same = worker.queue(semaphore_url=gates.url(204, "localhost"))
    closed = worker.queue(semaphore_url=gates.url(503, "localhost"))
    semaphores = Semaphores(store, answers_well)

    semaphores.look()

    try:
        assert wait_until(lambda: store.job(good).state is JobState.QUEUED)
        assert wait_until(lambda: "/503" in gates.asked)
        assert gates.asked.count("/204") == 1, "one question for all who wait for the answer"
        assert store.job(same).state is JobState.QUEUED
        assert store.job(closed).state is JobState.SCHEDULED
        assert sum(path.startswith("/hang") for path in gates.asked) <= OF_ONE_HOST
    finally:
        semaphores.stop()
    assert all(store.job(job_id).state is JobState.SCHEDULED for job_id in hanging)


def test_what_is_being_asked_is_not_asked_again(gates: Gates, worker: HandWorker) -> None:
    worker.queue(semaphore_url=gates.url("hang"))
    worker.store.set_setting("schedule_interval", 1)
    semaphores = Semaphores(worker.store, answers_well)

    semaphores.look()
    assert wait_until(lambda: gates.asked == ["/hang"])
    assert wait_until(lambda: worker.store.semaphores() != [], 5), "the next turn has come"
    worker.store.set_setting("schedule_interval", 60)
    semaphores.look()

    semaphores.stop()
    assert gates.asked == ["/hang"]
