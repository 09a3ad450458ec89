"""A timeline says when each frame is shown, exactly."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptation.media.timeline import SeekPoint, Timeline, timeline

TIMELINES = st.builds(
    lambda base, pts, last: Timeline(Fraction(1, base), tuple(sorted(pts)), last),
    st.sampled_from([1000, 12_800, 24_000, 90_000]),
    st.sets(st.integers(-(10**6), 10**7), min_size=1, max_size=60),
    st.integers(1, 5000),
)


@given(TIMELINES)
def test_a_timeline_survives_json(frames: Timeline) -> None:
    assert Timeline.from_json(json.loads(json.dumps(frames.to_json()))) == frames


def test_an_even_timeline_is_small_in_json() -> None:
    frames = Timeline(Fraction(1, 25), tuple(range(172_800)), 1)
    assert len(json.dumps(frames.to_json())) < 150


def test_times_are_exact() -> None:
    frames = Timeline(Fraction(1001, 30_000), (10, 11, 12), 1)
    assert frames.start_seconds == Fraction(10_010, 30_000)
    assert frames.duration_seconds == Fraction(3003, 30_000)
    assert frames.frame_rate == Fraction(30_000, 1001)
    assert frames.since_start(2) == Fraction(2002, 30_000)
    assert frames.half_frame == Fraction(1001, 60_000)
    assert frames.unevenness_seconds == 0


def test_half_a_frame_is_half_the_shortest_distance() -> None:
    assert Timeline(Fraction(1, 1000), (0, 40, 50, 90), 40).half_frame == Fraction(5, 1000)
    assert Timeline(Fraction(1, 1000), (7,), 40).half_frame == Fraction(20, 1000)


def test_packets_are_ordered_as_they_are_shown() -> None:
    frames = timeline(Fraction(1, 25), [0, 3, 1, 2, 3], 1)
    assert frames is not None
    assert frames.pts == (0, 1, 2, 3)


def test_an_unknown_last_duration_is_the_one_before() -> None:
    frames = timeline(Fraction(1, 25), [0, 4, 10], 0)
    assert frames is not None
    assert frames.last_duration == 6


def test_no_frames_give_no_timeline() -> None:
    assert timeline(Fraction(1, 25), [], 1) is None


@pytest.mark.parametrize("pts", [(), (1, 1), (2, 1)])
def test_times_that_do_not_rise_are_refused(pts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="rising"):
        Timeline(Fraction(1, 25), pts, 1)


@given(TIMELINES, st.data())
def test_a_part_lasts_until_the_next_begins(frames: Timeline, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(frames)))
    if cut in (0, len(frames)):
        assert frames.part(0, len(frames)) == frames
        return
    before, after = frames.part(0, cut), frames.part(cut, len(frames))
    assert before.pts + after.pts == frames.pts
    assert before.end_seconds == after.start_seconds
    assert after.end_seconds == frames.end_seconds


@pytest.mark.parametrize(("first", "end"), [(0, 0), (3, 2), (-1, 2), (0, 4)])
def test_a_part_without_frames_is_refused(first: int, end: int) -> None:
    with pytest.raises(ValueError, match="no frames from"):
        Timeline(Fraction(1, 25), (0, 1, 2), 1).part(first, end)


@pytest.mark.parametrize("has_leading", [True, False])
def test_a_seek_point_survives_json(has_leading: bool) -> None:
    point = SeekPoint(-90, -180, has_leading)
    assert SeekPoint.from_json(json.loads(json.dumps(point.to_json()))) == point


@given(TIMELINES, st.integers(1, 240))
def test_a_limited_timeline_keeps_every_nth_frame_and_its_end(frames: Timeline, rate: int) -> None:
    limited = frames.limited(rate)
    assert limited.pts == frames.pts[:: limited.thinning]
    assert (limited.start_seconds, limited.end_seconds) == (
        frames.start_seconds,
        frames.end_seconds,
    )
    assert limited.half_frame == frames.half_frame
    wanted = frames.frame_rate / limited.thinning
    assert wanted <= Fraction(rate * 1002, 1000)
    # No more are left out than must be.
    fewer = limited.thinning - 1
    assert fewer == 0 or frames.frame_rate / fewer > Fraction(rate * 1002, 1000)
    assert Timeline.from_json(json.loads(json.dumps(limited.to_json()))) == limited


@pytest.mark.parametrize(
    ("ticks", "rate", "factor"),
    [
        (Fraction(1, 60), 30, 2),
        (Fraction(1001, 60_000), 29.97, 2),
        (Fraction(1, 30), 29.97, 1),
        (Fraction(1, 50), 30, 2),
        (Fraction(1, 60), 25, 3),
        (Fraction(1, 120), 60, 2),
        (Fraction(1, 24), 30, 1),
    ],
)
def test_rates_are_divided_by_a_whole_number(ticks: Fraction, rate: float, factor: int) -> None:
    limited = Timeline(ticks, tuple(range(241)), 1).limited(rate)
    assert limited.thinning == factor
    # The last frame may be shown for a shorter time, which is no reason against B-frames.
    assert limited.unevenness_seconds == 0


def test_only_all_frames_can_be_thinned() -> None:
    frames = Timeline(Fraction(1, 60), tuple(range(60)), 1)
    with pytest.raises(ValueError, match="thinned"):
        frames.limited(0)
    with pytest.raises(ValueError, match="thinned"):
        frames.limited(30).limited(15)
