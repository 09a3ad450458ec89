"""The index is read from the boxes of the segments and refuses any that do not join."""

from __future__ import annotations

import hashlib
import json
import struct
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

import samples
from adaptation.errors import ToolError
from adaptation.media.boxes import read_fragment, read_init
from adaptation.media.index import Track, nominal_rate
from segments import index_named

AVC_CONFIG = bytes.fromhex("01640028ffe10000")
HEVC_CONFIG = bytes.fromhex("0101600000009000000000005d") + bytes(10)
ESDS = bytes.fromhex("00000000031c000000041440150000000001f4000001f4000505119056e500060102")


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def picture_entry(kind: bytes = b"avc1", config: bytes = box(b"avcC", AVC_CONFIG)) -> bytes:
    return box(kind, bytes(24), struct.pack(">HH", 1920, 1080), bytes(50), config)


def sound_entry(config: bytes = box(b"esds", ESDS)) -> bytes:
    return box(b"mp4a", bytes(16), struct.pack(">HHIH", 2, 16, 0, 48_000), bytes(2), config)


def init(entry: bytes, timescale: int, media_time: int | None = None) -> bytes:
    edit = struct.pack(">IIIiI", 0, 1, 0, media_time or 0, 0x10000)
    edits = box(b"edts", box(b"elst", edit)) if media_time is not None else b""
    header = box(b"mdhd", bytes(12), struct.pack(">II", timescale, 0), bytes(4))
    table = box(b"stbl", box(b"stsd", struct.pack(">II", 0, 1), entry))
    track = box(b"trak", edits, box(b"mdia", header, box(b"minf", table)))
    defaults = box(b"mvex", box(b"trex", struct.pack(">IIIIII", 0, 1, 1, 3600, 0, 0x10000)))
    return box(b"ftyp", b"cmfc") + box(b"moov", track, defaults)


def fragment(start: int, offsets: list[int], *, sync: bool = True, size: int = 10) -> bytes:
    """A segment of samples of 3600 ticks, presented by `offsets` later than decoded."""
    header = box(b"tfhd", struct.pack(">II", 0x020000, 1))
    time = box(b"tfdt", struct.pack(">IQ", 0x01000000, start))
    flags = 0x02000000 if sync else 0x01010000
    rows = b"".join(struct.pack(">Ii", size, offset) for offset in offsets)
    run = box(b"trun", struct.pack(">IIiI", 0x01000A05, len(offsets), 0, flags), rows)
    media = box(b"mdat", bytes(size * len(offsets)))
    return box(b"styp", b"cmfs") + box(b"moof", box(b"traf", header, time, run)) + media


AVC = init(picture_entry(), 90_000, 7200)
GOOD = [
    ("00001.m4s", fragment(0, [7200, 10_800, 3600])),
    ("00002.m4s", fragment(10_800, [7200, 10_800, 3600])),
]


def test_an_init_segment_tells_its_track() -> None:
    header = read_init(AVC)
    assert (header.codec, header.timescale, header.media_time) == ("avc1.640028", 90_000, 7200)
    assert (header.width, header.height) == (1920, 1080)


def test_hevc_has_a_longer_name() -> None:
    entry = picture_entry(b"hvc1", box(b"hvcC", HEVC_CONFIG))
    assert read_init(init(entry, 90_000)).codec == "hvc1.1.6.L93.90"


def test_sound_is_told_by_its_object_type() -> None:
    header = read_init(init(sound_entry(), 48_000, 1024))
    assert (header.codec, header.channels, header.sample_rate) == ("mp4a.40.2", 2, 48_000)
    assert header.media_time == 1024


def test_a_fragment_tells_its_times() -> None:
    read = read_fragment(GOOD[1][1], read_init(AVC))
    assert (read.decode_time, read.duration, read.sample_count) == (10_800, 10_800, 3)
    assert (read.earliest, read.latest, read.latest_end) == (18_000, 25_200, 28_800)
    assert read.starts_with_sync
    assert read.sync_count == 1


