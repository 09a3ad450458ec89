"""Jobs that wait for a time or an address, and what may be changed of jobs that are stored."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import update

from adaptation.engine.changes import Change
from adaptation.engine.clients import Role
from adaptation.engine.control import StateForbids
from adaptation.engine.model import NewJob
from adaptation.engine.schema import job, schedule
from adaptation.engine.states import JobState
from adaptation.engine.store import Store
from adaptation.errors import ParameterError
from engine_kit import HandWorker

FUTURE_MS = 2_222_000_000_000
FUTURE = datetime.fromtimestamp(FUTURE_MS / 1000, UTC)
GATE = "https://user:word@gate.example/open?token=secret"


def state(store: Store, job_id: int) -> JobState:
    return store.job(job_id).state


def lines(store: Store, job_id: int) -> list[str]:
    return [line.message for line in store.logs(job_id)]


def let_the_time_come(store: Store) -> None:
    with store.database.write() as connection:
        connection.execute(update(job).values(run_at=1))


def let_the_interval_pass(store: Store) -> None:
    with store.database.write() as connection:
        connection.execute(update(schedule).values(ran_at=1))


def test_a_job_is_queued_when_its_time_has_come(worker: HandWorker, store: Store) -> None:
    job_id = worker.queue(run_at=FUTURE_MS)

    assert store.queue_due() == 0
    assert state(store, job_id) is JobState.SCHEDULED
    assert store.admit() == ()
    assert 'Job will run at: "2040-05-30T14:13:20.000Z"' in lines(store, job_id)

    let_the_time_come(store)
    assert store.queue_due() == 1
    assert store.queue_due() == 0
    assert state(store, job_id) is JobState.QUEUED
    worker.run_all()
    assert store.job(job_id).succeeded


def test_a_job_is_queued_when_its_address_answers_but_not_before_its_time(
    worker: HandWorker, store: Store
) -> None:
    early = worker.queue(semaphore_url=GATE)
    late = worker.queue(semaphore_url=GATE, run_at=FUTURE_MS)

    assert store.queue_due() == 0
    assert store.semaphores() == [GATE]
    assert store.pass_semaphore(GATE) == 1
    assert (state(store, early), state(store, late)) == (JobState.QUEUED, JobState.SCHEDULED)
    assert lines(store, early)[-1] == "queued: https://***@gate.example/open?token=*** has answered"

    let_the_interval_pass(store)
    assert store.semaphores() == []
    let_the_time_come(store)
    assert store.queue_due() == 0
    assert store.semaphores() == [GATE]
    assert store.pass_semaphore(GATE) == 1
    assert state(store, late) is JobState.QUEUED


def test_an_address_may_be_open_to_one_client_alone(worker: HandWorker, store: Store) -> None:
    own = {"allowed_hosts": ["gate.example"]}
    store.add_client("ann", Role.CLIENT, limits=dict(own))
    store.add_client("ben", Role.CLIENT)
    jobs = {name: worker.queue(semaphore_url=GATE, client=name) for name in ("ann", "ben", "")}
    second = worker.queue(semaphore_url=GATE, client="ben")

    assert store.semaphores() == [GATE]
    assert store.semaphore_clients(GATE) == {"ann": own, "ben": {}, "": {}}
    for _ in range(2):
        store.doubt_semaphore(GATE, "ben", f"{GATE} is a private address")
    assert store.pass_semaphore(GATE, "ann") == 1

    assert state(store, jobs["ann"]) is JobState.QUEUED
    said = (
        "semaphore_url is waited for, and cannot be asked: "
        "https://***@gate.example/open?token=*** is a private address"
    )
    for job_id in (jobs["ben"], second):
        assert state(store, job_id) is JobState.SCHEDULED
        assert lines(store, job_id)[1:] == [said], "it is said once"
    assert said not in lines(store, jobs["ann"]) + lines(store, jobs[""])


def test_addresses_are_asked_once_an_interval_which_may_be_changed_at_any_time(
    worker: HandWorker, store: Store
) -> None:
    worker.queue(semaphore_url=GATE)

    assert store.semaphores() == [GATE]
    assert store.semaphores() == []
    with store.database.write() as connection:
        connection.execute(update(schedule).values(ran_at=schedule.c.ran_at - 30_000))
    assert store.semaphores() == []
    store.set_setting("schedule_interval", 20)
    assert store.semaphores() == [GATE]
    assert store.schedules()[0].every_seconds == 20
    assert store.schedules()[0].ran_at is not None


def test_nothing_is_queued_while_the_schedule_rests(worker: HandWorker, store: Store) -> None:
    timed, gated = worker.queue(run_at=1), worker.queue(semaphore_url=GATE)
    store.set_schedule("queue_scheduled_jobs", active=False)

    assert not store.schedules()[0].active
    assert store.queue_due() == 0
    assert store.semaphores() == []
    assert store.pass_semaphore(GATE) == 0

    store.set_schedule("queue_scheduled_jobs", active=True)
    assert store.queue_due() == 1
    assert store.semaphores() == [GATE]
    assert store.pass_semaphore(GATE) == 1
    assert {state(store, timed), state(store, gated)} == {JobState.QUEUED}
    with pytest.raises(ParameterError, match="no schedule is called 'other'"):
        store.set_schedule("other", active=False)


def test_a_scheduled_job_that_was_paused_is_scheduled_again(
    worker: HandWorker, store: Store
) -> None:
    job_id = worker.queue(run_at=FUTURE_MS)

    assert store.pause(job_id)
    let_the_time_come(store)
    assert store.queue_due() == 0
    assert store.resume(job_id)
    assert state(store, job_id) is JobState.SCHEDULED
    assert store.queue_due() == 1


def test_a_scheduled_job_is_cancelled_at_once(worker: HandWorker, store: Store) -> None:
    job_id = worker.queue(run_at=FUTURE_MS)

    assert store.cancel(job_id)

    assert state(store, job_id) is JobState.BROKEN


def test_a_queued_job_may_be_told_to_wait_and_then_to_wait_no_more(
    worker: HandWorker, store: Store
) -> None:
    job_id = worker.queue()

    assert store.change(job_id, Change(run_at=FUTURE)) == ["run_at"]
    assert state(store, job_id) is JobState.SCHEDULED
    assert store.job(job_id).run_at == FUTURE
    assert 'Job will run at: "2040-05-30T14:13:20.000Z"' in lines(store, job_id)
    assert store.change(job_id, Change(run_at=None, semaphore_url=GATE)) == [
        "run_at",
        "semaphore_url",
    ]
    assert store.queue_due() == 0
    assert "secret" not in "".join(lines(store, job_id))
    store.change(job_id, Change(semaphore_url=None))
    assert store.queue_due() == 1
    assert state(store, job_id) is JobState.QUEUED


def test_a_job_that_has_started_is_told_that_it_is_too_late(
    worker: HandWorker, store: Store
) -> None:
    job_id = worker.submit("line", length=1)

    for wanted in (Change(run_at=None), Change(semaphore_url=GATE), Change(1, FUTURE)):
        with pytest.raises(StateForbids, match=f"job {job_id} is started"):
            store.change(job_id, wanted)
    assert store.job(job_id).priority == 5, "all of it or nothing"
    worker.run_all()
    with pytest.raises(StateForbids, match="priority cannot be changed"):
        store.change(job_id, Change(priority=1))
    assert store.change(job_id, Change(persist=True)) == ["persist"]
    assert store.job(job_id).persist
    assert store.change(job_id, Change()) == []


def test_a_queued_job_moves_in_the_queue_with_its_priority(
    worker: HandWorker, store: Store
) -> None:
    first, second, third = (worker.queue() for _ in range(3))
    assert store.positions([third, second, 99]) == {second: 2, third: 3}

    store.change(third, Change(priority=1))

    assert store.positions([first, second, third]) == {third: 1, first: 2, second: 3}
    store.set_setting("max_jobs", 1)
    store.admit()
    assert state(store, third) is JobState.STARTED
    assert store.positions([third]) == {}


def test_the_tasks_of_a_started_job_move_with_it(worker: HandWorker, store: Store) -> None:
    slow, urgent = worker.submit("line", length=2), worker.submit("fan", width=2)
    running = store.claim_next(("light",), "w", 30)
    assert running is not None
    assert running.job_id == slow

    store.change(urgent, Change(priority=1))
    store.change(slow, Change(priority=10))

    assert worker.complete(running)
    claim = store.claim_next(("light",), "w", 30)
    assert claim is not None
    assert claim.job_id == urgent
    assert worker.complete(claim)
    claim = store.claim_next(("light",), "w", 30)
    assert claim is not None
    assert claim.job_id == urgent, "what it expands to is as urgent"
    assert worker.complete(claim)
    worker.run_all()


def rerun(worker: HandWorker, job_id: int, main_task_id: str | None = None) -> int:
    old = worker.store.job(job_id)
    facts: dict[str, Any] = {"output": old.output, "client": old.client}
    new = NewJob(main_task_id or uuid.uuid4().hex, old.workflow, old.parameters, **facts)
    return worker.store.rerun(job_id, new, worker.plan(new), worker.queues)


def test_an_ended_job_runs_anew_and_the_old_one_is_broken(worker: HandWorker, store: Store) -> None:
    old = worker.queue(output="/out")
    worker.run_all()
    assert store.job(old).succeeded

    new = rerun(worker, old)

    assert state(store, old) is JobState.BROKEN
    assert state(store, new) is JobState.QUEUED
    counts = store.counts().jobs
    assert (counts["completed"], counts["broken"], counts["queued"]) == (0, 1, 1)
    worker.run_all()
    assert store.job(new).succeeded


def test_a_job_that_runs_is_cancelled_and_its_output_passes_on_with_its_end(
    worker: HandWorker, store: Store
) -> None:
    old = worker.queue(output="/out")
    store.admit()
    running = store.claim_next(("light",), "w", 30)
    assert running is not None

    new = rerun(worker, old, "again")

    assert rerun(worker, old, "again") == new, "the same request"
    with pytest.raises(StateForbids, match=f"already runs again as job {new}"):
        rerun(worker, old)
    assert store.queue_due() == 0
    assert store.admit(new) == ()
    found = store.unfinished_with("/out")
    assert found is not None
    assert found.id == old
    with pytest.raises(ParameterError, match=f"job {old} is not finished"):
        worker.queue(output="/out")

    store.give_back(running)

    assert state(store, old) is JobState.BROKEN
    with pytest.raises(ParameterError, match=f"job {new} is not finished"):
        worker.queue(output="/out")
    assert store.queue_due() == 1
    worker.run_all()
    assert store.job(new).succeeded


def test_what_runs_anew_anew_waits_for_the_first(worker: HandWorker, store: Store) -> None:
    old = worker.queue(output="/out")
    store.admit()
    running = store.claim_next(("light",), "w", 30)
    assert running is not None

    second = rerun(worker, old)
    third = rerun(worker, second)

    assert state(store, second) is JobState.BROKEN
    assert store.job(third).after_id == old
    assert store.queue_due() == 0
    store.give_back(running)
    assert store.queue_due() == 1
    claim = next(iter(store.admit(third)))
    taken = store.claim(claim.task_id, claim.generation, "w", 30)
    assert taken is not None
    replaced = [store.job(number).main_task_id for number in (old, second)]
    assert taken.payload == {"replaces": replaced}
    worker.complete(taken)


def test_what_a_retry_runs_is_as_urgent_as_the_job_was_made(
    worker: HandWorker, store: Store
) -> None:
    changed = worker.submit("fan", width=2)
    for _ in range(2):
        claim = store.claim_next(("light",), "w", 30)
        assert claim is not None
        assert worker.complete(claim)
    bad, sibling = (store.claim_next(("light",), "w", 30) for _ in range(2))
    assert bad is not None
    assert sibling is not None
    store.fail(bad, {"code": "x"}, retry_in_seconds=None)

    store.change(changed, Change(priority=1))
    store.give_back(sibling)
    store.retry(changed)
    other = worker.submit("line", length=1)
    store.change(other, Change(priority=3))
    store.admit()

    first, second, third = (store.claim_next(("light",), "w", 30) for _ in range(3))
    assert [claim.job_id for claim in (first, second, third) if claim] == [changed, changed, other]
    for claim in (first, second, third):
        assert claim is not None
        assert worker.complete(claim)
    worker.run_all()
