"""Fragments become segments on the plan's clock, and anything unplanned is refused at once."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptation.errors import ToolError
from adaptation.media.boxes import Samples, boxes, need, read_fragment, read_init, read_samples
from adaptation.media.coding import CODECS, usual_coding
from adaptation.media.coding import reorder_depth as reorder_depth_of
from adaptation.media.encode import may_reorder
from adaptation.media.reuse import FORMAT
from adaptation.media.segment import (
    TIMESCALE,
    PicturePlan,
    PictureSegmenter,
    SoundSegmenter,
    plan_copied,
    plan_pictures,
    reorder_delay,
    reorder_depth,
)
from adaptation.media.timeline import Timeline
from adaptation.media.writing import box, full_box
from segments import index_named

AVC = box(b"avcC", bytes.fromhex("01640028ffe10000"))
ESDS = bytes.fromhex("00000000031c000000041440150000000001f4000001f4000505119056e500060102")
PRIMING, PACKET, RATE = 1024, 1024, 48_000
HEADER = 8


def encoded_init(entry: bytes, timescale: int, media_time: int, size: tuple[int, int]) -> bytes:
    """A header as FFmpeg writes it, with times of day, names and tags."""
    edit = full_box(b"elst", 0, 0, struct.pack(">IIiI", 1, 0, media_time, 0x10000))
    clock = full_box(b"mdhd", 0, 0, struct.pack(">IIIIHH", 7, 7, timescale, 0, 0x15C7, 0))
    table = box(b"stbl", full_box(b"stsd", 0, 0, struct.pack(">I", 1), entry))
    track = box(
        b"trak",
        full_box(b"tkhd", 0, 3, bytes(72), struct.pack(">II", size[0] << 16, size[1] << 16)),
        box(b"edts", edit),
        box(b"mdia", clock, full_box(b"hdlr", 0, 0, b"name"), box(b"minf", table)),
    )
    defaults = box(b"mvex", full_box(b"trex", 0, 0, struct.pack(">5I", 1, 1, 0, 0, 0)))
    return box(b"ftyp", b"iso5") + box(b"moov", track, defaults, box(b"udta", b"Lavf63"))


def picture_init(media_time: int = 0, timescale: int = TIMESCALE) -> bytes:
    fields = bytes(24) + struct.pack(">HH", 320, 180) + bytes(14) + b"Lavc63 libx264".ljust(36)
    rates = box(b"btrt", bytes(12))
    return encoded_init(box(b"avc1", fields, AVC, rates), timescale, media_time, (320, 180))


def sound_init() -> bytes:
    fields = bytes(16) + struct.pack(">HHIH", 2, 16, 0, RATE) + bytes(2)
    return encoded_init(box(b"mp4a", fields, box(b"esds", ESDS)), RATE, PRIMING, (0, 0))


def moof(decode_time: int, rows: Sequence[tuple[int, int, int]], keys: Sequence[bool]) -> bytes:
    """The body of a fragment's header; rows of duration, size and offset, as FFmpeg has them."""
    values = b"".join(
        struct.pack(">IIIi", duration, size, 0x02000000 if key else 0x01010000, offset)
        for (duration, size, offset), key in zip(rows, keys, strict=True)
    )
    return box(
        b"traf",
        full_box(b"tfhd", 0, 0x020000, struct.pack(">I", 1)),
        full_box(b"tfdt", 1, 0, struct.pack(">Q", decode_time)),
        full_box(b"trun", 1, 0xF01, struct.pack(">II", len(rows), 0), values),
    )


def pictures(
    order: Sequence[int], times: Sequence[int], delay: int, first: int = 0
) -> tuple[bytes, bytes]:
    """A fragment of frames in the order they are stored, decoded at even distances."""
    step, count = 3600, len(order)
    rows = [
        (step, 10 + place, times[frame] - (first + place) * step + delay)
        for place, frame in enumerate(order)
    ]
    media = b"".join(bytes([frame % 256]) * row[1] for frame, row in zip(order, rows, strict=True))
    return moof(first * step, rows, [place == 0 for place in range(count)]), media


def sounds(first: int, count: int) -> tuple[bytes, bytes]:
    """A fragment of sound packets of 5 bytes each."""
    media = b"".join(struct.pack(">I", first + number) + b"." for number in range(count))
    return moof(first * PACKET, [(PACKET, 5, 0)] * count, [True] * count), media


CLOCK = tuple(range(0, 7 * 3600, 3600))
PLAN = PicturePlan(clock=CLOCK, starts=(0, 4), delay=7200)
FIRST, SECOND = pictures([0, 3, 1, 2], CLOCK, 7200), pictures([4, 5], CLOCK, 7200, 4)


