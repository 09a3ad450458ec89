"""What was cut is held against the plan; each difference is said in words."""

from __future__ import annotations

from fractions import Fraction

import pytest

import samples
from adaptation.errors import ToolError
from adaptation.media.timeline import Timeline
from adaptation.media.verify import check_length, check_sound, check_track


def test_half_the_sound_does_not_pass() -> None:
    track = samples.audio()
    seconds = track.duration_seconds
    check_sound(track, seconds)
    with pytest.raises(ToolError, match=r"should last .* s, found .* s"):
        check_sound(track, 2 * seconds)
    check_length("it", Fraction(1), Fraction(105, 100))


def test_segments_begin_at_the_planned_frames() -> None:
    frames = Timeline(Fraction(1, 25), tuple(range(150)), 1)
    track = samples.video(durations=(180_000, 180_000, 180_000), counts=(50, 50, 50))
    check_track(track, frames, (0, 50, 100))
    with pytest.raises(ToolError, match="expected 2 segments, found 3"):
        check_track(track, frames, (0, 50))
    with pytest.raises(ToolError, match=r"00003.m4s starts -0.0400 s off"):
        check_track(track, frames, (0, 50, 101))
    with pytest.raises(ToolError, match="expected 151 frames"):
        check_track(track, Timeline(Fraction(1, 25), tuple(range(151)), 1), (0, 50, 100))
