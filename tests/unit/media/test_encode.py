"""Encoding plans cut at the right frames and name each option once."""

from __future__ import annotations

from bisect import bisect_left
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptation.media.cascade import Rung, chunk_command
from adaptation.media.chunk import cut_chunks
from adaptation.media.coding import usual_coding
from adaptation.media.encode import keyframes
from adaptation.media.probe import Source, VideoTrack
from adaptation.media.rendition import Rendition
from adaptation.media.timeline import Timeline

FRAMES = st.builds(
    lambda base, start, steps: Timeline(
        Fraction(1, base), tuple(start + sum(steps[:n]) for n in range(len(steps))), steps[-1]
    ),
    st.sampled_from([25, 1000, 90_000]),
    st.integers(-1000, 10**6),
    st.lists(st.integers(1, 400), min_size=1, max_size=30),
)
SECONDS = st.fractions(Fraction(1, 10), 10, max_denominator=1000)
EVEN = Timeline(Fraction(1, 25), tuple(range(100, 200)), 1)


def picture(**changes: object) -> Source:
    track = VideoTrack(3, "h264", 1920, 1080, 0, Fraction(25), "yuv420p", "", False)
    return Source("mov", 4.0, 1, 1, VideoTrack(**{**vars(track), **changes}), ())


def command(source: Source, frames: Timeline = EVEN, codec: str = "h264") -> list[str]:
    rung = Rung(
        Rendition("360p", 360, 800_000, codec),
        (640, 360),
        Path("/out/video.mp4"),
        usual_coding(codec),
    )
    (chunk,) = cut_chunks(frames, (), keyframes(frames, 2), [0])
    return chunk_command(source, frames, chunk, [rung], Path("/in/source.mkv"))


def option(words: list[str], name: str) -> str:
    assert words.count(name) == 1
    return words[words.index(name) + 1]


@given(FRAMES, SECONDS)
def test_a_segment_starts_with_the_first_frame_at_or_after_its_point(
    frames: Timeline, seconds: Fraction
) -> None:
    times = [frames.since_start(frame) for frame in range(len(frames))]
    points = [point * seconds for point in range(int(times[-1] // seconds) + 1)]
    if seconds >= 2 and frames.duration_seconds > seconds:
        points.append(Fraction(1))
    first_behind = {bisect_left(times, point) for point in points if point <= times[-1]}
    assert keyframes(frames, seconds) == tuple(sorted(first_behind))


def test_the_first_of_long_segments_is_short_so_that_it_is_soon_there() -> None:
    frames = Timeline(Fraction(1, 25), tuple(range(300)), 1)
    assert keyframes(frames, 4) == (0, 25, 100, 200)
    assert keyframes(frames, Fraction(3, 2))[:3] == (0, 38, 75)
    assert keyframes(frames.part(0, 100), 4) == (0,)


def test_ntsc_frames_are_cut_after_each_point() -> None:
    frames = Timeline(Fraction(1001, 30_000), tuple(range(400)), 1)
    assert keyframes(frames, 4) == (0, 30, 120, 240, 360)


def test_a_segment_without_length_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than nothing"):
        keyframes(EVEN, 0)


def test_the_picture_is_cut_forced_and_capped_as_planned() -> None:
    words = command(picture())
    assert option(words, "-map") == "[v0]"
    assert option(words, "-i") == "file:/in/source.mkv"
    assert words[-1] == "file:/out/video.mp4"
    assert option(words, "-maxrate") == "800000"
    assert option(words, "-bufsize") == "1600000"
    assert option(words, "-force_key_frames") == "0.,0.98,1.98"
    assert option(words, "-filter_complex").startswith(
        "[0:3]trim=start=3.980000000,setpts=PTS-round(4.000000000/TB),scale=640:360"
    )
    assert "fast_bilinear" not in option(words, "-filter_complex")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "in_color_matrix=bt709"),
        ({"height": 576, "width": 720}, "in_color_matrix=smpte170m"),
        ({"color_space": "bt470bg"}, "in_color_matrix=bt470"),
        ({"interlaced": True}, "bwdif"),
    ],
)
def test_colours_and_fields_are_converted(changes: dict[str, object], expected: str) -> None:
    assert expected in option(command(picture(**changes)), "-filter_complex")


def test_uneven_frames_are_not_reordered() -> None:
    uneven = Timeline(Fraction(1, 1000), (0, 33, 66, 500), 33)
    assert option(command(picture(), uneven), "-bf") == "0"
    assert "-bf" not in command(picture())


def test_hevc_has_its_own_words() -> None:
    words = command(picture(), codec="hevc")
    assert option(words, "-tag:v") == "hvc1"
    assert "keyint=-1" in option(words, "-x265-params")
