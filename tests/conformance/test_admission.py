"""Who is started: limits that hold in a crowd, priorities, turns of clients, ageing."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import func, select, update

from adaptation.engine.control import StateForbids
from adaptation.engine.schema import job
from adaptation.engine.states import JobState
from adaptation.engine.store import Store
from engine_kit import HandWorker

HOUR_MS = 3_600_000
JOBS = 20
"""Of a crowd: two of each priority, some of each client."""


def started(store: Store) -> list[int]:
    return sorted(found.id for found in store.jobs(limit=1000, state=JobState.STARTED))


def run_one(worker: HandWorker, job_id: int) -> None:
    """Run the tasks of a started job to its end."""
    while claim := worker.store.claim_next(("light", "heavy"), "w", 30, job_id=job_id):
        assert worker.complete(claim)
    assert worker.store.job(job_id).ended


def test_no_more_are_started_than_max_jobs_and_it_counts_at_once(
    worker: HandWorker, store: Store
) -> None:
    jobs = [worker.queue() for _ in range(5)]

    assert len(store.admit()) == 2
    assert started(store) == jobs[:2]
    assert store.set_setting("max_jobs", 4)
    store.admit()
    assert started(store) == jobs[:4]
    assert not store.set_setting("max_jobs", 1), "it was set before"
    run_one(worker, jobs[0])
    store.admit()
    assert started(store) == jobs[1:4], "what runs goes on, and nothing new is started"


def test_ordinary_jobs_leave_the_priority_slots_free(worker: HandWorker, store: Store) -> None:
    store.set_setting("max_jobs", 5)
    store.set_setting("priority_slots", 2)
    ordinary = [worker.queue(priority=6) for _ in range(5)]
    store.admit()
    assert started(store) == ordinary[:3]

    urgent = [worker.queue(priority=5) for _ in range(3)]
    store.admit()

    assert started(store) == sorted(ordinary[:3] + urgent[:2])


def test_the_more_urgent_goes_first_then_who_came_first(worker: HandWorker, store: Store) -> None:
    store.set_setting("max_jobs", 1)
    jobs = {priority: worker.queue(priority=priority) for priority in (5, 9, 1)}
    jobs[10] = worker.queue(priority=9)

    assert turns(worker) == [jobs[1], jobs[5], jobs[9], jobs[10]]


def turns(worker: HandWorker) -> list[int]:
    """The order in which the queued jobs are run, one at a time."""
    order = []
    while worker.store.admit():
        order += started(worker.store)
        run_one(worker, order[-1])
    return order


def test_a_client_with_one_job_passes_one_with_many(worker: HandWorker, store: Store) -> None:
    store.set_setting("max_jobs", 1)
    many = [worker.queue(client="many") for _ in range(20)]
    store.admit()
    one = worker.queue(client="one")

    run_one(worker, many[0])
    assert turns(worker)[:2] == [one, many[1]]


def test_a_thousand_jobs_of_one_client_do_not_age_past_anothers_one(
    worker: HandWorker, store: Store
) -> None:
    store.set_setting("max_jobs", 1)
    many = [worker.queue(client="many") for _ in range(3)]
    wait(store, 10 * HOUR_MS)
    store.admit()
    one = worker.queue(client="one")

    run_one(worker, many[0])
    store.admit()

    assert started(store) == [one]


def test_what_has_waited_long_comes_before_what_is_urgent(worker: HandWorker, store: Store) -> None:
    store.set_setting("max_jobs", 1)
    old = worker.queue(priority=10)
    wait(store, 5 * HOUR_MS)
    new = worker.queue(priority=1)

    assert turns(worker) == [old, new]


def test_nothing_ages_where_ageing_is_switched_off(worker: HandWorker, store: Store) -> None:
    store.set_setting("max_jobs", 1)
    store.set_setting("ageing_seconds", 0)
    old = worker.queue(priority=10)
    wait(store, 50 * HOUR_MS)
    new = worker.queue(priority=1)

    assert turns(worker) == [new, old]


def wait(store: Store, milliseconds: int) -> None:
    """Let what is queued have been so for longer."""
    with store.database.write() as connection:
        earlier = {"queued_at": job.c.queued_at - milliseconds}
        connection.execute(update(job).where(job.c.state == JobState.QUEUED).values(earlier))


def test_a_paused_job_frees_its_slot_and_waits_for_one_when_it_goes_on(
    worker: HandWorker, store: Store
) -> None:
    store.set_setting("max_jobs", 1)
    first, second = worker.queue(), worker.queue()
    store.admit()

    assert store.pause(first)
    store.admit()
    assert started(store) == [second]
    assert store.resume(first)
    assert not store.resume(first), "it goes on already"
    store.admit()
    assert started(store) == [second]
    run_one(worker, second)
    store.admit()
    assert started(store) == [first]


def test_a_job_that_is_run_here_and_now_waits_for_no_slot(worker: HandWorker, store: Store) -> None:
    store.set_setting("max_jobs", 0)
    mine, other = worker.queue(run_at=HOUR_MS * 10**6), worker.queue()

    assert len(store.admit(mine)) == 1

    assert started(store) == [mine]
    assert store.admit() == ()
    assert store.job(other).state is JobState.QUEUED


def test_a_retry_does_not_take_an_output_from_another(worker: HandWorker, store: Store) -> None:
    failed = worker.queue(output="/out")
    store.cancel(failed)
    worker.queue(output="/out")

    with pytest.raises(Exception, match="is not finished and writes to /out") as caught:
        store.retry(failed)

    assert getattr(caught.value, "code", "") == "output_busy"
    with pytest.raises(StateForbids):
        store.retry(failed + 1)


def test_a_limit_of_one_client_touches_no_other(worker: HandWorker, store: Store) -> None:
    store.add_client("small", "client", limits={"most_running": 1})
    store.add_client("large", "client", limits={"most_running": None})
    store.set_setting("max_jobs", 6)
    store.set_setting("most_running", 2)
    small = [worker.queue(client="small", priority=1) for _ in range(3)]
    large = [worker.queue(client="large") for _ in range(3)]
    usual = [worker.queue(client="usual") for _ in range(3)]

    store.admit()
    assert started(store) == sorted([small[0], *large, *usual[:2]])
    run_one(worker, small[0])
    store.admit()
    assert started(store) == sorted([small[1], *large, *usual[:2]])

    store.change_client("small", limits={"most_running": 3})
    run_one(worker, large[0])
    store.admit()
    assert started(store) == sorted([*small[1:], *large[1:], *usual[:2]]), "it counts at once"


def test_a_client_that_may_run_nothing_waits(worker: HandWorker, store: Store) -> None:
    store.add_client("none", "client", limits={"most_running": 0})
    waits = worker.queue(client="none")

    assert store.admit() == ()
    assert store.job(waits).state is JobState.QUEUED
    assert len(store.admit(waits)) == 1, "here and now it waits for no slot"


def test_a_claim_knows_what_its_client_may_use_just_now(worker: HandWorker, store: Store) -> None:
    store.add_client("ann", "client", limits={"source_bytes": 7})
    jobs = [worker.queue(client=name) for name in ("ann", "bob", "")]
    store.set_setting("max_jobs", 3)
    store.change_client("ann", limits={"source_bytes": 9})

    store.admit()
    claims = [store.claim_next(("light",), "w", 30, job_id=job_id) for job_id in jobs]

    assert [claim.limits for claim in claims if claim] == [{"source_bytes": 9}, {}, None]


class Crowd:
    """Threads that admit, work, meddle and look at a store, each again and again."""

    def __init__(self, worker: HandWorker, jobs: int) -> None:
        self.worker, self.store, self.jobs = worker, worker.store, jobs
        self.seen: list[tuple[int, int, int]] = []
        self.errors: list[Exception] = []
        self._over = threading.Event()

    def run(self) -> None:
        deeds = [self.work, self.work, self.work, self.meddle, self.look]
        threads = [threading.Thread(target=self._again_and_again, args=(deed,)) for deed in deeds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    def _again_and_again(self, deed: Callable[[], None]) -> None:
        while not self._over.is_set():
            try:
                deed()
            except Exception as error:  # noqa: BLE001 - judged by the test
                self.errors.append(error)
                self._over.set()

    def work(self) -> None:
        self.store.admit()
        if claim := self.store.claim_next(("light", "heavy"), "w", 30):
            self.worker.complete(claim)

    def meddle(self) -> None:
        for job_id in started(self.store)[:1]:
            self.store.pause(job_id)
            self.store.resume(job_id)

    def look(self) -> None:
        self.seen.append(holders(self.store))
        if self.store.counts().jobs["completed"] == self.jobs:
            self._over.set()


def test_the_limits_hold_while_jobs_end_and_pause_at_once(worker: HandWorker, store: Store) -> None:
    store.set_setting("max_jobs", 4)
    store.set_setting("priority_slots", 1)
    for number in range(JOBS):
        worker.queue(client=f"c{number % 3}", priority=1 + number % 10)
    store.add_client("c0", "client", limits={"most_running": 1})
    crowd = Crowd(worker, JOBS)

    crowd.run()

    assert crowd.errors == []
    assert store.counts().jobs["completed"] == JOBS
    counts = [count for count, _, _ in crowd.seen]
    assert max(counts) <= 4
    assert max(ordinary for _, ordinary, _ in crowd.seen) <= 3
    assert max(limited for _, _, limited in crowd.seen) == 1
    assert max(counts) > 1, "nobody was ever beside another"


def holders(store: Store) -> tuple[int, int, int]:
    """How many jobs are started, how many of them are ordinary, and how many are c0's."""
    ordinary = func.count().filter(job.c.priority > 5)
    held = select(func.count(), ordinary, func.count().filter(job.c.client == "c0")).where(
        job.c.state == JobState.STARTED
    )
    with store.database.read() as connection:
        count, low, few = connection.execute(held).one()
        return count, low, few