def cut(plan: PicturePlan, *fragments: tuple[bytes, bytes], media_time: int = 7200) -> list[bytes]:
    segmenter = PictureSegmenter(plan)
    segmenter.init(picture_init(media_time))
    found = [piece for fragment in fragments for piece in segmenter.feed(*fragment)]
    return [content for _, content in [*found, *segmenter.finish()]]


def test_each_fragment_becomes_a_segment_with_its_own_media() -> None:
    segmenter = PictureSegmenter(PLAN)
    segmenter.init(picture_init(7200))
    for fragment, name in ((FIRST, "00001.m4s"), (SECOND, "00002.m4s")):
        [(found, content)] = segmenter.feed(*fragment)
        assert found == name
        assert [kind for kind, _ in boxes(content)] == [b"styp", b"sidx", b"moof", b"mdat"]
        assert need(content, b"mdat") == fragment[1]
    assert list(segmenter.finish()) == []


def test_frames_lie_at_the_times_of_the_plan_whatever_the_encoder_wrote() -> None:
    uneven = (0, 3600, 7203, 10_800, 14_399, 18_000, 21_700)
    init = PictureSegmenter(PLAN).init(picture_init(7200))
    plan = PicturePlan(uneven, (0, 4), 7300)
    first, second = (
        read_fragment(content, read_init(init)) for content in cut(plan, FIRST, SECOND)
    )
    assert (first.decode_time, first.duration) == (0, 14_399)
    assert (first.earliest, first.latest) == (7300, 10_800 + 7300)
    assert (second.decode_time, second.duration) == (14_399, 21_700 - 14_399)


def test_the_track_can_be_indexed() -> None:
    init = PictureSegmenter(PLAN).init(picture_init(7200))
    named = list(zip(("00001.m4s", "00002.m4s"), cut(PLAN, FIRST, SECOND), strict=True))
    track = index_named("low", init, named)
    assert [segment.start for segment in track.segments] == [0, 14_400]
    assert track.duration_seconds == Fraction(6, 25)
    assert (track.codec, track.width, track.height) == ("avc1.640028", 320, 180)


def test_chunks_give_the_segments_of_the_whole() -> None:
    whole = cut(PLAN, FIRST, SECOND)
    second = (pictures([0, 1], CLOCK, 7200)[0], SECOND[1])
    assert cut(PLAN.part(0, 4), FIRST) == whole[:1]
    assert cut(PLAN.part(4, 6), second) == whole[1:]


def test_a_passed_through_track_may_have_more_key_frames_than_segments() -> None:
    plan = PicturePlan(CLOCK, (0,), 7200, more_keys=True)
    [content] = cut(plan, FIRST, SECOND)
    init = read_init(PictureSegmenter(plan).init(picture_init(7200)))
    assert read_fragment(content, init).sync_count == 2


@pytest.mark.parametrize(
    ("ticks_a_second", "frame", "reorder", "delay"),
    [
        (25, 1, 0, 0),
        (25, 1, 2, 7200),
        (1000, 40, 80, 7200),
        # Times that are no whole ticks of ours may be rounded away from each other.
        (12_800, 512, 1024, 7201),
        # A frame that would ask for more is decoded sooner.
        (25, 1, 50, 9000),
    ],
)
def test_a_copied_track_is_delayed_as_its_order_asks_for_but_not_for_long(
    ticks_a_second: int, frame: int, reorder: int, delay: int
) -> None:
    times = tuple(range(0, 100 * frame, frame))
    timeline = Timeline(Fraction(1, ticks_a_second), times, frame)
    plan = plan_copied(timeline, (0, 50), reorder)
    assert (plan.delay, plan.starts, plan.more_keys) == (delay, (0, 50), True)
    assert plan.clock == tuple(range(0, 101 * 3600, 3600))


WRONG = {
    "a missing frame": [pictures([0, 2, 1], CLOCK, 7200), pictures([4, 5], CLOCK, 7200, 4)],
    "a missing end": [FIRST, pictures([4], CLOCK, 7200, 4)],
    "nothing at all": [],
    "a frame too many": [FIRST, SECOND, pictures([6], CLOCK, 7200, 6)],
    "a frame at another time": [pictures([0, 3, 1, 2], (0, 3600, 7300, 10_800), 7200), SECOND],
    "no key frame first": [pictures([3, 0, 1, 2], CLOCK, 7200), SECOND],
    "media cut short": [(FIRST[0], FIRST[1][:-1]), SECOND],
    "an unplanned key frame": [pictures([0, 1], CLOCK, 7200), pictures([2, 3], CLOCK, 7200, 2)],
}


