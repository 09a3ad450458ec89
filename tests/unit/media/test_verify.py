"""What an encoder made is held against the plan; each difference is said in words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import pytest

import samples
from adaptation.errors import ToolError
from adaptation.media.chunk import Chunk
from adaptation.media.timeline import Timeline
from adaptation.media.verify import (
    check_audio,
    check_chunk,
    check_length,
    check_track,
)

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


FILM = Timeline(Fraction(1, 25), tuple(range(100, 140)), 1)
CHUNK = Chunk(2, 20, 30, None, (20, 25))


def check_whole(packets: Table, timeline: Timeline, keys: tuple[int, ...]) -> None:
    """As a single chunk."""
    check_chunk(packets, timeline, Chunk(0, 0, len(timeline), None, keys))


def changed(values: tuple[int, ...], index: int, value: int) -> tuple[int, ...]:
    return (*values[:index], value, *values[index + 1 :])


def test_what_follows_the_plan_passes() -> None:
    check_whole(GOOD, PLAN, KEYS)
    check_audio(SOUND, 1.0)


def test_rounding_is_no_difference() -> None:
    check_whole(replace(GOOD, pts=changed(GOOD.pts, 3, 3 * 3600 + 45)), PLAN, KEYS)


BAD = {
    "expected 11 frames, found 10": (GOOD, Timeline(Fraction(1, 25), tuple(range(11)), 1), KEYS),
    "frame 3 is .0.0056 s off": (replace(GOOD, pts=changed(GOOD.pts, 3, 11_300)), PLAN, KEYS),
    "expected 1, found 2; see frame 5": (GOOD, PLAN, (0,)),
    "expected 3, found 2; see frame 8": (GOOD, PLAN, (0, 5, 8)),
    "packet 4 is empty": (replace(GOOD, sizes=changed(GOOD.sizes, 4, 0)), PLAN, KEYS),
}


@pytest.mark.parametrize(("words", "case"), BAD.items())
def test_a_difference_of_the_picture_is_named(
    words: str, case: tuple[Table, Timeline, tuple[int, ...]]
) -> None:
    with pytest.raises(ToolError, match=words) as caught:
        check_whole(*case)
    assert caught.value.code == "output_mismatch"


def test_a_chunk_is_held_against_its_part_of_the_film() -> None:
    check_chunk(GOOD, FILM, CHUNK)
    # Until the next chunk is joined to it, nobody knows how long its last frame lasts.
    check_chunk(replace(GOOD, durations=changed(GOOD.durations, 9, 90_000)), FILM, CHUNK)


BAD_CHUNKS = {
    "expected 11 frames, found 10": (GOOD, replace(CHUNK, end_frame=31)),
    "frame 23 is .0.0056 s off": (replace(GOOD, pts=changed(GOOD.pts, 3, 11_300)), CHUNK),
    "see frame 25": (GOOD, replace(CHUNK, starts=(20,))),
    "packet 4 is empty": (replace(GOOD, sizes=changed(GOOD.sizes, 4, 0)), CHUNK),
}


@pytest.mark.parametrize(("words", "case"), BAD_CHUNKS.items())
def test_a_difference_of_a_chunk_names_the_frame_of_the_film(
    words: str, case: tuple[Table, Chunk]
) -> None:
    with pytest.raises(ToolError, match=words):
        check_chunk(case[0], FILM, case[1])


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
