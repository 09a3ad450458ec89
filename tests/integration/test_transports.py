"""What brokers are known to do to long tasks and short memories, with the real ones.

RabbitMQ's consumer timeout is 2 s here, Redis' visibility timeout 1 s: a task of 4 s trips both.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from celery import Celery

import brokers
from adaptation.engine import controller
from adaptation.engine.states import TaskState
from adaptation.engine.transport import LEAST_WAITING
from brokers import CONSUMER_TIMEOUT_SECONDS, Broker, RabbitMQ, Redis
from engine_kit import HandWorker
from fleet import HASTY, RESTLESS, Fleet
from fleet_process import SUBMIT
from kinds import BY_RABBITMQ
from services import wait_until
from wire import Wire, wire_to

LONG_TIMEOUT_SECONDS = 60
LONG_SECONDS = CONSUMER_TIMEOUT_SECONDS * 2
AT_WORK_SECONDS = 2.0
PATIENCE_SECONDS = 10.0
AT_ONCE_SECONDS = 1.0
READY = 5000
LOOKS = 20
QUEUES = ("celery", "light", "heavy")


@pytest.fixture
def fleet(tmp_path: Path, broker: Broker) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path, "", broker.url, RESTLESS)
    yield fleet
    fleet.judge()
    fleet.store.close()


@pytest.fixture
def wire(broker: Broker) -> Iterator[Wire]:
    with wire_to(broker.port) as wire:
        yield wire


def test_a_task_longer_than_the_brokers_timeouts_runs_once(fleet: Fleet) -> None:
    with fleet.worker(slots=1):
        long = fleet.submit("work", seconds=LONG_SECONDS)
        assert wait_until(lambda: fleet.runs(long))
        # Their messages come while the only slot is taken, and must not wait in the worker.
        others = [fleet.submit("work") for _ in range(5)]
        ended = fleet.ended(long, *others)
        ended += fleet.ended(fleet.submit("work"))

    assert all(job.succeeded for job in ended)
    assert set(fleet.executed.values()) == {1}
    assert "the broker is away" not in fleet.log
    assert "Connection to broker lost" not in fleet.log


def test_a_submission_is_taken_while_every_slot_is_at_work(fleet: Fleet) -> None:
    client = Celery(broker=fleet.broker_url, set_as_current=False)
    with fleet.worker(slots=1):
        long = fleet.submit("work", seconds=AT_WORK_SECONDS)
        assert wait_until(lambda: fleet.runs(long))
        client.send_task(SUBMIT, ("work", {}), ignore_result=True)
        assert wait_until(lambda: len(fleet.store.jobs()) == 2)
        assert fleet.runs(long)
        fleet.ended(*fleet.store.jobs())
    client.close()


def test_a_broker_that_forgets_everything_delays_no_job_for_long(
    fleet: Fleet, broker: Broker
) -> None:
    with fleet.worker():
        job = fleet.submit("spread", width=6, seconds=0.5)
        assert wait_until(lambda: len(fleet.states(job)) > 2)
        broker.forget(*QUEUES)
        later = [fleet.submit("spread", width=2) for _ in range(3)]
        ended = fleet.ended(job, *later)

    assert all(job.succeeded for job in ended)
    assert set(fleet.executed.values()) == {1}


@BY_RABBITMQ
def test_a_broker_that_is_killed_and_comes_back_is_found_again(
    fleet: Fleet, broker: Broker
) -> None:
    with fleet.worker() as worker:
        job = fleet.submit("spread", width=4, seconds=AT_WORK_SECONDS)
        assert wait_until(lambda: fleet.states(job).count(TaskState.RUNNING) == 2)
        broker.kill()
        meanwhile = fleet.submit("spread", width=2)
        broker.start()
        after = fleet.submit("spread", width=2)
        ended = fleet.ended(job, meanwhile, after)
        assert worker.poll() is None

    assert all(job.succeeded for job in ended)
    assert set(fleet.executed.values()) == {1}


@BY_RABBITMQ
def test_while_the_broker_is_away_jobs_are_taken_and_run(fleet: Fleet, broker: Broker) -> None:
    with fleet.worker():
        broker.kill()
        jobs = [fleet.submit("spread", width=2) for _ in range(3)]
        ended = fleet.ended(*jobs)
        assert not broker.answers()
    broker.start()

    assert all(job.succeeded for job in ended)
    assert set(fleet.executed.values()) == {1}


def test_a_half_open_connection_is_noticed_and_made_anew(
    tmp_path: Path, broker: Broker, wire: Wire
) -> None:
    hasty = {"broker_heartbeat": 1, "broker_connection_timeout": 1}
    fleet = Fleet(tmp_path, "", broker.url, HASTY, hasty)
    with fleet.worker(broker_url=broker.url_over(wire.port)):
        job = fleet.submit("spread", width=4, seconds=0.5)
        assert wait_until(lambda: fleet.states(job).count(TaskState.RUNNING) == 2)
        wire.go_silent()
        ended = fleet.ended(job)
        assert wait_until(lambda: "the broker is away" in fleet.log, 20), fleet.log
        wire.mend()
        ended += fleet.ended(fleet.submit("spread", width=2))

    assert all(job.succeeded for job in ended)
    assert set(fleet.executed.values()) == {1}
    fleet.judge()
    fleet.store.close()


def test_a_reset_connection_is_made_anew(fleet: Fleet, broker: Broker, wire: Wire) -> None:
    with fleet.worker(broker_url=broker.url_over(wire.port)):
        job = fleet.submit("spread", width=4, seconds=0.5)
        assert wait_until(lambda: fleet.runs(job))
        wire.reset()
        ended = fleet.ended(job, fleet.submit("spread", width=2))

    assert all(job.succeeded for job in ended)
    assert set(fleet.executed.values()) == {1}


def test_a_silent_broker_holds_a_submission_for_seconds_and_the_next_not_at_all(
    tmp_path: Path, broker: Broker, wire: Wire
) -> None:
    fleet = Fleet(tmp_path, "", broker.url_over(wire.port), HASTY)
    fleet.submit("work")
    wire.go_silent()

    before = time.monotonic()
    held = fleet.submit("work")
    between = time.monotonic()
    assert between - before < PATIENCE_SECONDS
    assert fleet.engine.dispatcher.resting
    fleet.submit("work")
    assert time.monotonic() - between < AT_ONCE_SECONDS

    assert fleet.states(held) == [TaskState.READY]
    fleet.store.close()


class FullRabbitMQ(RabbitMQ):
    most_memory = "1MB"


@pytest.mark.parametrize("kind", [pytest.param(FullRabbitMQ, marks=pytest.mark.long), Redis])
def test_a_broker_that_takes_no_messages_delays_jobs_for_seconds(
    tmp_path: Path, kind: type[Broker]
) -> None:
    with brokers.running(kind, tmp_path) as broker:
        fleet = Fleet(tmp_path, "", broker.url, HASTY, {"look_seconds": 1.0})
        with fleet.worker():
            if isinstance(broker, Redis):
                broker.order(b"CONFIG SET maxmemory 1")
            (job,) = fleet.ended(fleet.submit("spread", width=4))
        assert wait_until(lambda: fleet.engine.dispatcher.missed)
        assert job.succeeded
        fleet.judge()
        fleet.store.close()


@BY_RABBITMQ
def test_messages_that_come_three_times_and_in_no_order_change_nothing(
    tmp_path: Path, broker: Broker
) -> None:
    fleet = Fleet(tmp_path, "", broker.url, RESTLESS, {"repeat": True})
    with fleet.worker(slots=3), fleet.worker(slots=3):
        jobs = fleet.ended(*(fleet.submit("spread", width=5) for _ in range(10)))

    assert all(job.succeeded for job in jobs)
    assert set(fleet.executed.values()) == {1}
    fleet.judge()
    fleet.store.close()


@BY_RABBITMQ
def test_thousands_of_ready_tasks_are_a_few_messages_however_often_they_are_sent(
    fleet: Fleet, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller, "RESEND_SECONDS", 0.0)
    hand = HandWorker(fleet.store, fleet.engine.registry, fleet.folder)
    job_id = hand.submit("spread", width=READY)
    claim = hand.claim(hand.ready()[0])
    assert claim is not None
    assert hand.complete(claim)
    looking = fleet.engine.node(slots=1).controller

    for _ in range(LOOKS):
        looking.dispatch()
        fleet.engine.dispatcher.send(fleet.store.due(0.0))
        assert 0 < broker.waiting("light") <= LEAST_WAITING

    fleet.store.cancel(job_id)
    with fleet.worker(slots=4):
        assert fleet.ended(fleet.submit("spread", width=300), timeout_seconds=60)[0].succeeded
        assert broker.waiting("light") <= LEAST_WAITING * 2, "the worker's, and ours"


class PatientRabbitMQ(RabbitMQ):
    consumer_timeout_seconds = LONG_TIMEOUT_SECONDS


@pytest.mark.long
def test_a_task_of_8_minutes_completes_once_where_timeouts_are_a_minute(tmp_path: Path) -> None:
    with ExitStack() as everything:
        work = []
        for kind in (PatientRabbitMQ, Redis):
            folder = tmp_path / kind.__name__
            folder.mkdir()
            broker = everything.enter_context(brokers.running(kind, folder))
            fleet = Fleet(folder, "", broker.url, {"visibility_timeout": LONG_TIMEOUT_SECONDS})
            everything.enter_context(fleet.worker(slots=1))
            work.append((fleet, fleet.submit("work", seconds=8 * 60)))
        for fleet, job in work:
            assert fleet.ended(job, timeout_seconds=10 * 60)[0].succeeded
            # Its worker still listens.
            assert fleet.ended(fleet.submit("work"))[0].succeeded
            assert set(fleet.executed.values()) == {1}
            assert "Connection to broker lost" not in fleet.log
            fleet.judge()
            fleet.store.close()
