"""Cues in the samples of MP4 segments, ISO/IEC 14496-30."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import pytest

from adaptation.errors import SourceError
from adaptation.media.boxes import Init, boxes, need, read_fragment, read_samples, read_span
from adaptation.media.subtitles import Cue, cut_cues
from adaptation.media.wvtt import text_init, text_segments

TICKS = (0, 90_000, 270_000, 450_000)
HEADER = Init(90_000, "wvtt", 0, 0, 0, 0, 0, 0, 0)
Sample = tuple[int, list[dict[bytes, bytes]]]
"""Ticks, and the boxes of each cue."""


def cue(start: float, end: float, text: str, settings: str = "") -> Cue:
    return Cue(Fraction(str(start)), Fraction(str(end)), text, settings)


def segments(*cues: Cue, ticks: Sequence[int] = TICKS) -> list[bytes]:
    parts = cut_cues(cues, [Fraction(tick, 90_000) for tick in ticks])
    return text_segments(cues, parts, ticks)


def samples(segment: bytes) -> list[Sample]:
    found, media = read_samples(need(segment, b"moof"), HEADER), need(segment, b"mdat")
    read, at = list[Sample](), 0
    for duration, size in zip(found.durations, found.sizes, strict=True):
        inside = list(boxes(media[at : at + size]))
        cues = [dict(boxes(body)) for kind, body in inside if kind == b"vttc"]
        assert cues or inside == [(b"vtte", b"")]
        read.append((duration, cues))
        at += size
    return read


def test_the_header_says_what_the_samples_are() -> None:
    header = text_init("fr")
    media = need(need(need(header, b"moov"), b"trak"), b"mdia")
    # Five bits a letter, from 0x60 on.
    packed = int.from_bytes(need(media, b"mdhd")[-4:-2], "big")
    assert "".join(chr(0x60 + (packed >> at & 31)) for at in (10, 5, 0)) == "fra"
    assert need(media, b"hdlr")[8:12] == b"text"
    ((kind, entry),) = boxes(need(need(need(media, b"minf"), b"stbl"), b"stsd")[8:])
    assert (kind, dict(boxes(entry[8:]))) == (b"wvtt", {b"vttC": b"WEBVTT"})


def test_a_sample_is_a_time_in_which_the_same_cues_are_shown() -> None:
    first, second, third = segments(cue(1.5, 2.5, "one", "line:0"), cue(2, 4, "two"))
    assert samples(first) == [(90_000, [])]
    one = {b"vsid": b"\0\0\0\1", b"sttg": b"line:0", b"payl": b"one"}
    two = {b"vsid": b"\0\0\0\2", b"payl": b"two"}
    assert samples(second) == [
        (45_000, []),
        (45_000, [one]),
        (45_000, [one, two]),
        (45_000, [two]),
    ]
    assert samples(third) == [(90_000, [two]), (90_000, [])]


def test_segments_lie_where_those_of_the_picture_do() -> None:
    for segment, start, end in zip(segments(cue(0, 5, "all")), TICKS, TICKS[1:], strict=False):
        found = read_fragment(segment, HEADER)
        assert (found.decode_time, found.duration) == (start, end - start)
        assert found.sync_count == found.sample_count
        assert read_span(segment) == (start, end - start)


def test_a_cue_in_one_sample_has_no_number() -> None:
    _, second, _ = segments(cue(1, 3, "alone"))
    assert samples(second) == [(180_000, [{b"payl": b"alone"}])]


def test_text_that_appears_little_by_little_says_at_which_time_a_sample_begins() -> None:
    _, second, third = segments(cue(2, 4, "now <00:00:03.500>later"))
    assert [cues[0][b"ctim"] for _, cues in samples(second) if cues] == [b"00:00:02.000"]
    assert [cues[0][b"ctim"] for _, cues in samples(third) if cues] == [b"00:00:03.000"]


def test_cues_over_each_other_that_come_to_too_much_are_refused() -> None:
    many = [cue(n / 1000, 5, "x" * 2000) for n in range(600)]
    with pytest.raises(SourceError, match="too long and too many"):
        segments(*many, ticks=(0, 450_000))
