"""Cues as CMAF segments: WebVTT in ISO base media files (`wvtt`), ISO/IEC 14496-30 §6."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise

from adaptation.errors import SourceError
from adaptation.media.boxes import Samples
from adaptation.media.encode import TIMESCALE
from adaptation.media.language import long_code
from adaptation.media.subtitles import MAX_TEXT_BYTES, Cue, clock
from adaptation.media.writing import Span, box, media_segment, text_init_segment

CODEC = "wvtt"
"""RFC 6381 name."""
NOTHING = box(b"vtte")
"""The sample of a time in which no cue is shown."""
_HAS_TIMES = re.compile(r"<\d+:\d\d")
"""Text that appears little by little says when, in times of the whole track."""


def text_init(language: str) -> bytes:
    """The init segment of a track.

    Args:
        language: ISO 639 code.
    """
    # Sample entry: reserved, and the first (only) source of the media.
    entry = box(CODEC.encode(), bytes(6), struct.pack(">H", 1), box(b"vttC", b"WEBVTT"))
    return text_init_segment(entry, TIMESCALE, long_code(language))


def text_segments(
    cues: Sequence[Cue], parts: Sequence[Sequence[Cue]], ticks: Sequence[int]
) -> list[bytes]:
    """The media segments of a track.

    A sample is a time in which the same cues are shown; one that goes on over several has a
    number, by which players know it again.

    Args:
        cues: all of them.
        parts: of each segment the cues that are shown in it.
        ticks: where the segments start, and last where the last one ends.

    Raises:
        SourceError: `source_invalid`, cues over each other come to more than `MAX_TEXT_BYTES`.
    """
    numbers = {id(cue): number for number, cue in enumerate(cues, start=1)}
    made, size = list[bytes](), 0
    for number, (part, (start, end)) in enumerate(
        zip(parts, pairwise(ticks), strict=True), start=1
    ):
        durations, samples = list[int](), list[bytes]()
        for duration, sample in _samples(part, start, end, numbers):
            size += len(sample)
            if size > MAX_TEXT_BYTES:
                raise SourceError("its cues are too long and too many")
            durations.append(duration)
            samples.append(sample)
        columns = (durations, [*map(len, samples)], [0] * len(samples), [True] * len(samples))
        span = Span(number, TIMESCALE, start, end - start)
        made.append(media_segment(span, Samples(start, *columns), samples, is_picture=False))
    return made


def _samples(
    cues: Sequence[Cue], start: int, end: int, numbers: Mapping[int, int]
) -> Iterator[tuple[int, bytes]]:
    """Duration and content of each sample of a segment."""
    spans = [(_ticks(cue.start_seconds), _ticks(cue.end_seconds), cue) for cue in cues]
    inside = {time for first, after, _ in spans for time in (first, after) if start < time < end}
    for begin, until in pairwise(sorted({start, end} | inside)):
        shown = [span for span in spans if span[0] < until and span[1] > begin]
        boxes = (
            _cue(cue, numbers[id(cue)], begin, goes_on=(first, after) != (begin, until))
            for first, after, cue in shown
        )
        yield until - begin, b"".join(boxes) or NOTHING


def _cue(cue: Cue, number: int, begin: int, *, goes_on: bool) -> bytes:
    parts = [box(b"vsid", struct.pack(">I", number))] if goes_on else []
    if _HAS_TIMES.search(cue.text):
        parts.append(box(b"ctim", clock(_seconds(begin)).encode()))
    if cue.settings:
        parts.append(box(b"sttg", cue.settings.encode()))
    return box(b"vttc", *parts, box(b"payl", cue.text.encode()))


def _ticks(seconds: Fraction) -> int:
    return round(seconds * TIMESCALE)


def _seconds(ticks: int) -> Fraction:
    return Fraction(ticks, TIMESCALE)
