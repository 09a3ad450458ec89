"""Subtitles as WebVTT: how they leave a source, and how cues are timed, cut and written."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from adaptation.errors import SourceError
from adaptation.media.encode import input_options
from adaptation.media.probe import SubtitleTrack
from adaptation.media.timeline import Timeline

LEAD_SECONDS = 3600
"""What the extracted cues are late by: WebVTT has no time before zero, a source's clock has."""
MAX_TEXT_BYTES = 64 * 1024 * 1024
"""The most text one track may come to, over all its segments; a long film has a few hundred kB."""
WEBVTT = "webvtt"
"""ffprobe's name of the subtitles that need no conversion."""

_TIME = r"(?:(\d{2,6}):)?([0-5]\d):([0-5]\d)\.(\d{3})"
_TIMING = re.compile(rf"\s*{_TIME}\s+-->\s+{_TIME}(?:\s+(\S.*?))?\s*")
_LINE_END = re.compile(r"\r\n|\n|\r")
_NO_CUES = ("NOTE", "STYLE", "REGION")
_STRAY_AMPERSAND = re.compile(r"&(?!(?:[a-zA-Z]{2,8}|#\d+|#[xX][0-9a-fA-F]+);)")
# All that FFmpeg writes of its own are these three and their ends.
_STRAY_BRACKET = re.compile(r"<(?!/?[biu]>)")
# Pictures that ASS draws with the commands of a pen come out of FFmpeg as if they were words.
_DRAWING = re.compile(r"\bm(?: -?\d[\d.]*){2}(?: [mnlbspc](?: -?\d[\d.]*)*)+")
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True)
class Cue:
    """A text and when it is shown."""

    start_seconds: Fraction
    """A whole number of milliseconds."""
    end_seconds: Fraction
    """A whole number of milliseconds."""
    text: str
    """WebVTT cue text: lines, with markup, none of them empty."""
    settings: str = ""
    """Where and how it is shown, W3C WebVTT §3.5; empty: at the bottom, in the middle."""


def subtitle_command(track: SubtitleTrack, *, input_path: Path, output_path: Path) -> list[str]:
    """Extract one text track as WebVTT, `LEAD_SECONDS` behind the source's clock.

    Args:
        track: a text track.
        input_path: absolute path of the source.
        output_path: absolute path of a `.vtt`.
    """
    # A conversion would lose cue settings; what is WebVTT already is only copied.
    codec = "copy" if track.codec == WEBVTT else WEBVTT
    return [
        *input_options(input_path),
        *("-map", f"0:{track.index}", "-c:s", codec),
        *("-output_ts_offset", str(LEAD_SECONDS)),
        # Or a cue that is still before zero would move all the others.
        *("-avoid_negative_ts", "disabled"),
        *("-f", WEBVTT, f"file:{output_path}"),
    ]


def read_cues(text: str, track: SubtitleTrack) -> list[Cue]:
    """The cues that FFmpeg has extracted, on the clock of the source."""
    cues = parse_cues(text)
    if track.codec != WEBVTT:
        cues = [replace(cue, text=_escaped(_DRAWING.sub("", cue.text))) for cue in cues]
    return [
        replace(
            cue,
            start_seconds=cue.start_seconds - LEAD_SECONDS,
            end_seconds=cue.end_seconds - LEAD_SECONDS,
        )
        for cue in cues
    ]


def parse_cues(text: str) -> list[Cue]:
    """Read the cues of a WebVTT file in its order; notes, styles and identifiers are dropped.

    FFmpeg leaves empty lines inside a text, which ends it by W3C WebVTT §4.1: what follows
    without times of its own is taken for the rest of that text.
    """
    cues = list[Cue]()
    for block in _blocks(text):
        place = next((n for n, line in enumerate(block[:2]) if _TIMING.fullmatch(line)), None)
        if place is not None:
            cues.append(_cue(block[place], block[place + 1 :]))
        elif cues and not block[0].startswith(_NO_CUES):
            lines = [line for line in (cues[-1].text, *block) if line]
            cues[-1] = replace(cues[-1], text="\n".join(lines))
    return cues


