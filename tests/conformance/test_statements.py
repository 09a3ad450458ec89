"""How often a transition asks PostgreSQL for something, by the log of the server itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adaptation.engine.model import Claim, NewJob
from adaptation.engine.moves import Beat
from adaptation.engine.store import Store
from engine_kit import LEASE_SECONDS, HandWorker, broken_invariants, small_registry
from postgres import Postgres

QUEUES = ("heavy", "light")
ASKED = re.compile(r"LOG:  (?:statement|execute [^:]*): (\S+)")


class Counted:
    """A store, and what its server was asked."""

    def __init__(self, server: Postgres, url: str, folder: Path) -> None:
        self.store = Store(url)
        self.worker = HandWorker(self.store, small_registry(), folder)
        self._log = server.folder / "log"

    def asked_by(self, call: Callable[[], object]) -> list[str]:
        """The first word of each statement that a call sends."""
        before = self._log.stat().st_size
        call()
        with self._log.open("rb") as log:
            log.seek(before)
            return ASKED.findall(log.read().decode())

    def claim(self) -> Claim:
        found = self.store.claim_next(QUEUES, "hand", LEASE_SECONDS)
        assert found is not None
        return found

    def told(self, length: int) -> None:
        """Start a job whose end point wants to know of each task."""
        hook = ("https://example.org/hook",)
        new = NewJob(f"told-{length}", "line", {"length": length}, endpoints=hook)
        self.store.admit(self.worker.store_job(new))


@pytest.fixture
def counted(postgres_server: Postgres, postgres_url: str, tmp_path: Path) -> Iterator[Counted]:
    name = postgres_url.rpartition("/")[2]
    store = Store(postgres_url)
    with store.database.write() as connection:
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET log_statement = "all"')
    store.close()
    counted = Counted(postgres_server, postgres_url, tmp_path)
    counted.store.counts()  # a connection is there
    yield counted
    assert broken_invariants(counted.store) == []
    counted.store.close()


def test_a_claim_is_one_statement(counted: Counted) -> None:
    counted.worker.submit("line", length=2)

    assert counted.asked_by(counted.claim) == ["WITH"]


def test_to_finish_a_task_is_one_statement(counted: Counted) -> None:
    counted.worker.submit("line", length=3)
    claim = counted.claim()
    assert counted.asked_by(lambda: counted.worker.complete(claim)) == ["WITH"]

    claim = counted.claim()
    said = [(20, "first"), (20, "second")]
    finish = lambda: counted.store.complete(claim, {"n": 2}, queues={}, lines=said)  # noqa: E731
    assert counted.asked_by(finish) == ["WITH"]
    logged = [line for line in counted.store.logs(claim.job_id) if line.task_id]
    assert [(line.message, line.severity) for line in logged] == [("first", 20), ("second", 20)]


def test_to_tell_end_points_costs_no_statement(counted: Counted) -> None:
    counted.told(2)
    claims: list[Claim] = []
    assert counted.asked_by(lambda: claims.append(counted.claim())) == ["WITH"]
    assert counted.asked_by(lambda: counted.worker.complete(claims[0])) == ["WITH"]

    told = [row.event for row in counted.store.deliveries(claims[0].job_id)]
    assert told == ["start", "complete"]


def test_the_last_task_of_a_job_ends_it_in_few_statements(counted: Counted) -> None:
    counted.worker.submit("line", length=1)
    claim = counted.claim()

    assert len(counted.asked_by(lambda: counted.worker.complete(claim))) <= 15


def test_a_fan_out_costs_as_many_statements_however_wide_it_is(counted: Counted) -> None:
    costs = [_cost_of_fan_out(counted, width) for width in (2, 40)]

    assert costs[0] == costs[1]
    assert len(costs[0]) <= 13, costs


def test_heartbeats_ask_once_for_all_jobs_of_a_worker(counted: Counted) -> None:
    process = counted.worker
    claims = []
    for _ in range(3):
        process.submit("line", length=1)
        claims.append(counted.claim())
    beats = [Beat(claim.task_id, claim.generation, claim.job_id, 0.5, None, ()) for claim in claims]
    beat = lambda: counted.store.heartbeat("hand", beats, LEASE_SECONDS)  # noqa: E731

    assert counted.asked_by(beat) == ["BEGIN", "UPDATE", *["UPDATE"] * 3, "SELECT", "COMMIT"]


def _cost_of_fan_out(counted: Counted, width: int) -> list[str]:
    counted.worker.submit("fan", width=width)
    assert counted.worker.complete(counted.claim())
    claim = counted.claim()
    cost = counted.asked_by(lambda: counted.worker.complete(claim))
    counted.worker.run_all()
    return cost