@pytest.mark.parametrize("fragments", WRONG.values(), ids=list(WRONG))
def test_what_differs_from_the_plan_is_refused(fragments: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(ToolError) as caught:
        cut(PLAN, *fragments)
    assert caught.value.code == "output_mismatch"
    assert caught.value.hint


def test_a_frame_is_decoded_ahead_of_its_turn_rather_than_shown_before_it() -> None:
    # Stored 0 3 1 2: frame 1 comes two places late, frame 2 one.
    plan = PicturePlan(CLOCK, (0, 4), 3600)
    init = read_init(PictureSegmenter(plan).init(picture_init(7200)))
    first, second = cut(plan, FIRST, SECOND)
    samples = read_samples(need(first, b"moof"), init)
    assert [time - 3600 for time in samples.shown()] == [0, 10_800, 3600, 7200]
    assert min(samples.offsets) >= 0
    assert min(samples.durations) > 0
    assert decode_start(second) == sum(samples.durations) == 14_400


def decode_start(segment: bytes) -> int:
    return int.from_bytes(need(need(need(segment, b"moof"), b"traf"), b"tfdt")[4:], "big")


def test_frames_stored_too_far_from_their_order_are_refused() -> None:
    with pytest.raises(ToolError, match="further from their order"):
        cut(PicturePlan(tuple(range(7)), (0, 4), 0), *tiny_fragments(), media_time=0)


def tiny_fragments() -> Iterator[tuple[bytes, bytes]]:
    """Frames a tick apart, with no room to decode one ahead of its turn."""
    yield pictures([0, 3, 1, 2], range(7), 0)
    yield pictures([4, 5], range(7), 0, 4)


def test_other_bytes_want_another_format_of_chunks_that_are_reused() -> None:
    segmenter = PictureSegmenter(PLAN)
    pieces = [segmenter.init(picture_init(7200)), *cut(PLAN, FIRST, SECOND)]
    digest = hashlib.sha256(b"".join(pieces)).hexdigest()
    # Where the segmenter was changed on purpose: raise the format, and state the new digest.
    assert (FORMAT, digest[:16]) == (1, "46c3afaf0cb838f4")


def test_another_clock_is_refused() -> None:
    with pytest.raises(ToolError, match="ticks a second"):
        PictureSegmenter(PLAN).init(picture_init(7200, timescale=12_800))


def test_the_init_segment_tells_nothing_of_tools_and_times() -> None:
    init = PictureSegmenter(PLAN).init(picture_init(7200))
    assert b"Lav" not in init
    assert b"btrt" not in init
    assert init == PictureSegmenter(PLAN).init(picture_init(3600))
    assert need(init, b"ftyp") == b"cmfc\0\0\0\0cmfciso6dash"
    found = read_init(init)
    assert (found.media_time, found.width, found.height) == (7200, 320, 180)


def test_without_reordering_there_is_no_edit_list() -> None:
    plan = PicturePlan(CLOCK, (0, 4), 0)
    assert b"elst" not in PictureSegmenter(plan).init(picture_init())


def test_a_plan_counts_from_the_first_frame() -> None:
    timeline = Timeline(Fraction(1001, 30_000), (5, 6, 7, 8), 1)
    plan = plan_pictures(timeline, (0, 2), 2)
    assert plan.clock == (0, 3003, 6006, 9009, 12_012)
    assert plan.delay == 6006
    assert plan.part(2, 4) == PicturePlan((6006, 9009, 12_012), (0,), 6006, first_number=2)


def test_the_delay_of_what_is_encoded_stays_below_what_hls_js_takes_for_a_failure() -> None:
    film = Timeline(Fraction(1001, 24_000), tuple(range(48)), 1)
    for codec in CODECS:
        depth = reorder_depth_of(usual_coding(codec), may_reorder=may_reorder(film))
        assert plan_pictures(film, (0,), depth).delay < TIMESCALE // 20
    assert plan_pictures(film, (0,), 0).delay == 0


def test_a_plan_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="rising"):
        PicturePlan((0, 3600, 3600), (0,), 0)
    for starts in ((), (1,), (0, 2)):
        with pytest.raises(ValueError, match="start"):
            PicturePlan((0, 3600, 7200), starts, 0)


