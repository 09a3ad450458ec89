"""Chunks cover the source once, begin where segments do, and are worth their price."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptation.media.chunk import SEEK_MARGIN_SECONDS, Chunk, cut_chunks, plan_chunks
from adaptation.media.encode import keyframes
from adaptation.media.timeline import SeekPoint, Timeline

RATE = 5


def film(seconds: float, start: int = 0) -> Timeline:
    """An even film of five frames per second."""
    frames = range(start, start + round(seconds * RATE))
    return Timeline(Fraction(1, RATE), tuple(frames), 1)


def keys(timeline: Timeline, distance: int, *, has_leading: bool = False) -> list[SeekPoint]:
    """Every so many frames, decoded two frames before they are shown."""
    return [SeekPoint(pts, pts - 2, has_leading) for pts in timeline.pts[::distance]]


def lengths(timeline: Timeline, chunks: tuple[Chunk, ...]) -> list[float]:
    return [
        float(timeline.part(chunk.first_frame, chunk.end_frame).duration_seconds)
        for chunk in chunks
    ]


@given(
    seconds=st.floats(0.2, 400),
    start=st.integers(-1000, 1000),
    distance=st.integers(1, 600),
    segment=st.sampled_from([1, 2, Fraction(10, 3), 6]),
    wanted=st.integers(1, 90),
    slots=st.integers(1, 12),
)
def test_chunks_cover_the_source_once_in_whole_segments(
    seconds: float, start: int, distance: int, segment: Fraction, wanted: int, slots: int
) -> None:
    timeline = film(seconds, start)
    starts = keyframes(timeline, segment)
    points = keys(timeline, distance)
    chunks = plan_chunks(timeline, points, starts, chunk_seconds=wanted, slots=slots)
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    assert chunks[0].first_frame == 0
    assert chunks[-1].end_frame == len(timeline)
    assert all(early.end_frame == late.first_frame for early, late in pairwise(chunks))
    assert tuple(start for chunk in chunks for start in chunk.starts) == starts
    assert all(chunk.starts[0] == chunk.first_frame for chunk in chunks)
    assert chunks == plan_chunks(timeline, points, starts, chunk_seconds=wanted, slots=slots)


@given(
    seconds=st.integers(1, 1000),
    distance=st.integers(2, 50),
    wanted=st.integers(8, 60),
    slots=st.integers(1, 12),
)
def test_no_chunk_is_tiny(seconds: int, distance: int, wanted: int, slots: int) -> None:
    timeline = film(seconds)
    chunks = plan_chunks(
        timeline,
        keys(timeline, distance),
        keyframes(timeline, 2),
        chunk_seconds=wanted,
        slots=slots,
    )
    # Three quarters of the shortest that is worth it.
    assert len(chunks) == 1 or min(lengths(timeline, chunks)) >= 6


@given(
    distance=st.integers(5, 30),
    frame=st.integers(1, 99),
    has_leading=st.booleans(),
    start=st.integers(-300, 300),
)
def test_reading_begins_before_all_that_the_first_frame_needs(
    distance: int, frame: int, has_leading: bool, start: int
) -> None:
    timeline = film(20, start)
    points = keys(timeline, distance, has_leading=has_leading)
    (_, chunk) = cut_chunks(timeline, points, (0, frame), (0, frame))
    needed = frame // distance - (1 if has_leading else 0)
    if needed <= 0:
        assert chunk.seek_seconds is None
    else:
        assert chunk.seek_seconds == Fraction(points[needed].dts, RATE) - SEEK_MARGIN_SECONDS


def test_without_key_frames_reading_begins_at_the_start() -> None:
    chunks = cut_chunks(film(20), (), (0, 50), (0, 50))
    assert [chunk.seek_seconds for chunk in chunks] == [None, None]


def test_a_key_frame_behind_the_first_shown_frame_can_be_sought() -> None:
    points = [SeekPoint(17, 15, has_leading=False)]
    chunks = cut_chunks(film(20), points, (0, 50), (0, 50))
    assert chunks[1].seek_seconds == Fraction(15, RATE) - SEEK_MARGIN_SECONDS


def planned(seconds: float, *, distance: int = 10, slots: int = 2) -> list[float]:
    timeline = film(seconds)
    points = keys(timeline, distance)
    return lengths(timeline, plan_chunks(timeline, points, keyframes(timeline, 4), slots=slots))


@pytest.mark.parametrize("seconds", [0.2, 5, 10])
def test_a_short_source_is_one_chunk(seconds: float) -> None:
    assert len(planned(seconds, slots=8)) == 1


def test_one_slot_gets_a_film_of_two_minutes_whole_and_a_long_one_in_few_pieces() -> None:
    assert planned(120, slots=1) == [120]
    assert planned(600, slots=1) == [120] * 5


@pytest.mark.parametrize("slots", [2, 3, 4, 8])
@pytest.mark.parametrize("seconds", [24, 30, 48, 60, 120, 300, 3600])
def test_workers_that_begin_together_end_together(seconds: int, slots: int) -> None:
    chunks = planned(seconds, slots=slots)
    free = [0.0] * slots
    for chunk in chunks:
        free[free.index(min(free))] += chunk
    # Nobody waits longer than for the shortest chunk, one of whole segments.
    assert max(free) - min(free) <= 12


def test_chunks_become_shorter_from_batch_to_batch() -> None:
    chunks = planned(300, slots=2)
    assert chunks[:2] == [32, 28]
    batches = [first + second for first, second in zip(chunks[::2], chunks[1::2], strict=True)]
    assert batches == sorted(batches, reverse=True)
    assert batches[-1] <= 32


def test_a_source_with_one_key_frame_stays_whole() -> None:
    assert planned(120, distance=10**6) == [120]


def test_distant_key_frames_make_long_chunks_that_begin_at_them() -> None:
    timeline = film(300)
    points = keys(timeline, 60)
    chunks = plan_chunks(timeline, points, keyframes(timeline, 4), slots=4)
    assert min(lengths(timeline, chunks)) >= 18
    assert {chunk.first_frame for chunk in chunks} <= {point.pts for point in points}


def test_a_chunk_survives_json() -> None:
    chunk = Chunk(1, 50, 150, Fraction(1001, 30_000), (50, 100))
    assert Chunk.from_json(json.loads(json.dumps(chunk.to_json()))) == chunk
    whole = replace(chunk, seek_seconds=None)
    assert Chunk.from_json(json.loads(json.dumps(whole.to_json()))) == whole


@pytest.mark.parametrize("bounds", [(), (50,), (0, 60)])
def test_chunks_that_begin_inside_a_segment_are_refused(bounds: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="where segments do"):
        cut_chunks(film(30), (), (0, 50, 100), bounds)


@pytest.mark.parametrize(("seconds", "slots"), [(0, 1), (-1, 1), (10, 0)])
def test_chunks_need_a_length_and_a_slot(seconds: int, slots: int) -> None:
    with pytest.raises(ValueError, match="a length and a slot"):
        plan_chunks(film(8), (), (0,), chunk_seconds=seconds, slots=slots)
