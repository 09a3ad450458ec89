"""The database goes away and comes back: nobody notices more than a pause."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from adaptation.engine.engine import Pace
from adaptation.engine.store import Store
from adaptation.engine.transport import EXECUTE
from command_line import read_until, started
from engine_kit import HandWorker, broken_invariants, small_engine, small_registry
from postgres import Postgres, running_postgres
from services import wait_until

PACE = Pace(lease_seconds=3.0, heartbeat_seconds=0.1, sweep_seconds=0.2)
JOBS, WIDTH = 40, 5


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A PostgreSQL that may be crashed: its commits reach the disk before they are answered."""
    with running_postgres(durable=True) as server:
        yield server


@pytest.fixture
def store(server: Postgres) -> Iterator[Store]:
    store = Store(server.make_database())
    store.migrate()
    yield store
    store.close()


def test_jobs_outlive_crashes_restarts_and_cuts_of_the_database(
    server: Postgres, store: Store, tmp_path: Path
) -> None:
    engine = small_engine(tmp_path, pace=PACE, store=store)

    def submit() -> None:
        for number in range(JOBS):
            engine.submit("fan", {"width": WIDTH}, main_task_id=f"job-{number}")

    def done() -> int:
        return sum(job.ended for job in store.jobs(limit=JOBS))

    with engine.running(slots=3):
        client = threading.Thread(target=submit)
        client.start()
        for turn, trouble in enumerate((signal.SIGINT, None, signal.SIGQUIT), start=1):
            assert wait_until(lambda turn=turn: done() >= turn * JOBS // 4, 30)  # type: ignore[misc]
            if trouble is None:
                server.cut_off()
            else:
                server.stop(trouble)
                server.start()
        client.join()
        assert wait_until(lambda: done() == JOBS, 60)

    assert broken_invariants(store) == []
    expected = {"n": 2 * WIDTH + 1, "order": list(range(WIDTH))}
    assert [job.result for job in store.jobs(limit=JOBS)] == [expected] * JOBS


def test_the_end_of_an_attempt_waits_for_the_database(
    server: Postgres, store: Store, tmp_path: Path
) -> None:
    worker = HandWorker(store, small_registry(), tmp_path)
    job_id = worker.submit("line", length=1)
    claim = worker.claim(worker.ready()[0])
    assert claim is not None

    server.stop()
    settled = threading.Thread(target=worker.complete, args=(claim,))
    settled.start()
    server.start()
    settled.join()

    assert store.job(job_id).succeeded


def test_a_slot_that_cannot_reach_the_database_takes_the_next_message(
    server: Postgres, store: Store, tmp_path: Path
) -> None:
    engine = small_engine(tmp_path, store=store)
    job = engine.submit("line", {"length": 2})
    store.admit()
    engine.node(1)
    server.stop()

    engine.app.tasks[EXECUTE](0, 0)
    server.start()
    engine.app.tasks[EXECUTE](0, 0)

    assert store.job(job.id).succeeded


def test_a_service_outlives_an_outage_that_is_longer_than_its_calls_wait(
    server: Postgres, store: Store
) -> None:
    url = store.database.url.render_as_string(hide_password=False)

    def has_failed(line: dict[str, Any]) -> bool:
        return bool(line["event"] == "sweep failed")

    with started("serve", "--log-json", ADAPTATION_DATABASE_URL=url) as service:
        read_until(service.stderr, lambda line: line["event"] == "ready")
        server.stop()
        # Twice, so that every thread has called in vain by now.
        for _ in range(2):
            read_until(service.stderr, has_failed)
        server.start()
        service.terminate()

        assert service.wait(timeout=30) == 0


def test_what_cannot_pass_is_not_tried_again(store: Store) -> None:
    with pytest.raises(DBAPIError) as caught, store.database.read() as connection:
        connection.execute(text("SELECT nothing"))

    assert not store.database.may_pass(caught.value)