def on_picture(cues: Iterable[Cue], timeline: Timeline) -> list[Cue]:
    """Put cues on the clock of the picture, whose first frame is zero, in the order of time.

    What lies before the first frame or behind the last one is cut, and so is what has no text.
    """
    zero = timeline.start_seconds
    latest = timeline.duration_seconds // Fraction(1, 1000) / Fraction(1000)
    placed = [
        replace(
            cue,
            start_seconds=max(Fraction(0), _to_millisecond(cue.start_seconds - zero)),
            end_seconds=min(latest, _to_millisecond(cue.end_seconds - zero)),
        )
        for cue in cues
        if _TAG.sub("", cue.text).strip()
    ]
    shown = (cue for cue in placed if cue.end_seconds > cue.start_seconds)
    return sorted(shown, key=lambda cue: cue.start_seconds)


def cut_cues(cues: Iterable[Cue], bounds: Sequence[Fraction]) -> list[list[Cue]]:
    """Give each segment the cues that are shown while it is played, RFC 8216 §3.5.

    Args:
        cues: in the order of time.
        bounds: rising; where the segments start, and last where the last one ends.

    Raises:
        SourceError: `source_invalid`, long cues come to more than `MAX_TEXT_BYTES`.
    """
    segments: list[list[Cue]] = [[] for _ in bounds[1:]]
    size = 0
    for cue in cues:
        first = max(0, bisect_right(bounds, cue.start_seconds) - 1)
        after = min(len(segments), bisect_left(bounds, cue.end_seconds))
        size += len(cue.text) * max(0, after - first)
        if size > MAX_TEXT_BYTES:
            raise SourceError("its cues are too long and too many")
        for number in range(first, after):
            segments[number].append(cue)
    return segments


def webvtt(cues: Iterable[Cue], header: str = "") -> str:
    """A WebVTT file; a valid one also when it has no cue.

    Args:
        cues: in the order of time.
        header: a line of metadata, such as HLS wants.
    """
    blocks = [f"WEBVTT\n{header}\n" if header else "WEBVTT\n", *map(_block, cues)]
    # An empty line also behind the last: FFmpeg reads the segments of a playlist as one file.
    return "".join(f"{block}\n" for block in blocks)


def clock(seconds: Fraction) -> str:
    """Hours, minutes and seconds to the millisecond, as WebVTT writes them."""
    minutes, milliseconds = divmod(int(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"


def _blocks(text: str) -> Iterator[list[str]]:
    """Neighbouring lines that are not empty."""
    block = list[str]()
    for line in [*_LINE_END.split(text.replace("\0", "\ufffd")), ""]:
        if line:
            block.append(line)
        elif block:
            yield block
            block = []


def _cue(timing: str, lines: Sequence[str]) -> Cue:
    match = _TIMING.fullmatch(timing)
    if match is None:
        raise ValueError(f"{timing!r} says no times")
    *times, settings = match.groups()
    return Cue(_seconds(times[:4]), _seconds(times[4:]), "\n".join(lines), settings or "")


def _seconds(parts: Sequence[str | None]) -> Fraction:
    hours, minutes, seconds, milliseconds = (int(part or 0) for part in parts)
    return Fraction(((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds, 1000)


def _to_millisecond(seconds: Fraction) -> Fraction:
    return Fraction(round(seconds * 1000), 1000)


def _escaped(text: str) -> str:
    """Plain text as cue text: a player would take `<3` for a tag, and drop what follows."""
    return _STRAY_BRACKET.sub("&lt;", _STRAY_AMPERSAND.sub("&amp;", text))


def _block(cue: Cue) -> str:
    times = f"{clock(cue.start_seconds)} --> {clock(cue.end_seconds)}"
    # An arrow in a text would begin another cue.
    text = cue.text.replace("-->", "--&gt;")
    return f"{times} {cue.settings}".rstrip() + f"\n{text}\n"
