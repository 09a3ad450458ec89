"""Tasks that not every worker can do: claimed by those who can, told of where nobody can."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adaptation.engine.graph import lower, needing
from adaptation.engine.model import NewJob, Process
from adaptation.engine.states import TaskState
from adaptation.engine.store import Store
from engine_kit import LEASE_SECONDS, count_one

PROCESS = Process("w1", "host/1", 10, 0, slots=2, queues=("light",), facts={"abilities": ["x264"]})
ABLE = replace(PROCESS, worker_id="w2", facts={"abilities": ["x264", "av1", "packager"]})
QUEUES = ("heavy", "light")


@pytest.fixture
def needy(store: Store) -> int:
    """A started job of one task that needs two abilities."""
    plan = lower(needing(count_one.s(), 0, abilities=["av1", "packager"]))
    job_id = store.submit(NewJob("needy", "line", {}), plan, {"count_one": "light"})
    store.admit(job_id)
    return job_id


def warnings(store: Store, job_id: int) -> list[str]:
    return [line.message for line in store.logs(job_id, severity=30)]


@pytest.mark.parametrize("abilities", [(), ("av1",), ("packager", "x264")])
def test_who_lacks_one_of_its_needs_does_not_get_it(
    store: Store, needy: int, abilities: tuple[str, ...]
) -> None:
    assert store.claim_next(QUEUES, "w", LEASE_SECONDS, abilities=abilities) is None
    assert store.tasks(needy)[0].state is TaskState.READY


def test_who_has_all_of_them_or_tries_everything_gets_it(store: Store, needy: int) -> None:
    given = ("packager", "x264", "av1")
    claim = store.claim_next(QUEUES, "w", LEASE_SECONDS, scratch_free=10, abilities=given)
    assert claim is not None
    store.give_back(claim)

    claim = store.claim_next(QUEUES, "w", LEASE_SECONDS)
    assert claim is not None
    assert claim.job_id == needy


def test_what_needs_nothing_goes_to_everybody(store: Store, needy: int) -> None:
    plan = lower(count_one.s())
    other = store.submit(NewJob("other", "line", {}), plan, {"count_one": "light"})
    store.admit(other)

    claim = store.claim_next(QUEUES, "w", LEASE_SECONDS, abilities=())
    assert claim is not None
    assert claim.job_id == other


def test_what_nobody_can_do_says_so_once_and_is_done_when_somebody_comes(
    store: Store, needy: int
) -> None:
    store.sign_on(PROCESS)
    store.sign_on(replace(ABLE, worker_id="w3", queues=("heavy",)))
    assert (store.tell_unfit(60), store.tell_unfit(60)) == (1, 0)

    (line,) = warnings(store, needy)
    assert "waits for a worker with av1, packager" in line
    told = store.tasks(needy)[0].detail
    assert told == {"waits_for_a_worker_with": "av1, packager"}
    assert store.waits_of([needy]) == {needy: "av1, packager"}
    assert store.unfit(60) == {"av1, packager": 1}
    (item,) = store.due(resend_seconds=0)
    assert store.due(resend_seconds=60) == []

    store.sign_on(replace(ABLE, facts={}))
    store.describe("w2", ABLE.facts)

    assert store.tasks(needy)[0].detail is None
    assert store.due(resend_seconds=60) == [item], "it is sent at once"
    assert store.tell_unfit(60) == 0
    assert (store.waits_of([needy]), store.unfit(60)) == ({}, {})
    assert store.claim_next(QUEUES, "w2", LEASE_SECONDS, abilities=ABLE.facts["abilities"])


def test_nothing_is_told_while_a_worker_has_not_said_what_it_can_do(
    store: Store, needy: int
) -> None:
    store.sign_on(replace(PROCESS, facts={}))

    assert store.tell_unfit(60) == 0
    assert warnings(store, needy) == []


def test_a_message_to_who_cannot_do_it_is_passed_on(store: Store, needy: int) -> None:
    store.sign_on(ABLE)
    (item,) = store.due(resend_seconds=0)

    store.pass_on(item.task_id, item.generation, ["av1", "packager"])
    assert store.due(resend_seconds=60) == [], "who can do it has no reason to"
    store.pass_on(item.task_id, item.generation, ["av1"])
    assert store.due(resend_seconds=60) == [item]


def test_what_nobody_can_do_is_counted_by_what_it_needs(store: Store, needy: int) -> None:
    assert store.unfit(60) == {}, "nobody serves the queue at all"
    plan = lower(needing(count_one.s(), 0, abilities=["av1", "packager"]))
    store.admit(store.submit(NewJob("more", "line", {}), plan, {"count_one": "light"}))
    plan = lower(needing(count_one.s(), 0, abilities=["x264"]))
    store.admit(store.submit(NewJob("easy", "line", {}), plan, {"count_one": "light"}))
    store.sign_on(PROCESS)

    assert store.unfit(60) == {"av1, packager": 2}
    store.sign_on(replace(ABLE, job_id=needy))
    assert store.unfit(60) == {"av1, packager": 1}, "it serves that job alone"
