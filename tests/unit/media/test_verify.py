"""What an encoder made is held against the plan; each difference is said in words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import pytest

import samples
from adaptation.errors import ToolError
from adaptation.media.timeline import Timeline
from adaptation.media.verify import check_audio, check_length, check_track, check_video

PLAN = Timeline(Fraction(1, 25), tuple(range(7, 17)), 1)
KEYS = (0, 5)


@dataclass(frozen=True)
class Table:
    time_base: Fraction
    pts: tuple[int, ...]
    durations: tuple[int, ...]
    sizes: tuple[int, ...]
    keys: tuple[bool, ...]


GOOD = Table(
    Fraction(1, 90_000),
    tuple(3600 * n for n in (0, 2, 1, 3, 4, 5, 7, 6, 8, 9)),
    (3600,) * 10,
    (50,) * 10,
    tuple(n in KEYS for n in range(10)),
)
SOUND = Table(
    Fraction(1, 48_000),
    tuple(1024 * n for n in range(-1, 47)),
    (1024,) * 48,
    (9,) * 48,
    (True,) * 48,
)


def changed(values: tuple[int, ...], index: int, value: int) -> tuple[int, ...]:
    return (*values[:index], value, *values[index + 1 :])


def test_what_follows_the_plan_passes() -> None:
    check_video(GOOD, PLAN, KEYS)
    check_audio(SOUND, 1.0)


def test_rounding_is_no_difference() -> None:
    check_video(replace(GOOD, pts=changed(GOOD.pts, 3, 3 * 3600 + 45)), PLAN, KEYS)


BAD = {
    "expected 11 frames, found 10": (GOOD, Timeline(Fraction(1, 25), tuple(range(11)), 1), KEYS),
    "frame 3 is .0.0056 s off": (replace(GOOD, pts=changed(GOOD.pts, 3, 11_300)), PLAN, KEYS),
    "expected 1, found 2; see frame 5": (GOOD, PLAN, (0,)),
    "expected 3, found 2; see frame 8": (GOOD, PLAN, (0, 5, 8)),
    "packet 4 is empty": (replace(GOOD, sizes=changed(GOOD.sizes, 4, 0)), PLAN, KEYS),
    "should last 0.400 s": (replace(GOOD, durations=(9000,) * 10), PLAN, KEYS),
}


@pytest.mark.parametrize(("words", "case"), BAD.items())
def test_a_difference_of_the_picture_is_named(
    words: str, case: tuple[Table, Timeline, tuple[int, ...]]
) -> None:
    with pytest.raises(ToolError, match=words) as caught:
        check_video(*case)
    assert caught.value.code == "output_mismatch"


BAD_SOUND = {
    "is empty": replace(SOUND, pts=()),
    "gap or an overlap at packet 20": replace(SOUND, pts=changed(SOUND.pts, 20, 19_600)),
    "packet 0 is empty": replace(SOUND, sizes=changed(SOUND.sizes, 0, 0)),
}


@pytest.mark.parametrize(("words", "table"), BAD_SOUND.items())
def test_a_difference_of_the_sound_is_named(words: str, table: Table) -> None:
    with pytest.raises(ToolError, match=words):
        check_audio(table, 1.0)


def test_half_the_sound_does_not_pass() -> None:
    with pytest.raises(ToolError, match=r"should last 2.000 s, found 1.003 s"):
        check_audio(SOUND, 2.0)
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
