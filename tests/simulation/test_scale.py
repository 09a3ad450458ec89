"""A fleet that is large for the jobs at hand is kept busy, on paper."""

from __future__ import annotations

from simulation.scale import Scale


def test_a_heap_of_jobs_is_drained_almost_as_fast_as_its_work_can_be_shared() -> None:
    drain = Scale(jobs=60, workers=10, slots=2, deaths_per_hour=0).run()

    assert drain.tasks > 60 * 8
    assert 1.0 <= drain.ratio < 1.05


def test_dying_workers_cost_little_more_than_what_they_were_doing() -> None:
    drain = Scale(jobs=60, workers=10, slots=2, deaths_per_hour=6.0).run()

    assert drain.deaths >= 20
    assert 1.0 <= drain.ratio < 1.5
