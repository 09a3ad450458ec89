"""Key frames are found in segments by their boxes, and segments of them alone can be read again."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

import samples
from adaptation.errors import ToolError
from adaptation.media.boxes import Init, Samples, read_fragment, read_span
from adaptation.media.index import Track
from adaptation.media.tiles import image_track, plan_tiles
from adaptation.media.trickplay import (
    ByteRange,
    TrickPlay,
    added_folder,
    first_picture,
    key_frame_track,
    picture_segment,
    trick_track,
)
from adaptation.media.writing import Span, box, media_segment

INIT = Init(90_000, "avc1.64001f", 7200, 1280, 720, 0, 0, 0, 0)
SIZES = st.lists(st.integers(1, 5_000), min_size=1, max_size=60)


def segment(sizes: list[int], *, syncs: list[bool] | None = None) -> bytes:
    count = len(sizes)
    keys = syncs or [True, *[False] * (count - 1)]
    stored = Samples(7200, [3600] * count, sizes, [0] * count, keys)
    span = Span(1, 90_000, 0, 3600 * count)
    media = b"".join(bytes([number % 256]) * size for number, size in enumerate(sizes, start=1))
    return media_segment(span, stored, [media], is_picture=True)


@given(SIZES)
def test_the_range_begins_with_moof_and_ends_with_the_first_picture(sizes: list[int]) -> None:
    content = segment(sizes)

    found = first_picture(BytesIO(content), INIT)

    taken = content[found.offset : found.offset + found.length]
    assert taken[4:8] == b"moof"
    assert taken.endswith(b"mdat" + b"\x01" * sizes[0])


@given(SIZES)
def test_a_single_picture_stands_for_the_whole_segment(sizes: list[int]) -> None:
    content = segment(sizes)
    found = first_picture(BytesIO(content), INIT)
    span = Span(3, 90_000, 720_000, 360_000)

    made = picture_segment(content[found.offset : found.offset + found.length], INIT, span)

    read = read_fragment(made, INIT)
    assert (read.sample_count, read.starts_with_sync, read.duration) == (1, True, 360_000)
    assert read.earliest - INIT.media_time == 720_000
    assert read_span(made) == (720_000, 360_000)
    assert made.endswith(b"mdat" + b"\x01" * sizes[0])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        box(b"mdat", b"x") + segment([10]),
        segment([10, 10, 10], syncs=[False, True, True]),
        segment([10])[:100],
        b"\xff\xff\xff\xffmoof" + bytes(40),
        b"\x00\x00\x00\x01moof" + bytes(40),
    ],
)
def test_what_begins_with_no_key_frame_is_broken(content: bytes) -> None:
    with pytest.raises(ToolError) as error:
        first_picture(BytesIO(content), INIT)

    assert error.value.code == "output_broken"


@given(samples.VIDEOS)
def test_the_record_is_read_as_it_was_written(track: Track) -> None:
    ranges = tuple(ByteRange(80, 1 + number) for number in range(len(track.segments)))
    alone = trick_track(track, "trickplay/720p", (bytes(9) for _ in ranges))
    plan = plan_tiles([track], 160, Fraction(2))
    images = image_track(plan, "trickplay", [b"x"] * plan.tile_count)

    for wanted in (None, images):
        trick = TrickPlay({track.name: ranges}, alone, wanted)
        assert TrickPlay.from_json(trick.to_json()) == trick
    assert [one.size_bytes for one in key_frame_track(track, ranges).segments] == [
        one.length for one in ranges
    ]


def test_what_is_added_gets_a_folder_that_no_track_has() -> None:
    named = [replace(samples.video(), folder=name) for name in ("trickplay", "trickplay_2")]

    assert added_folder([samples.video()]) == "trickplay"
    assert added_folder(named) == "trickplay_3"
