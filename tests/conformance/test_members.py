"""Who works in the fleet: signing on, leading, draining, and what is left to whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from adaptation.engine.graph import lower, needing
from adaptation.engine.model import NewJob, Process
from adaptation.engine.schema import leader, worker
from adaptation.engine.states import TaskState
from adaptation.engine.store import Store
from engine_kit import LEASE_SECONDS, HandWorker, broken_invariants, count_one, small_registry

PROCESS = Process("w1", "host/1", 10, 0, slots=2, queues=("light",), scratch_free=100)
QUEUES = ("heavy", "light")


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    is_file = request.param == "sqlite"
    store = Store(
        f"sqlite:///{tmp_path / 'store.db'}" if is_file else request.getfixturevalue("postgres_url")
    )
    store.create()
    yield store
    assert broken_invariants(store) == []
    store.close()


@pytest.fixture
def hand(store: Store, tmp_path: Path) -> HandWorker:
    return HandWorker(store, small_registry(), tmp_path)


def needy_job(store: Store, scratch_bytes: int, client_id: str = "needy") -> int:
    """A started job of one task that needs so much scratch."""
    plan = lower(needing(count_one.s(), scratch_bytes))
    job_id = store.submit(NewJob(client_id, "line", {}), plan, {"count_one": "light"})
    store.admit(job_id)
    return job_id


def warnings(store: Store, job_id: int) -> list[str]:
    return [line.message for line in store.logs(job_id, severity=30)]


def test_a_worker_is_listed_with_what_it_runs(store: Store, hand: HandWorker) -> None:
    store.sign_on(PROCESS)
    hand.submit("line", length=1)
    claim = hand.claim(hand.ready()[0], "w1")
    store.describe("w1", {"ffmpeg": "9"})

    (member,) = store.members()

    assert member.process == replace(PROCESS, facts={"ffmpeg": "9"})
    assert 0 <= member.heard_seconds < 30
    assert claim is not None
    assert [(run.task_id, run.name) for run in member.running] == [(claim.task_id, "count_one")]


def test_a_heartbeat_tells_room_and_draining_and_signs_on_who_was_forgotten(store: Store) -> None:
    store.sign_on(PROCESS)
    leaving = replace(PROCESS, scratch_free=7, draining=True)
    store.heartbeat("w1", [], LEASE_SECONDS, leaving)
    assert store.processes() == [leaving]

    store.bury("w1")
    assert store.processes() == []
    store.heartbeat("w1", [], LEASE_SECONDS, leaving)
    assert store.processes() == [leaving]


def test_who_was_not_heard_for_long_is_found(store: Store) -> None:
    store.sign_on(PROCESS)
    store.sign_on(replace(PROCESS, worker_id="w2"))
    with store.database.write() as connection:
        old = update(worker).where(worker.c.id == "w2")
        connection.execute(old.values(heartbeat_at=worker.c.heartbeat_at - 60_000))

    assert store.silent(30) == ["w2"]


def test_only_who_could_lead_tries_to(store: Store) -> None:
    assert store.may_lead("sweep", "a")
    assert store.lead("sweep", "a", 30)
    assert store.may_lead("sweep", "a")
    assert not store.may_lead("sweep", "b")
    assert not store.lead("sweep", "b", 30)
    with store.database.write() as connection:
        connection.execute(update(leader).values(lease_until=1))
    assert store.may_lead("sweep", "b")
    assert store.lead("sweep", "b", 30)


def test_a_task_whose_message_came_to_a_leaving_worker_is_sent_again(
    store: Store, hand: HandWorker
) -> None:
    hand.submit("line", length=1)
    (item,) = hand.ready()
    assert store.due(resend_seconds=60) == []

    store.hand_on(item.task_id, item.generation)

    assert store.due(resend_seconds=60) == [item]
    claim = hand.claim(item)
    assert claim is not None
    store.hand_on(item.task_id, item.generation)
    assert store.due(resend_seconds=60) == []
    assert hand.complete(claim)


def test_idle_is_who_has_nothing_to_run_and_nothing_to_wait_for(
    store: Store, hand: HandWorker
) -> None:
    assert store.is_idle(QUEUES)
    job_id = hand.submit("line", length=1)
    assert not store.is_idle(QUEUES)
    assert store.is_idle(["heavy"])
    store.pause(job_id)
    assert store.is_idle(QUEUES), "nobody knows when a paused job goes on"
    store.resume(job_id)
    assert not store.is_idle(QUEUES), "a queued job is about to start"
    claim = hand.claim(hand.ready()[0])
    assert not store.is_idle(QUEUES)
    assert claim is not None
    assert hand.complete(claim)
    assert store.is_idle(QUEUES)


def test_a_task_is_claimed_only_where_its_scratch_fits(store: Store) -> None:
    job_id = needy_job(store, 500)

    assert store.claim_next(QUEUES, "w", LEASE_SECONDS, scratch_free=499) is None
    claim = store.claim_next(QUEUES, "w", LEASE_SECONDS, scratch_free=500)

    assert claim is not None
    assert (claim.job_id, claim.scratch_bytes) == (job_id, 500)


def test_a_job_that_fits_on_no_worker_says_so_once(store: Store) -> None:
    store.sign_on(PROCESS)
    job_id, other = needy_job(store, 500), needy_job(store, 100, "modest")

    assert (store.tell_unfit(60), store.tell_unfit(60)) == (1, 0)

    (line,) = warnings(store, job_id)
    assert "it needs 500 bytes of scratch" in line
    assert "100 bytes" in line
    assert warnings(store, other) == []
    detail = store.tasks(job_id)[0].detail
    assert detail == {"needs_scratch_bytes": 500, "most_scratch_bytes": 100}

    claim = store.claim_next(QUEUES, "w1", LEASE_SECONDS, scratch_free=600)
    assert claim is not None
    assert store.tasks(claim.job_id)[0].detail is None


def test_a_task_that_waits_for_others_to_give_back_their_scratch_is_not_unfit(store: Store) -> None:
    store.sign_on(PROCESS)
    running = needy_job(store, 400)
    assert store.claim_next(QUEUES, "w1", LEASE_SECONDS)
    waiting = needy_job(store, 500, "later")
    assert store.tasks(running)[0].state is TaskState.RUNNING

    assert store.tell_unfit(60) == 0
    assert warnings(store, waiting) == []
