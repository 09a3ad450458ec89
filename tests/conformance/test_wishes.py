"""What people want of the whole fleet: a queue that rests, workers that rest or leave."""

from __future__ import annotations

import pytest

from adaptation.engine.control import StateForbids
from adaptation.engine.model import Process
from adaptation.engine.process import this_process
from adaptation.engine.setting import PAUSED
from adaptation.engine.states import JobState, Wish
from adaptation.engine.store import Store
from adaptation.engine.wishes import member_named, name_of
from adaptation.errors import ParameterError
from engine_kit import HandWorker


@pytest.fixture
def process(store: Store) -> Process:
    """A worker that has signed on."""
    known = this_process(2)
    store.sign_on(known)
    return known


def test_a_paused_queue_starts_nothing_and_what_runs_goes_on(
    worker: HandWorker, store: Store
) -> None:
    store.set_setting("max_jobs", 3)
    runs = worker.queue()
    store.admit()
    store.set_setting(PAUSED, 1, by="ann")
    waits = worker.queue(priority=1)

    assert store.admit() == ()
    claim = store.claim_next(("light",), "w", 30)
    assert claim is not None
    assert claim.job_id == runs
    assert worker.complete(claim)
    assert store.job(waits).state is JobState.QUEUED

    store.set_setting(PAUSED, 0, by="bob")
    store.admit()
    assert store.job(waits).state is JobState.STARTED


def test_somebody_s_own_job_runs_here_and_now_while_the_queue_is_paused(
    worker: HandWorker, store: Store
) -> None:
    store.set_setting(PAUSED, 1)
    job_id = worker.queue()

    store.admit(job_id)

    assert store.job(job_id).state is JobState.STARTED


def test_who_has_changed_a_setting_is_noted(store: Store) -> None:
    store.set_setting("max_jobs", 4, by="ann")
    store.set_setting("retry_limit", 2)
    store.set_setting("max_jobs", 5, by="b" * 300)
    store.unset_setting("max_jobs", by="carol")
    store.unset_setting("max_jobs", by="nobody, as nothing was set")

    changes = [(one.name, one.value, one.by) for one in store.setting_changes()]
    assert changes == [
        ("max_jobs", None, "carol"),
        ("max_jobs", 5, "b" * 200),
        ("retry_limit", 2, ""),
        ("max_jobs", 4, "ann"),
    ]
    last = store.last_changes()
    assert {name: one.by for name, one in last.items()} == {"max_jobs": "carol", "retry_limit": ""}
    assert last["retry_limit"].at <= last["max_jobs"].at


def test_a_value_that_cannot_be_is_no_change(store: Store) -> None:
    with pytest.raises(ParameterError):
        store.set_setting(PAUSED, 2, by="ann")

    assert store.setting_changes() == []


def test_a_worker_learns_what_is_wanted_of_it(store: Store, process: Process) -> None:
    assert store.wish_of(process.worker_id) is Wish.WORK
    for wish in (Wish.DRAIN, Wish.LEAVE, Wish.WORK):
        assert store.wish(process.worker_id, wish)
        assert store.wish_of(process.worker_id) is wish
        assert store.members()[0].process.wish is wish

    assert not store.wish("gone", Wish.DRAIN)
    assert store.wish_of("gone") is None


def test_a_heartbeat_tells_how_busy_the_machine_is(store: Store, process: Process) -> None:
    load = {"cpu": 0.25, "memory_bytes": 10}
    busy = Process(**{**vars(process), "load": load})

    store.heartbeat(process.worker_id, [], 30, busy)

    assert store.members()[0].process.load == load


def test_a_worker_is_named_by_host_and_process_or_by_letters_of_its_id(
    store: Store, process: Process
) -> None:
    store.sign_on(Process("controller", "other", 7, 0, slots=0))
    members = store.members()
    (mine,) = [one for one in members if one.process.slots]

    for word in (process.worker_id, process.worker_id[:6], name_of(mine)):
        assert member_named(members, word) == mine
    for word in (process.worker_id[:3], "nobody/1", ""):
        with pytest.raises(ParameterError) as unknown:
            member_named(members, word)
        assert unknown.value.code == "worker_unknown"
    with pytest.raises(StateForbids):
        member_named(members, "other/7")