@given(st.lists(st.integers(1, 9000), min_size=1, max_size=30), st.permutations(range(12)))
def test_the_delay_is_enough_for_any_order_of_that_depth(
    steps: list[int], order: list[int]
) -> None:
    clock = [sum(steps[:n]) for n in range(len(steps) + 1)]
    stored = [frame for frame in order if frame < len(steps)]
    if len(stored) < len(steps):
        stored += range(len(stored), len(steps))
    delay = reorder_delay(clock, reorder_depth(stored))
    assert all(clock[frame] - clock[n] + delay >= 0 for n, frame in enumerate(stored))


SECONDS = Fraction(1)


def cut_sound(
    starts: Sequence[float], packets: int, fragment: int = 7, step: float = 1
) -> list[bytes]:
    segmenter = SoundSegmenter([Fraction(start) for start in starts], Fraction(step))
    segmenter.init(sound_init())

    def found() -> Iterator[tuple[str, bytes]]:
        for first in range(0, packets, fragment):
            yield from segmenter.feed(*sounds(first, min(fragment, packets - first)))
        yield from segmenter.finish()

    named = list(found())
    assert [name for name, _ in named] == [f"{n:05d}.m4s" for n in range(1, len(named) + 1)]
    return [content for _, content in named]


def test_sound_is_cut_where_the_picture_is() -> None:
    contents = cut_sound([0, 0.5, 1.25], 94)
    track = index_named(
        "audio",
        SoundSegmenter([Fraction(0)], SECONDS).init(sound_init()),
        [(f"{n}", content) for n, content in enumerate(contents)],
    )
    assert track.segments[0].start == 0
    for segment, start in zip(track.segments[1:], (0.5, 1.25), strict=True):
        assert 0 <= segment.start / RATE - start < PACKET / RATE
    assert b"".join(need(content, b"mdat") for content in contents) == sounds(0, 94)[1]


@given(
    st.lists(st.integers(1, 3000), min_size=0, max_size=6, unique=True),
    st.integers(1, 150),
    st.integers(1, 200),
)
def test_every_packet_is_in_one_segment_whatever_the_cuts(
    milliseconds: list[int], packets: int, fragment: int
) -> None:
    starts = [0, *(m / 1000 for m in sorted(milliseconds))]
    contents = cut_sound(starts, packets, fragment)
    assert contents == cut_sound(starts, packets, packets)
    init = read_init(SoundSegmenter([Fraction(0)], SECONDS).init(sound_init()))
    read = [read_fragment(content, init) for content in contents]
    assert sum(fragment.sample_count for fragment in read) == packets
    for early, late in pairwise(read):
        assert early.decode_time + early.duration == late.decode_time


def test_sound_behind_the_picture_is_cut_in_even_steps() -> None:
    contents = cut_sound([0, 1], 200)
    init = read_init(SoundSegmenter([Fraction(0)], SECONDS).init(sound_init()))
    lengths = [read_fragment(content, init).duration / RATE for content in contents]
    assert [round(length) for length in lengths] == [1, 1, 1, 1]


def test_a_short_end_of_sound_joins_the_segment_before() -> None:
    assert len(cut_sound([0, 1], 102)) == 2
    assert len(cut_sound([0, 1], 108)) == 3


def test_a_start_without_sound_gets_no_segment() -> None:
    assert len(cut_sound([0, 0.001, 0.002, 0.5], 40)) == 3
    assert len(cut_sound([0, 1, 2], 20)) == 1


def test_a_gap_in_the_sound_is_refused() -> None:
    segmenter = SoundSegmenter([Fraction(0)], SECONDS)
    segmenter.init(sound_init())
    list(segmenter.feed(*sounds(0, 5)))
    with pytest.raises(ToolError, match=r"\+1024 ticks"):
        list(segmenter.feed(*sounds(6, 5)))
    with pytest.raises(ToolError, match="empty"):
        list(SoundSegmenter([Fraction(0)], SECONDS).finish())


def test_a_fragment_before_the_header_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="first"):
        list(PictureSegmenter(PLAN).feed(*FIRST))


def test_samples_are_shown_at_their_offsets() -> None:
    samples = Samples(100, [10, 10], [1, 1], [20, 0], [True, False])
    assert samples.shown() == [120, 110]


def test_a_plan_can_be_entered_at_the_moments_of_another() -> None:
    plan = PicturePlan((0, 3600, 7200, 10_800), (0, 2), 0, more_keys=True)
    moved = plan.entered_at([Fraction(0), Fraction(7230, 90_000)])
    assert moved.clock == (0, 3600, 7230, 10_800)
    assert moved.tolerance == plan.tolerance + 30
    with pytest.raises(ValueError, match="rising"):
        plan.entered_at([Fraction(0), Fraction(10_800, 90_000)])
