"""What brokers are known to do to long tasks and short memories, with the real ones.

RabbitMQ's consumer timeout is 2 s here, Redis' visibility timeout 1 s: a task of 4 s trips both.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adaptation.engine import rabbitmq
from adaptation.engine.states import TaskState
from adaptation.engine.transport import LEAST_WAITING
from brokers import CONSUMER_TIMEOUT_SECONDS, Broker
from fleet import Fleet
from services import wait_until
from wire import Wire, wire_to

LONG_SECONDS = CONSUMER_TIMEOUT_SECONDS * 2
AT_WORK_SECONDS = 2.0
PATIENCE_SECONDS = 15.0
"""A publisher's: an answer that does not come, then a connection that is not answered, twice."""
READY = 5000
QUEUES = ("celery", "light", "heavy")


@pytest.fixture
def fleet(tmp_path: Path, broker: Broker) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path, "", broker.url)
    yield fleet
    fleet.judge()
    fleet.store.close()


@pytest.fixture
def wire(broker: Broker) -> Iterator[Wire]:
    with wire_to(broker.port) as wire:
        yield wire


def impatient(fleet: Fleet) -> None:
    """Let Redis forget who took a message after a second."""
    options = dict(fleet.engine.app.conf.broker_transport_options)
    fleet.settings["broker_transport_options"] = options | {
        "visibility_timeout": 1,
        "unacked_restore_interval": 1,
    }


def test_a_task_longer_than_the_brokers_timeouts_runs_once(fleet: Fleet) -> None:
    impatient(fleet)
    with fleet.worker(slots=1):
        long = fleet.submit("work", seconds=LONG_SECONDS)
        assert wait_until(lambda: fleet.runs(long))
        # Their messages come while the only slot is taken, and must not wait in the worker.
        others = [fleet.submit("work") for _ in range(5)]
        ended = fleet.ended(long, *others)

    assert all(job.succeeded for job in ended)
    assert set(fleet.executed.values()) == {1}
    assert "the broker is away" not in fleet.log
    assert "Connection to broker lost" not in fleet.log


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
    fleet: Fleet, broker: Broker, wire: Wire
) -> None:
    with fleet.worker(broker_url=broker.url_over(wire.port)):
        job = fleet.submit("spread", width=4, seconds=0.5)
        assert wait_until(lambda: fleet.states(job).count(TaskState.RUNNING) == 2)
        wire.go_silent()
        ended = fleet.ended(job, timeout_seconds=30)
        assert wait_until(lambda: "the broker is away" in fleet.log, 20), fleet.log
        wire.mend()
        ended += fleet.ended(fleet.submit("spread", width=2))

    assert all(job.succeeded for job in ended)
    assert set(fleet.executed.values()) == {1}


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
    fleet = Fleet(tmp_path, "", broker.url_over(wire.port))
    fleet.submit("work")
    wire.go_silent()

    before = time.monotonic()
    held = fleet.submit("work")
    between = time.monotonic()
    assert between - before < PATIENCE_SECONDS
    assert fleet.engine.dispatcher.resting
    fleet.submit("work")
    assert time.monotonic() - between < rabbitmq.ANSWER_SECONDS

    assert fleet.states(held) == [TaskState.READY]
    fleet.store.close()


def test_messages_that_come_three_times_and_in_no_order_change_nothing(
    tmp_path: Path, broker: Broker
) -> None:
    fleet = Fleet(tmp_path, "", broker.url, {"repeat": True})
    with fleet.worker(slots=3), fleet.worker(slots=3):
        jobs = fleet.ended(*(fleet.submit("spread", width=5) for _ in range(10)))

    assert all(job.succeeded for job in jobs)
    assert set(fleet.executed.values()) == {1}
    fleet.judge()
    fleet.store.close()


def test_thousands_of_ready_tasks_are_a_few_messages(
    tmp_path: Path, broker: Broker, postgres_url: str
) -> None:
    fleet = Fleet(tmp_path, postgres_url, broker.url)
    with fleet.worker(slots=2):
        job = fleet.submit("spread", width=READY)
        most = 0
        while not fleet.store.job(job.id).ended:
            most = max(most, broker.waiting("light"))

    publishers = 2
    assert 0 < most <= publishers * LEAST_WAITING
    assert fleet.store.job(job.id).result == {"n": READY + 1, "seconds": 0.0}
    fleet.judge()
    fleet.store.close()
