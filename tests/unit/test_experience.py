"""Estimates that learn: what past jobs took corrects what is foretold of the next one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptation.engine.model import PastJob
from adaptation.media.plan import CPU_RANGE
from adaptation.workflows.experience import WORK, Experience, makespan

SECONDS = st.lists(st.floats(0.01, 1000), max_size=40)


def past(*ratios: float) -> list[PastJob]:
    """Jobs of which 10 s were foretold, and that took so much longer."""
    return [PastJob(7, {WORK: 10.0}, {"encode_chunk": 10 * one, "notify": 9.0}) for one in ratios]


def test_without_a_past_the_table_counts() -> None:
    found = Experience.of([])

    assert (found.jobs, found.ratio.expected) == (0, 1.0)
    assert (found.ratio.low, found.ratio.high) == CPU_RANGE
    assert "no past job of h264-fast is known" in found.told("h264-fast")


def test_the_median_counts_and_no_single_outlier() -> None:
    found = Experience.of(past(0.8, 0.82, 0.84, 0.86, 25.0))

    assert found.ratio.expected == pytest.approx(0.84)
    assert found.ratio.low < 0.8
    assert found.told("hevc").endswith("5 past jobs of hevc, ratio 0.84 " + spread(found))


def spread(found: Experience) -> str:
    return f"({found.ratio.low:.2f} to {found.ratio.high:.2f})"


def test_one_job_tells_a_factor_but_not_how_sure_it_is() -> None:
    found = Experience.of(past(2.0))

    assert (found.ratio.low, found.ratio.expected, found.ratio.high) == (1.0, 2.0, 3.6)
    assert "1 past job of av1" in found.told("av1")


def test_jobs_that_alike_narrow_the_range() -> None:
    found = Experience.of(past(*[0.8] * 12))

    assert found.ratio.low == pytest.approx(0.72)
    assert found.ratio.high == pytest.approx(0.88)


def test_jobs_that_foretold_nothing_teach_nothing() -> None:
    nothing = [PastJob(1, {}, {"encode_chunk": 3.0}), PastJob(2, {WORK: 4.0}, {})]
    assert Experience.of(nothing).jobs == 0


@given(SECONDS, st.integers(1, 64))
def test_no_span_is_shorter_than_its_longest_task_or_its_share(
    seconds: list[float], slots: int
) -> None:
    span = makespan(seconds, slots)

    assert span >= max(seconds, default=0.0) - 1e-9
    assert span >= sum(seconds) / slots - 1e-6
    assert span <= sum(seconds) + 1e-6
    # Graham: a list in any order takes less than twice what the best one does.
    assert span <= sum(seconds) / slots + max(seconds, default=0.0) + 1e-6


def test_tasks_are_begun_in_their_order() -> None:
    assert makespan([3, 3, 2, 2], 2) == 5
    assert makespan([1], 8) == 1
    assert makespan([], 2) == 0
