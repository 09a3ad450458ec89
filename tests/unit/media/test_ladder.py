"""The default ladder fits the source."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptation.media.ladder import default_ladder
from adaptation.media.probe import VideoTrack
from adaptation.media.rendition import SAFE_NAME, target_size


def picture(width: int, height: int, rate: int = 25) -> VideoTrack:
    return VideoTrack(0, "h264", width, height, 0, Fraction(rate), "yuv420p", "", False)


def sizes(width: int, height: int) -> list[tuple[int, int]]:
    rungs = default_ladder(picture(width, height))
    return [target_size(width, height, rung.height) for rung in rungs]


def test_a_full_hd_source_gets_the_usual_rungs() -> None:
    rungs = default_ladder(picture(1920, 1080))
    assert [rung.name for rung in rungs] == ["1080p", "720p", "540p", "360p", "234p"]
    assert [rung.bitrate // 1000 for rung in rungs] == [5000, 2800, 1600, 800, 350]


def test_a_portrait_source_keeps_its_shape() -> None:
    wanted = [(1080, 1920), (720, 1280), (540, 960), (360, 640), (234, 416)]
    assert sizes(1080, 1920) == wanted


def test_a_wide_film_gets_the_usual_widths() -> None:
    assert sizes(1920, 800) == [(1920, 800), (1282, 534), (960, 400), (638, 266), (418, 174)]


def test_a_source_between_two_rungs_keeps_its_own_size() -> None:
    assert sizes(1600, 900)[:2] == [(1600, 900), (1280, 720)]


def test_a_source_just_above_a_rung_gets_no_rung_of_its_own() -> None:
    assert sizes(1300, 732)[0] == (1278, 720)


def test_a_tiny_source_gets_one_rung() -> None:
    assert sizes(100, 80) == [(100, 80)]


def test_more_frames_get_more_bits() -> None:
    slow, fast = (default_ladder(picture(1280, 720, rate))[0].bitrate for rate in (30, 60))
    assert slow < fast <= slow * 1.5


@pytest.mark.parametrize("height", [2160, 4320])
def test_nothing_above_full_hd_is_made(height: int) -> None:
    assert default_ladder(picture(height * 16 // 9, height))[0].height == 1080


@given(st.integers(1, 8192), st.integers(1, 8192))
def test_a_ladder_steps_down_and_never_up(width: int, height: int) -> None:
    rungs = default_ladder(picture(width, height))
    assert 1 <= len(rungs) <= 6
    assert len({rung.name for rung in rungs}) == len(rungs)
    assert all(SAFE_NAME.fullmatch(rung.name) for rung in rungs)
    assert all(rung.height <= max(2, height) and rung.height % 2 == 0 for rung in rungs)
    for large, small in pairwise(rungs):
        assert large.height > small.height
        assert large.bitrate >= small.bitrate
