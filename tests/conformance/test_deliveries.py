"""What every store must keep to about callbacks, whoever sends them."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import select, update

from adaptation.engine import deliveries, tally
from adaptation.engine.callbacks import (
    COMPLETE,
    DEAD,
    DELIVERED,
    DROPPED,
    FAIL,
    JOB,
    PENDING,
    START,
)
from adaptation.engine.control import StateForbids
from adaptation.engine.deliveries import Delivery, Verdict
from adaptation.engine.model import NewJob
from adaptation.engine.schema import delivery, endpoint, job, task
from adaptation.engine.store import Store
from adaptation.errors import ParameterError
from engine_kit import HandWorker

ONE, OTHER = "http://127.0.0.1:9/one", "http://127.0.0.1:9/other"
DONE = Verdict(DELIVERED, 200, "thanks")


def submitted(worker: HandWorker, *urls: str, **facts: Any) -> int:
    return worker.queue(**{"endpoints": urls or (ONE,), "client": "c", **facts})


def told(store: Store, job_id: int, url: str = ONE) -> list[tuple[str, int]]:
    return [(sent.event, sent.task_id) for sent in store.deliveries(job_id) if sent.url == url]


def claimed(store: Store, **facts: Any) -> list[Delivery]:
    return store.claim_deliveries(**{"limit": 100, "per_url": 100, "lease_seconds": 60.0, **facts})


def settle(store: Store, tried: Delivery, verdict: Verdict) -> bool:
    return store.settle_deliveries([(tried, verdict)]) == 1


def one(store: Store) -> Delivery:
    (found,) = claimed(store)
    return found


def expire(store: Store) -> None:
    """Let whatever is due later, and what is taken by then, be due now."""
    with store.database.write() as connection:
        connection.execute(update(delivery).values(due_at=1))


def test_a_job_without_endpoints_tells_nobody(worker: HandWorker, store: Store) -> None:
    job_id = worker.queue()

    worker.run_all()

    assert store.deliveries(job_id) == []
    assert claimed(store) == []


def test_starts_and_ends_are_told_to_each_endpoint_in_order(
    worker: HandWorker, store: Store
) -> None:
    job_id = submitted(worker, ONE, OTHER, ONE, parameters={"length": 2})
    first, second = (found.id for found in store.tasks(job_id))

    worker.run_all()

    wanted = [(START, first), (COMPLETE, first)]
    wanted += [(START, second), (COMPLETE, second), (JOB, 0)]
    assert told(store, job_id) == told(store, job_id, OTHER) == wanted
    ends = [sent for sent in store.deliveries(job_id) if sent.event == JOB]
    assert [end.facts for end in ends] == [{"status": "completed", "message": ""}] * 2
    assert {end.identity for end in ends} == {f"{job_id}-1-job"}


def test_a_task_that_is_tried_again_starts_once_and_fails_once(
    worker: HandWorker, store: Store
) -> None:
    job_id = submitted(worker)
    error = {"code": "transient", "message": "no luck"}
    for wait in (0.0, None):
        claim = worker.claim(worker.ready()[0])
        assert claim is not None
        store.fail(claim, error, retry_in_seconds=wait)

    assert [event for event, _ in told(store, job_id)] == [START, FAIL, JOB]
    _, fail, end = store.deliveries(job_id)
    assert fail.facts["message"] == end.facts["message"] == "no luck"
    assert end.facts["status"] == "failed"


def test_each_run_of_a_job_is_told_anew(worker: HandWorker, store: Store) -> None:
    job_id = submitted(worker)
    claim = worker.claim(worker.ready()[0])
    assert claim is not None
    store.fail(claim, {"code": "x", "message": "no"}, retry_in_seconds=None)
    store.retry(job_id)

    worker.run_all()

    events = [sent.event for sent in store.deliveries(job_id)]
    assert events == [START, FAIL, JOB, START, COMPLETE, JOB]
    identities = {sent.identity for sent in store.deliveries(job_id)}
    assert len(identities) == 6


def test_a_cancelled_job_is_told_as_failed_and_its_running_task_too(
    worker: HandWorker, store: Store
) -> None:
    job_id = submitted(worker, parameters={"length": 2})
    claim = worker.claim(worker.ready()[0])
    assert claim is not None
    store.cancel(job_id)
    store.give_back(claim)

    assert [event for event, _ in told(store, job_id)] == [START, FAIL, JOB]
    end = store.deliveries(job_id)[-1]
    assert end.facts == {"status": "failed", "message": "the job was cancelled"}


def test_a_refused_job_is_told_as_failed(worker: HandWorker, store: Store) -> None:
    new = NewJob("m", "line", {}, endpoints=(ONE,))
    job_id = store.refuse(new, {"code": "parameter_invalid", "message": "bad"})

    (end,) = store.deliveries(job_id)
    assert end.facts == {"status": "failed", "message": "bad"}


def test_a_task_that_kills_its_workers_is_told_as_failed(worker: HandWorker, store: Store) -> None:
    job_id = submitted(worker)
    claim = worker.claim(worker.ready()[0])
    assert claim is not None
    with store.database.write() as connection:
        poor = update(task).where(task.c.id == claim.task_id)
        connection.execute(poor.values(losses=9, lease_until=1))

    store.expire()

    assert [event for event, _ in told(store, job_id)] == [START, FAIL, JOB]


def test_the_next_of_a_line_is_not_to_be_had_before_the_one_before_has_ended(
    worker: HandWorker, store: Store
) -> None:
    job_id = submitted(worker)
    worker.run_all()

    seen = []
    while found := claimed(store):
        assert len(found) == 1
        assert claimed(store) == []
        assert settle(store, found[0], DONE)
        seen.append((found[0].event, found[0].task_id))

    assert seen == told(store, job_id)
    assert {sent.state for sent in store.deliveries(job_id)} == {DELIVERED}
    assert store.delivery_counts() == {PENDING: 0, DELIVERED: len(seen), DEAD: 0, DROPPED: 0}


def test_one_that_waits_for_its_next_try_holds_its_line_up_and_no_other(
    worker: HandWorker, store: Store
) -> None:
    submitted(worker, ONE, OTHER)
    worker.run_all()
    by_url = {sent.url: sent for sent in claimed(store)}
    settle(store, by_url[ONE], Verdict(PENDING, 500, "no", 3600.0))
    settle(store, by_url[OTHER], DONE)

    assert [(sent.url, sent.event) for sent in claimed(store)] == [(OTHER, COMPLETE)]


def test_what_a_killed_deliverer_had_comes_back_with_its_identity(
    worker: HandWorker, store: Store
) -> None:
    submitted(worker)
    worker.run_all()
    lost = one(store)
    store.keep_bodies({lost.id: "{}"})
    expire(store)

    again = one(store)

    assert (again.id, again.identity, again.attempt) == (lost.id, lost.identity, 2)
    assert again.body == "{}"
    assert not settle(store, lost, DONE), "a stale outcome changes nothing"
    assert settle(store, again, DONE)


def test_no_more_of_one_address_are_taken_than_may_be_under_way(
    worker: HandWorker, store: Store
) -> None:
    for _ in range(6):
        submitted(worker, ONE)
    submitted(worker, OTHER)
    worker.run_all()

    found = claimed(store, per_url=4, busy={ONE: 1})

    assert sorted(sent.url for sent in found) == [ONE] * 3 + [OTHER]
    assert len(claimed(store, per_url=8, limit=2)) == 2


def test_no_more_of_one_host_are_taken_however_many_addresses_it_has(
    worker: HandWorker, store: Store
) -> None:
    host, elsewhere = "http://127.0.0.1:9", "http://127.0.0.1:10/x"
    submitted(worker, *[f"{host}/{number}" for number in range(20)], elsewhere)
    worker.run_all()

    found = claimed(store, per_origin=8, busy={f"{host}/busy": 3})

    assert len([sent for sent in found if sent.url.startswith(f"{host}/")]) == 5
    assert [sent.url for sent in found if sent.url == elsewhere] == [elsewhere]


def test_addresses_beyond_the_first_thousand_have_their_turn(
    worker: HandWorker, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "MOST_URLS", 3)
    monkeypatch.setattr(deliveries, "DUE_URLS", deliveries.due_urls(3))
    host, last = "http://127.0.0.1:10", "http://127.0.0.1:9/last"
    hanging = {f"{host}/busy": 8}
    submitted(worker, *[f"{host}/{number}" for number in range(8)], last)
    worker.run_all()

    turns = [claimed(store, per_origin=8, busy=hanging) for _ in range(4)]

    assert [[sent.url for sent in turn] for turn in turns] == [[], [], [last], []]


def test_one_job_s_own_deliverer_takes_no_others(worker: HandWorker, store: Store) -> None:
    submitted(worker)
    own = submitted(worker)
    worker.run_all()

    assert [sent.job_id for sent in claimed(store, job_id=own)] == [own]
    assert len(claimed(store)) == 1


def test_two_deliverers_never_have_one_line_at_a_time(worker: HandWorker, store: Store) -> None:
    for _ in range(8):
        submitted(worker, ONE, OTHER)
    worker.run_all()
    lock, lines, doubled = threading.Lock(), set[tuple[int, str]](), []
    ended: list[tuple[tuple[int, str], int]] = []

    def deliver() -> None:
        while len(ended) < 8 * 2 * 3:
            for sent in claimed(store, limit=3):
                line = sent.job_id, sent.url
                with lock:
                    if line in lines:
                        doubled.append(line)
                    lines.add(line)
                with lock:
                    lines.discard(line)
                    ended.append((line, sent.id))
                assert settle(store, sent, DONE)

    threads = [threading.Thread(target=deliver) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert doubled == []
    assert len(ended) == 8 * 2 * 3
    for line in {line for line, _ in ended}:
        ids = [sent_id for found, sent_id in ended if found == line]
        assert ids == sorted(ids)


def disabled(store: Store) -> list[tuple[str, str, str]]:
    with store.database.read() as connection:
        found = connection.execute(select(endpoint.c.client, endpoint.c.url, endpoint.c.reason))
        return [(row.client, row.url, row.reason) for row in found]


def test_an_address_that_is_gone_is_dropped_until_something_is_sent_again(
    worker: HandWorker, store: Store
) -> None:
    first, second = submitted(worker, ONE, OTHER), submitted(worker)
    worker.run_all()
    gone = next(sent for sent in claimed(store) if sent.url == ONE)

    settle(store, gone, Verdict(DROPPED, 410, "410 Gone"))

    assert disabled(store) == [("c", ONE, "410 Gone")]
    for job_id in (first, second):
        states = {sent.state for sent in store.deliveries(job_id) if sent.url == ONE}
        assert states == {DROPPED}
    (line,) = [line for line in store.logs(first) if line.progname == "callback"]
    assert "wants no callbacks any more" in line.message
    assert {s.state for s in store.deliveries(first) if s.url == OTHER} == {PENDING}
    third = submitted(worker)
    worker.run_all()
    assert {sent.state for sent in store.deliveries(third)} == {DROPPED}

    store.redeliver(third, store.deliveries(third)[0].id)

    assert disabled(store) == []
    assert any(sent.job_id == third for sent in claimed(store))


def test_ends_are_counted_for_ever_and_once(worker: HandWorker, store: Store) -> None:
    delivered, dead, gone = (submitted(worker, url) for url in (ONE, OTHER, f"{ONE}/gone"))
    worker.run_all()
    verdicts = {delivered: DONE, dead: Verdict(DEAD, 500, "no"), gone: Verdict(DROPPED, 410, "")}
    tried = [(sent, verdicts[sent.job_id]) for sent in claimed(store)]
    assert store.settle_deliveries(tried) == 3

    assert store.settle_deliveries(tried) == 0, "a stale outcome is not counted"

    counted = {DELIVERED: 1, DEAD: 1, DROPPED: 3}
    assert store.delivery_counts() == {PENDING: 4, **counted}
    submitted(worker, f"{ONE}/gone")
    worker.run_all()
    with store.database.write() as connection:
        tally.fold(connection)
        connection.execute(update(job).values(finished_at=1, work="removed"))
    assert store.clean_up() == 2, "those whose callbacks have all ended"
    assert store.delivery_counts() == {PENDING: 4, **counted, DROPPED: 6}
    assert "dropped" not in store.counts().jobs


def test_redelivery_is_the_same_callback_from_the_first_try_on(
    worker: HandWorker, store: Store
) -> None:
    job_id = submitted(worker)
    worker.run_all()
    sent = one(store)
    with pytest.raises(StateForbids, match="still being delivered"):
        store.redeliver(job_id, sent.id)
    store.keep_bodies({sent.id: "{}"})
    settle(store, sent, Verdict(DEAD, 500, "no"))
    following = one(store)
    assert following.event == COMPLETE, "the line goes on without the dead one"

    settle(store, following, DONE)
    last = one(store)
    settle(store, last, DONE)
    store.redeliver(job_id, sent.id)

    again = one(store)
    assert (again.id, again.identity, again.body) == (sent.id, sent.identity, "{}")
    assert (again.attempt, again.state) == (1, PENDING)
    with pytest.raises(ParameterError, match="has no callback"):
        store.redeliver(job_id + 1, sent.id)


def test_what_was_not_sent_is_given_back_without_a_try(worker: HandWorker, store: Store) -> None:
    submitted(worker)
    worker.run_all()
    sent = one(store)

    settle(store, sent, Verdict(PENDING, is_charged=False))

    assert one(store).attempt == 1


def test_a_job_is_kept_while_it_has_callbacks_on_their_way(
    worker: HandWorker, store: Store
) -> None:
    job_id = submitted(worker)
    worker.run_all()
    with store.database.write() as connection:
        connection.execute(update(job).values(finished_at=1, work="removed"))

    assert store.clean_up() == 0
    settle(store, one(store), Verdict(DROPPED, 410, "410 Gone"))
    assert store.clean_up() == 1
    with pytest.raises(ParameterError, match=f"no job {job_id}"):
        store.job(job_id)


def test_what_was_stored_later_does_not_join_what_is_under_way(
    worker: HandWorker, store: Store
) -> None:
    job_id = submitted(worker)
    worker.run_all()
    first, second, _ = store.deliveries(job_id)
    with store.database.write() as connection:
        # As if the transaction of the first one had not been committed yet.
        hidden = update(delivery).where(delivery.c.id == first.id)
        connection.execute(hidden.values(state="hidden"))
        connection.execute(update(delivery).where(delivery.c.id > second.id).values(due_at=2**60))
    assert [one.id for one in claimed(store, worker_id="one")] == [second.id]
    with store.database.write() as connection:
        connection.execute(hidden.values(state="pending"))

    assert claimed(store, worker_id="other") == []
