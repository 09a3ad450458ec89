"""What every store must keep to, whatever happens to messages and workers."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest
from celery import chain, chord, group
from celery.canvas import Signature
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from adaptation.engine.control import StateForbids
from adaptation.engine.graph import lower
from adaptation.engine.model import Claim, Dispatch, Moved, NewJob, Outgoing
from adaptation.engine.moves import Beat
from adaptation.engine.plan import Upstream
from adaptation.engine.schema import task
from adaptation.engine.states import JobState, Order, TaskState
from adaptation.engine.store import Store
from adaptation.errors import ParameterError
from engine_kit import (
    LEASE_SECONDS,
    HandWorker,
    add_up,
    broken_invariants,
    count_one,
    fan_out,
)


def first(store: Store) -> Dispatch:
    store.admit()
    return store.due(resend_seconds=0)[0]


def claimed(worker: HandWorker) -> Claim:
    claim = worker.claim(first(worker.store))
    assert claim is not None
    return claim


def run_out(store: Store, task_id: int) -> None:
    """Let the lease of a task lie in the past."""
    with store.database.write() as connection:
        connection.execute(update(task).where(task.c.id == task_id).values(lease_until=1))


def test_a_job_with_a_dynamic_fan_out_completes(worker: HandWorker, store: Store) -> None:
    job_id = worker.submit("fan", width=3)

    worker.run_all()

    job = store.job(job_id)
    assert job.succeeded
    assert job.result == {"n": 7, "order": [0, 1, 2]}
    assert [found.state for found in store.tasks(job_id)] == [TaskState.DONE] * 7


def test_an_empty_fan_out_still_releases_its_join(worker: HandWorker, store: Store) -> None:
    job_id = worker.submit("fan", width=0)

    worker.run_all()

    assert store.job(job_id).result == {"n": 1, "order": []}


def test_the_same_submission_twice_is_one_job(worker: HandWorker, store: Store) -> None:
    new = NewJob("client-chose-this", "line", {})
    plan = lower(count_one.s())

    ids = {store.submit(new, plan, worker.queues) for _ in range(3)}

    assert len(ids) == 1


def test_the_same_submission_at_the_same_time_is_one_job(worker: HandWorker, store: Store) -> None:
    new = NewJob("client-chose-this", "line", {}, output="/out")
    plan = lower(count_one.s())
    ids: list[int] = []

    def submit() -> None:
        ids.append(store.submit(new, plan, worker.queues))

    clients = [threading.Thread(target=submit) for _ in range(8)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()

    assert len(ids) == 8
    assert len(set(ids)) == 1


def test_two_unfinished_jobs_cannot_hold_one_output(worker: HandWorker, store: Store) -> None:
    plan = lower(count_one.s())
    store.submit(NewJob("a", "line", {}, output="/out"), plan, worker.queues)

    with pytest.raises(ParameterError, match="job 1 is not finished") as caught:
        store.submit(NewJob("b", "line", {}, output="/out"), plan, worker.queues)

    assert caught.value.code == "output_busy"
    worker.run_all()
    store.submit(NewJob("c", "line", {}, output="/out"), plan, worker.queues)


def test_unfinished_jobs_are_found_by_the_folder_they_write_into(
    worker: HandWorker, store: Store
) -> None:
    plan = lower(count_one.s())
    outputs = ("/out/a_b", "/out/a_b/film", "/out/a_b/deep/film", "/out/axb/film", None)
    for number, output in enumerate(outputs):
        store.submit(NewJob(str(number), "line", {}, output=output), plan, worker.queues)

    assert store.unfinished_below("/out/a_b") == [2, 3]
    assert store.unfinished_below("/out/a_b/film") == []
    worker.run_all()
    assert store.unfinished_below("/out") == []


def test_one_of_two_claims_wins(worker: HandWorker, store: Store) -> None:
    worker.submit("line", length=1)
    message = first(store)
    won: list[Claim] = []

    def race(name: str) -> None:
        claim = worker.claim(message, name)
        if claim is not None:
            won.append(claim)

    racers = [threading.Thread(target=race, args=(f"w{number}",)) for number in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()

    assert len(won) == 1
    assert worker.complete(won[0])


def test_a_stale_attempt_changes_nothing(worker: HandWorker, store: Store) -> None:
    job_id = worker.submit("line", length=1)
    zombie = claimed(worker)
    run_out(store, zombie.task_id)
    assert store.expire() == 1
    winner = claimed(worker)

    assert not worker.complete(zombie)
    assert store.fail(zombie, {"code": "x"}, retry_in_seconds=None) is None
    assert store.give_back(zombie) is None
    assert worker.complete(winner)
    assert store.job(job_id).succeeded
    assert store.attempts(zombie.task_id) == [(1, "lost"), (2, "done")]


def test_a_completion_whose_answer_was_lost_may_be_repeated(
    worker: HandWorker, store: Store
) -> None:
    job_id = worker.submit("line", length=1)
    claim = claimed(worker)
    sent = [Outgoing("notification", "client", {"status": "done"})]

    first_answer, second = (
        store.complete(claim, {"n": 1}, queues=worker.queues, outgoing=sent) for _ in range(2)
    )

    assert first_answer == second == Moved(ended=True)
    assert len(store.messages("client")) == 1
    assert store.attempts(claim.task_id) == [(1, "done")]
    assert store.job(job_id).result == {"n": 1}


def test_messages_of_an_earlier_generation_claim_nothing(worker: HandWorker, store: Store) -> None:
    worker.submit("line", length=1)
    message = first(store)
    lost = worker.claim(message)
    assert lost is not None
    run_out(store, lost.task_id)
    store.expire()

    assert worker.claim(message) is None

    worker.run_all()


def test_a_heartbeat_keeps_the_lease_and_tells_who_lost_it(
    worker: HandWorker, store: Store
) -> None:
    worker.submit("line", length=1)
    claim = claimed(worker)
    beat = Beat(claim.task_id, claim.generation, claim.job_id, 0.5, {"fps": 25}, ((20, "half"),))

    run_out(store, claim.task_id)
    assert store.heartbeat("hand", [beat], LEASE_SECONDS) == {claim.task_id: Order.RUN}
    assert store.expire() == 0
    assert store.tasks(claim.job_id)[0].progress == 0.5
    assert "half" in [line.message for line in store.logs(claim.job_id)]

    run_out(store, claim.task_id)
    store.expire()
    assert store.heartbeat("hand", [beat], LEASE_SECONDS) == {claim.task_id: Order.LOST}
    worker.run_all()


def test_a_retry_waits_for_its_delay_and_keeps_the_count(worker: HandWorker, store: Store) -> None:
    job_id = worker.submit("line", length=1)
    assert store.fail(claimed(worker), {"code": "net"}, retry_in_seconds=60) is not None

    assert store.due(resend_seconds=0) == []
    assert store.tasks(job_id)[0].attempt == 1
    with store.database.write() as connection:
        connection.execute(update(task).values(not_before=0))
    assert claimed(worker).attempt == 2


def test_a_failure_skips_what_has_not_started_and_stops_what_runs(
    worker: HandWorker, store: Store
) -> None:
    job_id = worker.submit("fan", width=2)
    assert worker.complete(claimed(worker))
    assert worker.complete(claimed(worker))
    bad, sibling = (worker.claim(item) for item in store.due(resend_seconds=0))
    assert bad is not None
    assert sibling is not None

    moved = store.fail(bad, {"code": "x", "message": "broke"}, retry_in_seconds=None)

    assert moved is not None
    assert not moved.ended, "a sibling still runs"
    beat = Beat(sibling.task_id, sibling.generation, job_id, 0, None, ())
    assert store.heartbeat("hand", [beat], LEASE_SECONDS) == {sibling.task_id: Order.CANCEL}
    moved = store.give_back(sibling)
    assert moved is not None
    assert moved.ended
    job = store.job(job_id)
    assert (job.state, job.failed) == (JobState.COMPLETED, True)
    assert job.error is not None
    assert job.error["message"] == "broke"


def test_a_retry_of_a_failed_job_keeps_what_is_done(worker: HandWorker, store: Store) -> None:
    job_id = worker.submit("fan", width=2)
    assert worker.complete(claimed(worker))
    store.fail(claimed(worker), {"code": "x"}, retry_in_seconds=None)
    done = store.tasks(job_id)[0]

    assert store.retry(job_id) == 2
    worker.run_all()

    job = store.job(job_id)
    assert job.succeeded
    assert job.run_no == 2
    assert store.attempts(done.id) == [(1, "done")]


def test_a_cancelled_job_ends_when_its_last_task_has_stopped(
    worker: HandWorker, store: Store
) -> None:
    job_id = worker.submit("line", length=3)
    claim = claimed(worker)

    assert store.cancel(job_id)
    assert not store.job(job_id).ended
    store.give_back(claim)

    assert store.job(job_id).state is JobState.BROKEN
    assert not store.cancel(job_id), "it has ended"
    messages = store.messages(store.job(job_id).main_task_id)
    assert [message.body["status"] for message in messages] == ["cancelled"]


def test_a_paused_job_is_not_claimed_and_goes_on_where_it_was(
    worker: HandWorker, store: Store
) -> None:
    job_id = worker.submit("line", length=3)
    assert worker.complete(claimed(worker))
    running = claimed(worker)

    assert store.pause(job_id)
    beat = Beat(running.task_id, running.generation, job_id, 0, None, ())
    assert store.heartbeat("hand", [beat], LEASE_SECONDS) == {running.task_id: Order.PAUSE}
    store.give_back(running)
    assert store.due(resend_seconds=0) == []
    assert store.resume(job_id)
    worker.run_all()

    assert store.job(job_id).succeeded
    assert store.tasks(job_id)[1].attempt == 1, "a pause is not charged"


def test_a_task_that_kills_its_workers_ends_its_job(worker: HandWorker, store: Store) -> None:
    job_id = worker.submit("line", length=2)

    while not store.job(job_id).ended:
        with store.database.write() as connection:
            connection.execute(update(task).values(not_before=0))
        run_out(store, claimed(worker).task_id)
        store.expire()

    error = store.job(job_id).error
    assert error is not None
    assert error["code"] == "worker_lost"


def test_messages_are_stored_with_the_completion_that_sent_them(
    worker: HandWorker, store: Store
) -> None:
    job_id = worker.submit("line", length=2)
    address = store.job(job_id).main_task_id
    claim = claimed(worker)
    sent = [Outgoing("notification", address, {"status": "half"})]

    run_out(store, claim.task_id)
    store.expire()
    store.complete(claim, {}, queues=worker.queues, outgoing=sent)
    assert store.messages(address) == [], "the attempt was stale"

    store.complete(claimed(worker), {}, queues=worker.queues, outgoing=sent)
    assert [message.body for message in store.messages(address)] == [{"status": "half"}]
    worker.run_all()


def test_only_one_leads_until_its_lease_runs_out(store: Store) -> None:
    assert store.lead("sweep", "a", 60)
    assert store.lead("sweep", "a", 60)
    assert not store.lead("sweep", "b", 60)
    store.step_down("a")
    assert store.lead("sweep", "b", 0)
    assert store.lead("sweep", "a", 60), "a lease of no length is over at once"


def test_a_dead_worker_leads_no_more_and_what_it_was_sent_is_sent_again(
    worker: HandWorker, store: Store
) -> None:
    worker.submit("fan", width=2)
    assert store.lead("sweep", "dead", 3600)
    claim = worker.claim(first(store), "dead")
    assert claim is not None
    assert store.due(resend_seconds=3600) == []

    assert store.bury("dead") == 1

    assert store.lead("sweep", "next", 3600)
    assert [item.task_id for item in store.due(resend_seconds=3600)] == [claim.task_id]
    worker.run_all()


@settings(
    max_examples=12,
    deadline=None,
    # Jobs of earlier examples have ended and are no one's business any more.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32), widths=st.lists(st.integers(0, 4), min_size=1, max_size=4))
def test_any_order_of_losses_repeats_and_zombies_ends_every_job_once(
    store: Store, worker: HandWorker, seed: int, widths: list[int]
) -> None:
    chance = random.Random(seed)
    jobs = [worker.submit("fan", width=width) for width in widths]
    seen: list[Dispatch] = []
    zombies: list[Claim] = []
    for _ in range(2000):
        if all(store.job(job_id).ended for job_id in jobs):
            break
        seen += store.due(resend_seconds=0)
        chance.shuffle(seen)
        claim = worker.claim(chance.choice(seen)) if seen else None
        if claim is not None and chance.random() < 0.15:
            run_out(store, claim.task_id)
            store.expire()
            store.forgive_losses(claim.job_id)
            zombies.append(claim)
        elif claim is not None:
            assert worker.complete(claim)
        if zombies and chance.random() < 0.3:
            assert not worker.complete(zombies.pop())
    assert broken_invariants(store) == []
    for job_id, width in zip(jobs, widths, strict=True):
        assert store.job(job_id).result == {"n": 2 * width + 1, "order": list(range(width))}


def test_cancelling_a_failed_job_gives_up_the_pieces_it_kept(
    worker: HandWorker, store: Store
) -> None:
    job_id = worker.submit("line", length=1)
    store.fail(claimed(worker), {"code": "disk_full"}, retry_in_seconds=None)
    assert store.job(job_id).retryable
    assert store.give_up_work(keep_failed_seconds=3600) == []

    assert store.cancel(job_id)

    assert store.give_up_work(keep_failed_seconds=3600) == [job_id]
    assert not store.cancel(job_id), "nothing is left to give up"
    with pytest.raises(StateForbids) as caught:
        store.retry(job_id)
    assert caught.value.code == "work_removed"


def test_pieces_are_given_up_in_two_steps_so_that_a_crash_leaves_none(
    worker: HandWorker, store: Store
) -> None:
    job_id = worker.submit("line", length=1)
    worker.run_all()

    assert store.give_up_work(keep_failed_seconds=0) == [job_id]
    assert store.give_up_work(keep_failed_seconds=0) == [job_id], "not deleted yet"
    store.mark_work_removed(job_id)
    assert store.give_up_work(keep_failed_seconds=0) == []


def test_a_fan_out_that_ends_beside_a_failure_is_fanned_out_by_the_retry(
    worker: HandWorker, store: Store
) -> None:
    plan = lower(chain(group(count_one.s(width=2), fan_out.s()), add_up.s()))
    job_id = store.submit(NewJob("beside", "line", {}, {"width": 2}), plan, worker.queues)
    bad, fanning = (worker.claim(item) for item in worker.ready())
    assert bad is not None
    assert fanning is not None
    store.fail(bad, {"code": "x"}, retry_in_seconds=None)

    assert worker.complete(fanning)
    assert store.job(job_id).ended
    assert store.retry(job_id) == 5
    keys = [found.key for found in store.tasks(job_id) if found.state is TaskState.READY]

    assert keys == ["0:count_one", "1:fan_out.0:count_one", "1:fan_out.1:count_one"]
    while ready := worker.ready():
        claim = worker.claim(ready[0])
        assert claim is not None
        result = {"n": 1, "branch": 0} if claim.name == "count_one" else {"n": 2, "branch": 1}
        store.complete(claim, result, queues=worker.queues)
    assert store.job(job_id).result == {"n": 2, "branch": 1}


def test_an_empty_join_gets_nothing_from_a_fan_out_it_only_waits_for(
    worker: HandWorker, store: Store
) -> None:
    plan = lower(chain(fan_out.s(), chord([], add_up.s())))
    job_id = store.submit(NewJob("empty", "line", {}, {"width": 2}), plan, worker.queues)

    worker.run_all()

    assert store.job(job_id).result == {"n": 0, "order": []}


@pytest.mark.parametrize(
    "canvas",
    [chain(), group([]), chain(count_one.s(), group([group([])]))],
    ids=["nothing", "an empty group", "an empty group at the end"],
)
def test_what_expands_to_an_open_end_is_waited_for_and_no_longer(
    worker: HandWorker, store: Store, canvas: Signature[Any]
) -> None:
    job_id = store.submit(
        NewJob("open", "line", {}), lower(chain(count_one.s(), count_one.s())), worker.queues
    )
    claim = claimed(worker)
    expansion = lower(canvas, prefix=claim.key, upstream=Upstream(keys=(claim.key,)))
    store.complete(claim, {"n": 1}, expansion=expansion, queues=worker.queues)
    ends = []

    while ready := worker.ready():
        assert broken_invariants(store) == []
        assert len(ready) == 1
        taken = worker.claim(ready[0])
        assert taken is not None
        store.complete(taken, {}, queues=worker.queues)
        ends.append(taken.key)

    assert ends == [task.key for task in reversed(store.tasks(job_id)[1:])]
    assert store.job(job_id).succeeded


def test_a_workflow_of_no_tasks_is_refused(worker: HandWorker, store: Store) -> None:
    with pytest.raises(ParameterError) as caught:
        store.submit(NewJob("none", "line", {}), lower(group([])), worker.queues)

    assert caught.value.code == "workflow_empty"
    assert store.jobs() == []


def test_a_refused_job_has_nothing_to_retry(store: Store) -> None:
    job_id = store.refuse(NewJob("bad", "line", {}), {"code": "x"})

    with pytest.raises(StateForbids) as caught:
        store.retry(job_id)

    assert caught.value.code == "state_forbids"
    assert store.job(job_id).ended
