"""Whose turn it is: the limits, the priorities, fairness and ageing."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from adaptation.engine.rules import Rules, Started, Waiting, order

NOON = 1_000_000_000


def waiting(job_id: int, client: str = "a", priority: int = 5, **facts: int) -> Waiting:
    return Waiting(job_id, client, priority, facts.pop("queued_at", NOON + job_id), **facts)


def turn(jobs: list[Waiting], started: list[Started], rules: Rules, now: int = NOON) -> list[int]:
    return [job.job_id for job in order(jobs, started, rules, now)]


def test_the_more_urgent_comes_first_then_who_came_first() -> None:
    jobs = [waiting(1, priority=6), waiting(2, priority=2), waiting(3, priority=6, queued_at=NOON)]

    assert turn(jobs, [], Rules()) == [2, 3, 1]


def test_no_more_than_max_jobs_are_started() -> None:
    started = [Started("a", 1), Started("b", 9)]

    assert turn([waiting(1, priority=1)], started, Rules(max_jobs=2)) == []
    assert turn([waiting(1, priority=1)], started, Rules(max_jobs=3)) == [1]


def test_with_five_jobs_and_two_priority_slots_ordinary_jobs_hold_three() -> None:
    rules = Rules(max_jobs=5, priority_slots=2)
    jobs = [waiting(1, priority=6), waiting(2, priority=5)]

    assert turn(jobs, [Started("a", 6)] * 2, rules) == [2, 1]
    assert turn(jobs, [Started("a", 6)] * 3, rules) == [2]
    assert turn(jobs, [Started("a", 5)] * 4, rules) == [2, 1], "priority jobs take any slot"


def test_the_threshold_is_never_below_one() -> None:
    rules = Rules(max_jobs=1, priority_slots=1, priority_threshold=0)

    assert turn([waiting(1, priority=1)], [], rules) == [1]


def test_a_client_that_has_all_it_may_is_passed_over_and_holds_up_nobody() -> None:
    jobs = [waiting(1, "a", priority=1), waiting(2, "b", priority=9), waiting(3, "c", priority=9)]
    started = [Started("a", 1), Started("c", 9)]
    rules = Rules(max_jobs=9)

    assert turn(jobs, started, rules) == [1, 2, 3]
    assert turn(jobs, started, replace(rules, most_running=1)) == [2]
    own = {"a": 2, "b": 0}
    assert [job.job_id for job in order(jobs, started, rules, NOON, own)] == [1, 3]


def test_one_clients_thousand_jobs_do_not_starve_anothers_one() -> None:
    jobs = [waiting(1, "many", queued_at=NOON), waiting(2, "one", queued_at=NOON + 9)]

    assert turn(jobs, [Started("many", 5)], Rules()) == [2, 1]
    served = [waiting(1, "many", served_at=NOON), waiting(2, "one", served_at=7)]
    assert turn(served, [], Rules(max_jobs=1)) == [2, 1], "who was served longest ago"


def test_what_has_waited_long_enough_comes_before_what_is_urgent_and_new() -> None:
    rules = Rules(ageing_seconds=60)
    old = waiting(1, priority=9, queued_at=NOON - 8 * 60_000)
    new = waiting(2, priority=1, queued_at=NOON)

    assert turn([new, old], [], rules, NOON - 60_000) == [2, 1]
    assert turn([new, old], [], rules, NOON) == [1, 2]


@given(
    max_jobs=st.integers(0, 8),
    priority_slots=st.integers(0, 10),
    threshold=st.integers(0, 10),
    priorities=st.lists(st.integers(1, 10), max_size=30),
)
def test_whatever_the_rules_ordinary_jobs_leave_the_priority_slots_free(
    max_jobs: int, priority_slots: int, threshold: int, priorities: list[int]
) -> None:
    rules = Rules(max_jobs, priority_slots, threshold)
    left = [waiting(number, priority=value) for number, value in enumerate(priorities)]
    started: list[Started] = []

    while found := order(left, started, rules, NOON):
        left.remove(found[0])
        started.append(Started(found[0].client, found[0].priority))

    ordinary = sum(job.priority > max(1, threshold) for job in started)
    assert ordinary <= max(0, max_jobs - priority_slots)
    assert len(started) <= max_jobs
    if len(started) < max_jobs:
        assert all(rules.is_ordinary(job.priority) for job in left)
