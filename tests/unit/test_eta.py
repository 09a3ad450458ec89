"""When a job will be done, judged by what is left of it."""

from __future__ import annotations

from adaptation.dashboard.eta import seconds_left
from adaptation.engine.remaining import Share
from adaptation.engine.states import TaskState

DONE, RUNNING, WAITING = TaskState.DONE, TaskState.RUNNING, TaskState.WAITING
MEANS = {"fetch": 4.0, "chunk": 100.0, "pack": 10.0}


def test_what_runs_is_judged_by_its_own_pace() -> None:
    assert seconds_left([Share("chunk", RUNNING, 1, 0.25, 20.0)], MEANS) == 60


def test_what_waits_takes_what_others_of_the_job_took() -> None:
    shares = [
        Share("chunk", DONE, 2, 2.0, 80.0),
        Share("chunk", RUNNING, 2, 1.0, 40.0),
        Share("chunk", WAITING, 4, 0.0, 0.0),
        Share("pack", WAITING, 1, 0.0, 0.0),
    ]
    # Two at once: 1 x 40 that runs, 4 x 40 and 10 that wait.
    assert seconds_left(shares, MEANS) == (40 + 160 + 10) / 2


def test_it_lasts_at_least_as_long_as_the_task_that_runs_longest() -> None:
    shares = [
        Share("chunk", RUNNING, 1, 0.1, 100.0),
        Share("fetch", RUNNING, 1, 0.5, 3.0),
    ]
    assert seconds_left(shares, MEANS) == 900


def test_nobody_can_say_before_the_plan_is_known_or_anything_was_measured() -> None:
    fetching = [Share("fetch", RUNNING, 1, 0.5, 4.0), Share("plan", WAITING, 1, 0.0, 0.0)]
    assert seconds_left(fetching, MEANS, {"plan"}) is None
    planned = [Share("plan", DONE, 1, 1.0, 1.0), Share("chunk", WAITING, 1, 0.0, 0.0)]
    assert seconds_left(planned, MEANS, {"plan"}) == 100
    assert seconds_left(planned, {}, {"plan"}) is None
    assert seconds_left([Share("chunk", RUNNING, 1, 0.001, 1.0)], {}) is None


def test_it_is_never_nothing_or_less() -> None:
    assert seconds_left([Share("fetch", RUNNING, 1, 1.0, 900.0)], MEANS) == 1
    assert seconds_left([Share("chunk", RUNNING, 1, 0.0, 500.0)], {"chunk": 0.0}) == 1