def test_an_index_counts_from_the_first_frame() -> None:
    track = index_named("1080p", AVC, GOOD)
    assert [(s.start, s.duration, s.sample_count) for s in track.segments] == [
        (0, 10_800, 3),
        (10_800, 10_800, 3),
    ]
    assert track.segments[0].sha256 == hashlib.sha256(GOOD[0][1]).hexdigest()
    assert (track.kind, track.folder) == ("video", "1080p")
    assert track.frame_rate == 25
    assert track.duration_seconds == Fraction(24, 100)
    assert track.init_size_bytes == len(AVC)
    assert Track.from_json(json.loads(json.dumps(track.to_json()))) == track


def test_priming_is_not_counted_as_sound() -> None:
    files = [("00001.m4s", fragment(0, [0, 0])), ("00002.m4s", fragment(7200, [0, 0]))]
    track = index_named("audio_en", init(sound_entry(), 48_000, 1024), files)
    assert [(s.start, s.duration) for s in track.segments] == [(0, 6176), (6176, 7200)]


BAD = {
    "no segments": [],
    r"\+3600 ticks between segments 1 and 2": [
        GOOD[0],
        ("00002.m4s", fragment(14_400, [7200, 10_800, 3600])),
    ],
    "-3600 ticks between": [GOOD[0], ("00002.m4s", fragment(7200, [7200, 10_800, 3600]))],
    "segment 2 of v does not begin with a key frame": [
        GOOD[0],
        ("00002.m4s", fragment(10_800, [7200], sync=False)),
    ],
    "is shown before": [
        ("00001.m4s", fragment(0, [20_000])),
        ("00002.m4s", fragment(3600, [7200])),
    ],
    "ends too early": [("00001.m4s", GOOD[0][1][:-1])],
    "'moof'|no samples": [("00001.m4s", box(b"styp", b"cmfs"))],
    "bytes of media": [("00001.m4s", GOOD[0][1][:-38] + box(b"mdat", bytes(7)))],
}


@pytest.mark.parametrize(("words", "files"), BAD.items())
def test_segments_that_do_not_join_are_refused(words: str, files: list[tuple[str, bytes]]) -> None:
    with pytest.raises(ToolError, match=words) as caught:
        index_named("v", AVC, files)
    assert caught.value.code in {"output_mismatch", "output_broken"}


@given(st.integers(0, len(AVC) - 1))
def test_no_cut_init_segment_is_taken(keep: int) -> None:
    with pytest.raises(ToolError):
        read_init(AVC[:keep])


def test_an_unknown_codec_is_named() -> None:
    with pytest.raises(ToolError, match="'Opus'"):
        read_init(init(box(b"Opus", bytes(60)), 48_000))


def test_measured_rates_get_their_usual_names() -> None:
    assert nominal_rate(Fraction(90_000, 3754)) == Fraction(24_000, 1001)
    assert nominal_rate(Fraction(24)) == 24
    assert nominal_rate(Fraction(59_939, 1000)) == Fraction(60_000, 1001)
    assert nominal_rate(Fraction(27, 2)) == Fraction(27, 2)


def test_a_tiny_last_segment_does_not_make_the_peak() -> None:
    track = samples.video(durations=(360_000, 360_000, 9000), sizes=(500_000, 400_000, 50_000))
    assert track.peak_bandwidth == 1_000_000
    assert track.average_bandwidth == -(-950_000 * 8 * 90_000 // 729_000)


def test_short_segments_count_together() -> None:
    track = samples.video(durations=(360_000, 90_000, 90_000), sizes=(100_000, 200_000, 200_000))
    assert track.peak_bandwidth == 8 * 400_000 // 2


@given(samples.VIDEOS)
def test_the_peak_lies_between_the_average_and_the_largest_segment(track: Track) -> None:
    largest = max(Fraction(8 * s.size_bytes * track.timescale, s.duration) for s in track.segments)
    assert track.average_bandwidth <= track.peak_bandwidth <= largest + 1
