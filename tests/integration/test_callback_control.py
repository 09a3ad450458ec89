"""Senders of callbacks as processes of their own, and what an end point cannot do to others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adaptation.engine.clients import CallbackStyle, Role
from adaptation.engine.deliveries import Delivery, Verdict
from adaptation.engine.letters import shaped
from adaptation.engine.store import Store
from adaptation.errors import ParameterError
from adaptation.wiring import deploy
from engine_kit import HandWorker, small_engine, small_registry
from receiver import Receiver, receiving
from services import free_port, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
GONE = Verdict("dropped", 410, "410 Gone")


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with receiving(tmp_path / "receiver.log") as found:
        yield found


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    """The database that commands and the API use."""
    store = deploy().store
    store.create()
    yield store
    store.close()


@pytest.fixture
def worker(store: Store, tmp_path: Path) -> HandWorker:
    return HandWorker(store, small_registry(), tmp_path)


def done(worker: HandWorker, *urls: str, **facts: Any) -> int:
    """A job that has ended, whose callbacks wait."""
    job_id = worker.queue(endpoints=urls, **facts)
    worker.run_all()
    return job_id


def states(store: Store, job_id: int) -> set[str]:
    return {one.state for one in store.deliveries(job_id)}


def claimed(store: Store, **facts: Any) -> list[Delivery]:
    return store.claim_deliveries(100, 4, 60.0, **facts)


@contextmanager
def sending(**environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """`adaptation worker --queues callback` for the length of a block."""
    command = [sys.executable, "-m", "adaptation", "worker", "--queues", "callback"]
    with subprocess.Popen(command, env={**os.environ, **environment}) as process:
        try:
            yield process
        finally:
            process.terminate()


def test_a_worker_of_callbacks_needs_no_broker_and_runs_no_task(
    worker: HandWorker, store: Store, receiver: Receiver
) -> None:
    job_id = done(worker, f"{receiver.url}/ok/a")
    waits = worker.queue()
    with sending():
        assert wait_until(lambda: states(store, job_id) == {"delivered"}, 30)

    assert len(receiver.requests()) == 3
    assert not store.job(waits).started_at


def test_ten_thousand_for_a_dead_end_point_cost_the_others_nothing(
    worker: HandWorker, store: Store, receiver: Receiver
) -> None:
    dead = f"http://127.0.0.1:{free_port()}/"
    done(worker, dead, parameters={"length": 10})
    with store.database.write() as connection:
        connection.exec_driver_sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
            " INSERT INTO delivery (job_id, task_id, client, url, event, identity, facts, state,"
            " attempt, due_at, created_at) SELECT job_id, task_id, client, url, event,"
            " identity || '-' || i, facts, state, 0, due_at, created_at FROM delivery, n"
        )
    assert store.delivery_counts()["pending"] > 10_000
    job_id = done(worker, f"{receiver.url}/ok/a")

    found = claimed(store, busy={dead: 4})

    assert [one.job_id for one in found] == [job_id]
    store.settle_deliveries([(found[0], Verdict("pending", is_charged=False))])
    with sending():
        assert wait_until(lambda: states(store, job_id) == {"delivered"}, 30)
    came = [one["time"] for one in receiver.requests()]
    assert len(came) == 3
    assert came[-1] - came[0] < 2


def test_an_end_point_that_is_gone_is_said_in_every_job_that_would_tell_it(
    worker: HandWorker, store: Store
) -> None:
    url = "http://127.0.0.1:9/told?token=secret"
    first, second = (done(worker, url, client="c") for _ in range(2))
    sent = claimed(store)

    # Both hear the same at the same time.
    assert store.settle_deliveries([(one, GONE) for one in sent]) == 1

    for job_id in (first, second):
        assert states(store, job_id) == {"dropped"}
        lines = [line.message for line in store.logs(job_id) if line.progname == "callback"]
        assert len(lines) == 1
        assert "secret" not in lines[0]


def test_a_refused_job_is_told_as_failed(tmp_path: Path) -> None:
    engine = small_engine(tmp_path)
    urls = ["http://127.0.0.1:9/a", 7, "no address"]

    def refuse(_: object) -> dict[str, Any]:
        raise ParameterError("length is missing")

    engine.registry.add_workflow(replace(engine.registry.workflow("line"), check=refuse))
    job = engine.submit_or_refuse("line", {"rest_endpoints": urls}, main_task_id="m")

    (told,) = engine.store.deliveries(job.id)
    assert (told.url, told.facts["status"]) == (urls[0], "failed")
    assert told.facts["message"] == "length is missing"
    engine.store.close()


def test_a_client_s_own_headers_take_the_place_of_the_usual(
    worker: HandWorker, store: Store, receiver: Receiver
) -> None:
    style = CallbackStyle(headers={"content-Type": "application/x-told+json", "User-agent": "me"})
    store.add_client("c", Role.CLIENT, callback=style)
    job_id = done(worker, f"{receiver.url}/ok/a", client="c")
    with sending():
        assert wait_until(lambda: states(store, job_id) == {"delivered"}, 30)

    headers = receiver.requests()[0]["headers"]
    assert headers["content-type"] == "application/x-told+json"
    assert headers["user-agent"] == "me"


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}0{% endfor %}",
        "{{ 'x' * 999999999 }}",
        "{{ '%999999999d' % 1 }}",
        '"{% for a in range(9999) %}{{ message }}{% endfor %}"',
    ],
)
def test_a_template_cannot_make_a_worker_run_out_of_memory(template: str) -> None:
    with pytest.raises(ParameterError, match="template of callbacks fails"):
        shaped({"message": "a message of a task" * 3}, template)
