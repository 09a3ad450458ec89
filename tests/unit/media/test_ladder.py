"""A profile's ladder fits the source: in size, in shape, and in what it is worth."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptation.media.coding import CODECS, usual_coding
from adaptation.media.ladder import MIN_BITRATE, LadderPlan, plan_ladder, source_ceiling
from adaptation.media.probe import VideoTrack
from adaptation.media.profile import CodecLadder, ProfileRung
from adaptation.media.rendition import SAFE_NAME, Rendition, target_size

RUNGS = tuple(
    ProfileRung(side, 1000 * kilobits)
    for side, kilobits in ((1080, 5000), (720, 2800), (540, 1600), (360, 800), (234, 350))
)
H264, HEVC, AV1 = (CodecLadder(usual_coding(codec), RUNGS) for codec in CODECS)


def picture(
    width: int, height: int, rate: int = 25, bitrate: int = 0, codec: str = "h264"
) -> VideoTrack:
    track = VideoTrack(0, codec, width, height, 0, Fraction(rate), "yuv420p", "", False)
    return replace(track, bitrate=bitrate)


def ladder(video: VideoTrack, *ladders: CodecLadder) -> tuple[Rendition, ...]:
    return plan_ladder(video, ladders or [H264]).renditions


def sizes(width: int, height: int) -> list[tuple[int, int]]:
    rungs = ladder(picture(width, height))
    return [target_size(width, height, rung.height) for rung in rungs]


def kilobits(plan: LadderPlan) -> dict[str, int]:
    return {rung.name: rung.bitrate // 1000 for rung in plan.renditions}


def test_a_full_hd_source_gets_the_usual_rungs() -> None:
    plan = plan_ladder(picture(1920, 1080), [H264])
    assert kilobits(plan) == {"1080p": 5000, "720p": 2800, "540p": 1600, "360p": 800, "234p": 350}
    assert plan.notes == ()


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
    slow, fast = (ladder(picture(1280, 720, rate))[0].bitrate for rate in (30, 60))
    assert slow < fast <= slow * 1.5


@pytest.mark.parametrize("height", [2160, 4320])
def test_nothing_above_the_profile_s_largest_rung_is_made(height: int) -> None:
    assert ladder(picture(height * 16 // 9, height))[0].height == 1080


def test_a_poor_source_gets_no_rich_rungs_and_none_that_cost_as_much_as_a_larger() -> None:
    plan = plan_ladder(picture(1920, 1080, bitrate=900_000), [H264])
    assert kilobits(plan) == {"1080p": 1800, "540p": 1600, "360p": 800, "234p": 350}
    assert plan.notes == (
        "1080p gets 1800 instead of 5000 kbit/s: there is no more in the source",
        "720p is left out: 1080p costs no more",
    )


def test_no_rung_may_cost_as_much_as_the_copied_one() -> None:
    copied = Rendition("1080p", 1080, 1_700_000)
    plan = plan_ladder(picture(1920, 1080, bitrate=900_000), [H264], copied)
    assert kilobits(plan) == {"1080p": 1700, "540p": 1600, "360p": 800, "234p": 350}
    assert plan.notes == ("720p is left out: 1080p costs no more",)


def test_a_rich_source_changes_nothing() -> None:
    rich, unknown = (plan_ladder(picture(1920, 1080, bitrate=b), [H264]) for b in (10**8, 0))
    assert rich == unknown


def test_the_bits_of_a_better_codec_are_worth_more() -> None:
    ceilings = [
        source_ceiling(picture(1920, 1080, bitrate=1_000_000, codec=codec), "h264")
        for codec in ("mpeg2video", "h264", "vp9", "hevc", "av1")
    ]
    assert ceilings == [1_000_000, 2_000_000, 3_000_000, 3_200_000, 4_000_000]
    hevc = picture(1920, 1080, bitrate=1_000_000, codec="hevc")
    assert source_ceiling(hevc, "hevc") == 2_000_000
    assert source_ceiling(hevc, "av1") < 2_000_000


def test_renditions_of_a_second_codec_have_its_name() -> None:
    names = [(rung.name, rung.codec) for rung in ladder(picture(640, 360), H264, AV1)]
    assert names == [("360p", "h264"), ("234p", "h264"), ("360p_av1", "av1"), ("234p_av1", "av1")]


def test_a_codec_without_rungs_makes_no_renditions() -> None:
    assert ladder(picture(640, 360), H264, replace(HEVC, rungs=())) == ladder(picture(640, 360))


SIDES = st.integers(1, 8192)
SOURCES = st.builds(
    picture,
    SIDES,
    SIDES,
    st.integers(1, 240),
    st.integers(0, 10**8),
    st.sampled_from(["h264", "hevc", "av1", "mpeg2video", "prores"]),
)


@given(SOURCES)
def test_a_ladder_steps_down_and_never_up(video: VideoTrack) -> None:
    rungs = ladder(video, H264, HEVC, AV1)
    assert len({rung.name for rung in rungs}) == len(rungs)
    assert all(SAFE_NAME.fullmatch(rung.name) for rung in rungs)
    assert all(rung.height <= max(2, video.height) and rung.height % 2 == 0 for rung in rungs)
    for codec in CODECS:
        same = [rung for rung in rungs if rung.codec == codec]
        assert 1 <= len(same) <= len(RUNGS) + 1
        for large, small in pairwise(same):
            assert large.height > small.height
            assert large.bitrate > small.bitrate


@given(SOURCES)
def test_no_rendition_is_richer_than_its_source(video: VideoTrack) -> None:
    for rung in ladder(video, H264, HEVC, AV1):
        ceiling = source_ceiling(video, rung.codec)
        assert rung.bitrate <= max(ceiling, MIN_BITRATE) or not ceiling


@given(SOURCES, st.integers(1, 10**8))
def test_a_richer_source_never_gets_less(video: VideoTrack, more: int) -> None:
    richer = replace(video, bitrate=video.bitrate + more)
    if video.bitrate:
        poor, rich = (ladder(source)[0].bitrate for source in (video, richer))
        assert poor <= rich
        assert len(ladder(video)) <= len(ladder(richer))


@given(SOURCES)
def test_each_change_is_told(video: VideoTrack) -> None:
    plan = plan_ladder(video, [H264])
    usual = plan_ladder(replace(video, bitrate=0), [H264])
    changed = set(usual.renditions) - set(plan.renditions)
    capped = [note for note in plan.notes if "instead of" in note]
    left_out = [note for note in plan.notes if "left out" in note]
    assert len(usual.renditions) - len(plan.renditions) <= len(left_out)
    assert len(changed) <= len(capped) + len(left_out)
