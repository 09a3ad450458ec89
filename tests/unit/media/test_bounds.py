"""What asks for too much is refused at the border, and what is at the border passes."""

from __future__ import annotations

from fractions import Fraction

import pytest

from adaptation.adapters import inputs
from adaptation.errors import SourceError
from adaptation.media import bounds
from adaptation.media.bounds import Clock, Silence, check_frames, check_size, check_stills
from adaptation.media.timeline import Timeline

MILLISECOND = Fraction(1, 1000)


def test_tools_are_told_the_same_limit_of_pixels() -> None:
    assert inputs.MAX_PIXELS == bounds.MAX_PIXELS == 8192 * 4320


@pytest.mark.parametrize("size", [(8192, 4320), (4320, 8192), (16_384, 2160), (1, 1)])
def test_the_largest_picture_passes(size: tuple[int, int]) -> None:
    check_size(*size, stored_pixels=8192 * 4320)


@pytest.mark.parametrize(
    ("size", "stored"), [((8192, 4321), 1), ((16_385, 2), 1), ((2, 2), 8192 * 4320 + 1)]
)
def test_a_larger_one_is_refused(size: tuple[int, int], stored: int) -> None:
    with pytest.raises(SourceError) as caught:
        check_size(*size, stored_pixels=stored)
    assert caught.value.code == "source_picture_too_large"


def test_a_day_of_frames_passes_and_one_more_does_not() -> None:
    check_frames(bounds.MAX_FRAMES)
    with pytest.raises(SourceError) as caught:
        check_frames(bounds.MAX_FRAMES + 1)
    assert caught.value.code == "source_too_many_frames"


@pytest.mark.parametrize("pts", [(0, 600_000, 600_040), (0, 40)])
def test_ten_minutes_of_one_picture_pass(pts: tuple[int, ...]) -> None:
    check_stills(Timeline(MILLISECOND, pts, 600_000))


@pytest.mark.parametrize(("pts", "last"), [((0, 40, 600_041), 40), ((0, 40), 600_001)])
def test_more_is_a_hole(pts: tuple[int, ...], last: int) -> None:
    with pytest.raises(SourceError) as caught:
        check_stills(Timeline(MILLISECOND, pts, last))
    assert caught.value.code == "source_gap"


def test_a_clock_may_round_but_not_start_again() -> None:
    clock = Clock(MILLISECOND)
    for dts in (0, 40, 39, 80, 5000, 4901):
        clock.read(dts)
    with pytest.raises(SourceError, match=r"back by 4\.86 s at 4\.90 s") as caught:
        clock.read(40)
    assert caught.value.code == "source_times"


@pytest.mark.parametrize(
    ("times", "end"),
    [
        ((0, 3_600_000), 3_600_021),
        ((3_000_000, 3_600_000), 3_600_021),
        ((0, 20), 3_600_020),
        ((0, *range(0, 7_200_000, 10_000)), 7_200_000),
    ],
    ids=["inside", "before and inside", "behind", "short pauses"],
)
def test_an_hour_of_silence_passes(times: tuple[int, ...], end: int) -> None:
    silence = Silence(MILLISECOND)
    for pts in times:
        silence.read(pts)
    silence.check(0.0, times[0], end)


@pytest.mark.parametrize(
    ("times", "end"),
    [
        ((0, 3_600_001), 3_600_021),
        ((3_000_000, 3_600_001), 3_600_021),
        ((0, 20), 3_600_021),
        ((0, *range(10_001, 7_200_000, 10_001)), 7_200_000),
    ],
    ids=["inside", "before and inside", "behind", "many pauses"],
)
def test_more_silence_is_a_hole(times: tuple[int, ...], end: int) -> None:
    silence = Silence(MILLISECOND)
    for pts in times:
        silence.read(pts)
    with pytest.raises(SourceError) as caught:
        silence.check(0.0, times[0], end)
    assert caught.value.code == "source_gap"
