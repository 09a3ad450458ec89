"""Thumbnails are planned so that one stands for every moment, and from as little as possible."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import ceil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import samples
from adaptation.media.index import Track
from adaptation.media.tiles import image_track, plan_tiles, tile_command


def sized(track: Track, width: int, height: int) -> Track:
    return replace(track, width=width, height=height)


LARGE = sized(samples.video("1080p"), 1920, 1080)
SMALL = sized(samples.video("360p"), 640, 360)
UPRIGHT = sized(samples.video("upright"), 360, 640)
TEN = Fraction(10)


@pytest.mark.parametrize(
    ("edge", "made_of", "size"),
    [
        (0, "1080p", (1920, 1080)),
        (5000, "1080p", (1920, 1080)),
        (641, "1080p", (640, 360)),
        (640, "360p", (640, 360)),
        (160, "360p", (160, 90)),
        (161, "360p", (160, 90)),
        (16, "360p", (16, 8)),
    ],
)
def test_the_smallest_rendition_that_is_large_enough_is_taken(
    edge: int, made_of: str, size: tuple[int, int]
) -> None:
    plan = plan_tiles([LARGE, SMALL, samples.audio()], edge, TEN)

    assert (plan.track.name, plan.size) == (made_of, size)


def test_the_long_edge_of_an_upright_picture_is_its_height() -> None:
    assert plan_tiles([UPRIGHT], 320, TEN).size == (180, 320)


@given(
    track=samples.VIDEOS,
    milliseconds=st.integers(1_000, 20_000),
    edge=st.integers(16, 4096),
)
def test_every_thumbnail_has_its_frame_and_every_moment_its_thumbnail(
    track: Track, milliseconds: int, edge: int
) -> None:
    interval = Fraction(milliseconds, 1000)
    plan = plan_tiles([sized(track, 1920, 1080)], edge, interval)

    kept = plan.segments
    assert kept == [one for one in track.segments if one in kept], "in the order of time"
    ticks = [number * interval * track.timescale for number in range(plan.picture_count)]
    assert all(any(s.start <= tick < s.start + s.duration for s in kept) for tick in ticks)
    assert all(any(s.start <= tick < s.start + s.duration for tick in ticks) for s in kept)
    assert (plan.count - 1) * interval < plan.duration <= plan.count * interval
    assert plan.columns * plan.size.width <= 4096
    assert plan.rows * plan.size.height <= 4096
    assert (plan.tile_count - 1) * plan.columns * plan.rows < plan.count


@given(track=samples.VIDEOS, milliseconds=st.integers(1_000, 20_000))
def test_the_tiles_are_as_long_as_the_asset(track: Track, milliseconds: int) -> None:
    plan = plan_tiles([track], 160, Fraction(milliseconds, 1000))

    images = image_track(plan, "trickplay", [b"x"] * plan.tile_count)

    assert sum(tile.duration for tile in images.segments) == ceil(plan.duration * 90_000)
    assert all(tile.duration > 0 for tile in images.segments)
    assert sum(tile.sample_count for tile in images.segments) == plan.count


def test_sound_that_goes_on_has_the_last_picture() -> None:
    sound = samples.audio(durations=[48_000 * 11])
    plan = plan_tiles([SMALL, sound], 160, Fraction(2))

    assert (plan.picture_count, plan.count) == (5, 6)
    command = tile_command(plan, 30, input_path=Path("/in.mp4"), output_folder=Path("/out"))
    assert "tpad=stop=1:stop_mode=clone" in command[command.index("-vf") + 1]
    quiet = plan_tiles([SMALL], 160, Fraction(2))
    command = tile_command(quiet, 30, input_path=Path("/in.mp4"), output_folder=Path("/out"))
    assert "tpad" not in command[command.index("-vf") + 1]
