"""Each thing that speaks against copying a picture is named; a picture without any is copied."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptation.media.encode import keyframes
from adaptation.media.passthrough import Candidate, UnitReader
from adaptation.media.probe import Source, VideoTrack
from adaptation.media.rendition import Rendition
from adaptation.media.stored import StoredPicture, StoredReader
from adaptation.media.timeline import SeekPoint, Timeline

SECONDS, RATE = 20, 25
FRAMES = SECONDS * RATE
TOP = Rendition("1080p", 1080, 5_000_000)
LADDER = (TOP, Rendition("720p", 720, 2_800_000))
PICTURE = VideoTrack(
    index=0,
    codec="h264",
    width=1920,
    height=1080,
    rotation=0,
    frame_rate=Fraction(RATE),
    pixel_format="yuv420p",
    color_space="bt709",
    interlaced=False,
    primaries="bt709",
    transfer="bt709",
    color_range="tv",
    field_order="progressive",
    bitrate=4_000_000,
    profile="High",
    level=40,
    tag="avc1",
)
GOP_BYTES = 500_000
"""Of each second: 4 Mbit/s."""
STORED = StoredPicture(
    packets=FRAMES,
    discarded=0,
    untimed=0,
    begins_with_key=True,
    reorder_ticks=2,
    gop_bytes=(GOP_BYTES,) * SECONDS,
)
TIMELINE = Timeline(Fraction(1, RATE), tuple(range(FRAMES)), 1)
MP4 = "mov,mp4,m4a,3gp,3g2,mj2"


def points(*frames: int) -> tuple[SeekPoint, ...]:
    return tuple(SeekPoint(frame, frame, has_leading=False) for frame in frames)


def source(picture: VideoTrack, container: str = MP4) -> Source:
    return Source(container, SECONDS, 10**7, 4_100_000, picture, ())


FITTING = Candidate(
    source=source(PICTURE),
    timeline=TIMELINE,
    seek_points=points(*range(0, FRAMES, RATE)),
    stored=STORED,
    ladder=LADDER,
    segment_seconds=4.0,
)


def looking(**facts: Any) -> Candidate:
    return replace(FITTING, source=source(replace(PICTURE, **facts)))


def holding(**facts: Any) -> Candidate:
    return replace(FITTING, stored=replace(STORED, **facts))


def with_keys(*frames: int, sizes: tuple[int, ...] = ()) -> Candidate:
    gops = sizes or (10_000_000 // len(frames),) * len(frames)
    return replace(
        FITTING, seek_points=points(*frames), stored=replace(STORED, gop_bytes=tuple(gops))
    )


def with_ladder(*ladder: Rendition) -> Candidate:
    return replace(FITTING, ladder=ladder)


BURST = (4_000_000,) * 2 + (111_111,) * 18
WRONG = {
    "its codec is hevc, not h264": looking(codec="hevc"),
    "it is not 8 bit 4:2:0 of a common profile (High 10, yuv420p10le)": looking(
        profile="High 10", pixel_format="yuv420p10le"
    ),
    "it is not 8 bit 4:2:0 of a common profile (Extended, yuv420p)": looking(profile="Extended"),
    "its level is 6.1, above 5.2": looking(level=61),
    "it is interlaced": looking(interlaced=True),
    "it is  interlaced": looking(field_order="tt"),
    "it is   interlaced": looking(telecine="hard"),
    "its pixels are not square": looking(square_pixels=False),
    "the container turns, mirrors or crops it": looking(reshaped=True),
    "its colours are not those of BT.709 (bt2020, smpte2084)": looking(
        primaries="bt2020", transfer="smpte2084"
    ),
    "its range is full": looking(color_range="pc"),
    "its container is mpegts, not MP4 or Matroska": replace(
        FITTING, source=source(PICTURE, "mpegts")
    ),
    "its parameters may lie among its frames (avc3)": looking(tag="avc3"),
    "an edit list hides 3 of its frames": holding(discarded=3),
    "2 of its frames have no time of their own": holding(untimed=2),
    "it does not begin with a key frame": holding(begins_with_key=False),
    "frames behind a key frame are shown before it (open GOP)": replace(
        FITTING,
        seek_points=(*FITTING.seek_points[:-1], SeekPoint(475, 470, has_leading=True)),
    ),
    "frames are to be left out (max_frame_rate)": replace(FITTING, timeline=TIMELINE.limited(13)),
    "its key frames have no place among its frames": holding(gop_bytes=(GOP_BYTES,) * 3),
    "its key frames are too far apart: a segment would last 6.2 instead of 4 s": with_keys(
        0, 100, 200, 300, 455
    ),
    "players could not switch in it: its only key frame is the first one": replace(
        with_keys(0, sizes=(2_000_000,)), timeline=TIMELINE.part(0, 101)
    ),
    "its bit rate is 5600 kbit/s, more than the 5000 of 1080p": looking(bitrate=5_600_000),
    "its bit rate has a peak of 16448 kbit/s, more than 2 x the 5000 of 1080p": with_keys(
        *range(0, FRAMES, RATE), sizes=BURST
    ),
    "the ladder has no H.264 rendition of its size, 1920x1080": with_ladder(LADDER[1]),
    "the ladder has no H.264 rendition of its size,  1920x1080": with_ladder(
        replace(TOP, codec="hevc")
    ),
}


@pytest.mark.parametrize("reason", WRONG)
def test_what_speaks_against_copying_is_said(reason: str) -> None:
    assert WRONG[reason].reasons() == (" ".join(reason.split()),)


def test_nothing_speaks_against_a_picture_that_fits() -> None:
    assert FITTING.reasons() == ()
    assert FITTING.rung == TOP
    assert FITTING.starts == (0, 25, 100, 200, 300, 400)
    mkv = replace(looking(tag="[0][0][0][0]"), source=source(PICTURE, "matroska,webm"))
    assert mkv.reasons() == ()


def test_colours_may_be_unstated_where_players_take_them_for_bt709() -> None:
    unstated = {"color_space": "", "primaries": "", "transfer": "", "color_range": ""}
    assert looking(**unstated).reasons() == ()
    small = replace(
        looking(**unstated, width=640, height=360),
        ladder=(Rendition("360p", 360, 5_000_000),),
    )
    assert small.reasons() == ("its colours are not stated, and it has less than 720 lines",)


def test_an_odd_size_is_no_size_of_a_rendition() -> None:
    found = looking(width=1921).reasons()
    assert "its size is odd, 1921x1080" in found


def test_the_richest_rendition_of_its_size_is_the_one() -> None:
    better = Rendition("best", 1080, 8_000_000)
    assert with_ladder(*LADDER, better, replace(better, codec="av1", name="a")).rung == better


def test_a_short_picture_may_be_one_segment() -> None:
    short = replace(with_keys(0, sizes=(2_000_000,)), timeline=TIMELINE.part(0, 100))
    assert (short.reasons(), short.starts) == ((), (0,))


def test_a_tiny_last_segment_is_no_peak() -> None:
    keys = [*range(0, FRAMES, RATE), FRAMES - 1]
    found = with_keys(*keys, sizes=(*(GOP_BYTES,) * SECONDS, 100_000))
    assert found.reasons() == ()


@given(st.sets(st.integers(1, FRAMES - 1)), st.integers(1, 8))
def test_segments_start_at_the_first_key_frame_of_each_cell(keys: set[int], seconds: int) -> None:
    starts = keyframes(TIMELINE, seconds, [0, *sorted(keys)])
    assert set(starts) <= {0, *keys}
    cells = {key // (RATE * seconds) for key in {0, *keys}}
    assert {start // (RATE * seconds) for start in starts} == cells
    # One more than the cells at most: the short first segment.
    assert len(starts) <= len(cells) + 1


def lines(*rows: str) -> UnitReader:
    reader = UnitReader()
    for row in ("#format: frame checksums", "#tb 0: 1/25", "#tb 1: 1/25", *rows):
        reader.read(row)
    return reader


def test_units_that_stay_the_same_and_start_with_idr_pictures_fit() -> None:
    rows = [
        "0,         -2,          0,        1,     4000, aaaa",
        "1,         -2,          0,        1,       30, 5555",
        "2,         -2,          0,        1,       10, 6666",
        "0,         48,         50,        1,     4000, bbbb",
        "1,         48,         50,        1,       30, 5555",
        "2,         48,         50,        1,       10, 6666",
    ]
    assert lines(*rows).reasons(TIMELINE, points(0, 50)) == ()
    assert lines(*rows).reasons(TIMELINE, points(0, 25, 50)) == (
        "some of its key frames are no IDR pictures",
    )
    changed = "its parameter sets (SPS, PPS) change on the way"
    for other in ("1, 50, 52, 1, 30, 7777", "2, 50, 52, 1, 10, 7777"):
        assert lines(*rows, other).reasons(TIMELINE, points(0, 50)) == (changed,)
    assert lines(rows[0], rows[1]).reasons(TIMELINE, points(0)) == (changed,)


def test_packets_tell_how_a_picture_is_stored() -> None:
    reader = StoredReader()
    for pts, size, flags in [
        (0, 10, "K__"),
        (3, 5, "___"),
        (1, 4, "___"),
        (2, 4, "___"),
        (4, 11, "K__"),
        (None, 1, "___"),
        (4, 1, "_D_"),
    ]:
        reader.read(pts, size, flags)
    found = reader.result()
    assert found == StoredPicture(
        packets=7,
        discarded=1,
        untimed=2,
        begins_with_key=True,
        reorder_ticks=1,
        gop_bytes=(23, 13),
    )
    assert StoredPicture.from_json(found.to_json()) == found
    assert StoredReader().result().packets == 0
