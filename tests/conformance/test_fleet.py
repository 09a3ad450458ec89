"""What a fleet does, whatever carries its messages and holds its truth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from kombu import Connection
from sqlalchemy import select

from adaptation.engine.model import Job
from adaptation.engine.schema import attempt
from adaptation.engine.states import JobState, TaskState, Wish
from brokers import Broker
from fleet import Fleet
from postgres import Postgres
from services import wait_until

FLEETS = ["sqlite-memory", "postgresql-rabbitmq", "postgresql-redis"]
START_SECONDS = 2.0
"""Less than the 5 s after which a message is held to be lost."""


@pytest.fixture(scope="module", params=FLEETS)
def fleet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Two workers of one slot each; the jobs come from a third process.

    Messages inside a process reach no other, so without a broker there is one worker.
    """
    folder = tmp_path_factory.mktemp("fleet")
    database, _, carrier = request.param.partition("-")
    fleet = Fleet(folder, database_for(request, database, folder), broker_for(request, carrier))
    workers, slots = (1, 2) if carrier == "memory" else (2, 1)
    with ExitStack() as running:
        for _ in range(workers):
            running.enter_context(fleet.worker(slots=slots))
        yield fleet
    fleet.judge()
    fleet.store.close()


def database_for(request: pytest.FixtureRequest, kind: str, folder: Path) -> str:
    if kind == "sqlite":
        return f"sqlite:///{folder / 'engine.db'}"
    server: Postgres = request.getfixturevalue("postgres_server")
    template: str = request.getfixturevalue("postgres_template")
    return server.make_database(template.rpartition("/")[2])


def broker_for(request: pytest.FixtureRequest, kind: str) -> str:
    if kind == "memory":
        return "memory://"
    server: Broker = request.getfixturevalue(f"{kind}_server")
    server.empty("celery", "light", "heavy")
    return server.url


def test_a_job_fans_out_and_comes_together(fleet: Fleet) -> None:
    (job,) = fleet.ended(fleet.submit("spread", width=6))

    assert job.result == {"n": 7, "seconds": 0.0}
    assert fleet.states(job) == [TaskState.DONE] * 9


def test_all_workers_share_a_job(fleet: Fleet) -> None:
    (job,) = fleet.ended(fleet.submit("spread", width=6, seconds=0.3))

    ids = [task.id for task in fleet.store.tasks(job.id)]
    with fleet.store.database.read() as connection:
        found = select(attempt.c.worker_id).where(attempt.c.task_id.in_(ids)).distinct()
        assert len(connection.execute(found).all()) == len(fleet.store.processes())
    assert {fleet.executed[number] for number in ids if number in fleet.executed} == {1}


def test_a_cancel_stops_what_runs_and_frees_its_slot(fleet: Fleet) -> None:
    jobs = [fleet.submit("work", seconds=600) for _ in range(2)]
    assert wait_until(lambda: all(fleet.runs(job) for job in jobs))
    for job in jobs:
        fleet.store.cancel(job.id)

    assert {job.state for job in fleet.ended(*jobs)} == {JobState.BROKEN}
    assert fleet.ended(fleet.submit("work"))[0].succeeded


def test_a_paused_job_goes_on_when_it_is_resumed(fleet: Fleet) -> None:
    job = fleet.submit("spread", width=2, seconds=1.0)
    assert wait_until(lambda: fleet.runs(job))
    fleet.store.pause(job.id)
    assert wait_until(lambda: not fleet.runs(job))
    assert not fleet.store.job(job.id).ended
    assert fleet.ended(fleet.submit("work"))[0].succeeded, "others are not held"

    fleet.store.resume(job.id)
    assert fleet.ended(job)[0].succeeded


def test_a_retry_runs_only_what_failed(fleet: Fleet) -> None:
    (failed,) = fleet.ended(fleet.submit("stumble"))
    assert failed.failed
    assert fleet.store.retry(failed.id) == 1

    assert fleet.ended(failed)[0].succeeded
    first, _ = fleet.store.tasks(failed.id)
    assert fleet.executed[first.id] == 1


def test_what_is_told_of_a_job_reaches_the_brokers_queue(fleet: Fleet) -> None:
    (job,) = fleet.ended(fleet.submit("stumble"))

    told = [message.body for message in fleet.store.messages(job.main_task_id)]
    assert [body["status"] for body in told] == ["failed"]
    if not fleet.engine.dispatcher.local_only:
        found: list[dict[str, Any]] = []

        def is_told() -> bool:
            found.extend(read(fleet, job.main_task_id))
            return bool(found)

        assert wait_until(is_told)
        assert found == told


def read(fleet: Fleet, address: str) -> Iterator[dict[str, Any]]:
    """The messages in a queue, taken as any client would."""
    with Connection(fleet.broker_url) as connection, connection.SimpleQueue(address) as queue:
        while True:
            try:
                message = queue.get(block=False)
            except Empty:
                return
            message.ack()
            yield message.payload


def test_a_job_starts_when_it_is_submitted_and_not_at_some_later_look(fleet: Fleet) -> None:
    waits = []
    for _ in range(3):
        (job,) = fleet.ended(fleet.submit("work"))
        started_at = fleet.store.tasks(job.id)[0].started_at
        assert started_at is not None
        waits.append((started_at - job.created_at).total_seconds())

    assert min(waits) < START_SECONDS


def test_a_worker_that_is_drained_takes_nothing_until_it_is_to_go_on(fleet: Fleet) -> None:
    rests, *others = [one.process.worker_id for one in fleet.store.members() if one.process.slots]
    fleet.store.wish(rests, Wish.DRAIN)
    assert wait_until(lambda: rests in drained(fleet))

    jobs = [fleet.submit("work") for _ in range(4)]
    if others:
        fleet.ended(*jobs)
        assert runners(fleet, jobs) == set(others)
    else:
        assert wait_until(lambda: fleet.store.job(jobs[0].id).state is JobState.STARTED)
        assert fleet.states(jobs[0]) == [TaskState.READY]

    fleet.store.wish(rests, Wish.WORK)
    assert wait_until(lambda: rests not in drained(fleet))
    fleet.ended(*jobs)
    both = [fleet.submit("spread", width=6, seconds=0.3)]
    fleet.ended(*both)
    assert rests in runners(fleet, both)


def drained(fleet: Fleet) -> set[str]:
    """The workers that say that they take nothing."""
    return {one.process.worker_id for one in fleet.store.members() if one.process.draining}


def runners(fleet: Fleet, jobs: list[Job]) -> set[str]:
    """The workers that ran tasks of some jobs."""
    ids = [task.id for job in jobs for task in fleet.store.tasks(job.id)]
    with fleet.store.database.read() as connection:
        found = select(attempt.c.worker_id).where(attempt.c.task_id.in_(ids)).distinct()
        return set(connection.execute(found).scalars())
