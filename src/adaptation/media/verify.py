"""Judges what an encoder made against the plan; its exit code proves nothing."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol

from adaptation.errors import ToolError
from adaptation.media.chunk import Chunk
from adaptation.media.index import Track
from adaptation.media.timeline import Timeline

TIME_TOLERANCE = Fraction(1, 1000)
"""Seconds by which a frame may be off: rounding to the output's ticks, nothing more."""
LENGTH_TOLERANCE = Fraction(1, 20)
"""Seconds by which a track's length may differ: an AAC frame and its priming."""


class Packets(Protocol):
    """All packets of one track, in the order they are stored."""

    @property
    def time_base(self) -> Fraction:
        """Seconds per tick."""

    @property
    def pts(self) -> Sequence[int]:
        """Presentation times in ticks."""

    @property
    def durations(self) -> Sequence[int]:
        """Ticks each packet lasts."""

    @property
    def sizes(self) -> Sequence[int]:
        """Bytes."""

    @property
    def keys(self) -> Sequence[bool]:
        """Whether decoding can start here."""


def check_chunk(packets: Packets, timeline: Timeline, chunk: Chunk) -> None:
    """Check that one rendition of a chunk holds its frames at their times, with its key frames.

    How long the last frame lasts is not judged: an encoder cannot know when the next chunk
    begins, so whoever joins the chunks takes that from the timeline.

    Args:
        packets: of the encoded chunk, whose first frame is shown at zero.
        timeline: of the whole source.
        chunk: which frames, and which of them start a segment.

    Raises:
        ToolError: `output_mismatch`; frames are numbered as in the whole source.
    """
    _check_frames(packets, timeline.part(chunk.first_frame, chunk.end_frame), chunk.first_frame)
    _check_keys(packets, chunk.starts, chunk.first_frame)


def check_audio(packets: Packets, expected_seconds: float | Fraction) -> None:
    """Check that sound lasts as long as it should, without gaps.

    Args:
        packets: of one sound track.
        expected_seconds: from the picture's first frame to the end of the sound.

    Raises:
        ToolError: `output_mismatch`.
    """
    if not packets.pts:
        raise _mismatch("the sound track is empty")
    _check_sizes(packets)
    for number in range(1, len(packets.pts)):
        distance = packets.pts[number] - packets.pts[number - 1]
        if distance != packets.durations[number - 1]:
            raise _mismatch(f"the sound has a gap or an overlap at packet {number}")
    # The first packet may lie before zero: it primes the decoder and is never heard.
    end = (packets.pts[-1] + packets.durations[-1]) * packets.time_base
    check_length("the sound", Fraction(expected_seconds), end)


def check_sound(track: Track, expected_seconds: float | Fraction) -> None:
    """Check that sound lasts as long as it should; that it has no gaps was seen when it was cut.

    Args:
        track: of sound.
        expected_seconds: from the picture's first frame to the end of the sound.

    Raises:
        ToolError: `output_mismatch`.
    """
    check_length(f"track {track.name}", Fraction(expected_seconds), track.duration_seconds)


def check_length(name: str, expected_seconds: Fraction, found_seconds: Fraction) -> None:
    """Check a track's length to within 50 ms.

    Raises:
        ToolError: `output_mismatch`.
    """
    if abs(found_seconds - expected_seconds) > LENGTH_TOLERANCE:
        expected, found = float(expected_seconds), float(found_seconds)
        raise _mismatch(f"{name} should last {expected:.3f} s, found {found:.3f} s")


def check_track(track: Track, timeline: Timeline, keyframes: Sequence[int]) -> None:
    """Check that the segments of a picture begin at the planned frames and hold all of them.

    Raises:
        ToolError: `output_mismatch`.
    """
    _check_count("frames in all segments", len(timeline), track.sample_count)
    _check_count("segments", len(keyframes), len(track.segments))
    for segment, frame in zip(track.segments, keyframes, strict=True):
        off = Fraction(segment.start, track.timescale) - timeline.since_start(frame)
        if abs(off) > TIME_TOLERANCE:
            raise _mismatch(f"segment {segment.name} starts {float(off):+.4f} s off its time")
    check_length(f"track {track.name}", timeline.duration_seconds, track.duration_seconds)


def _check_frames(packets: Packets, timeline: Timeline, first: int) -> None:
    """All frames of the timeline at their times; `first` is the number of the first of them."""
    _check_count("frames", len(timeline), len(packets.pts))
    _check_sizes(packets)
    for frame, pts in enumerate(sorted(packets.pts)):
        off = pts * packets.time_base - timeline.since_start(frame)
        if abs(off) > TIME_TOLERANCE:
            raise _mismatch(f"frame {first + frame} is {float(off):+.4f} s off its time")


def _check_keys(packets: Packets, keyframes: Sequence[int], first: int) -> None:
    shown = sorted(zip(packets.pts, packets.keys, strict=True))
    found = tuple(frame for frame, (_, is_key) in enumerate(shown, start=first) if is_key)
    if found != tuple(keyframes):
        odd = min(set(found) ^ set(keyframes))
        raise _mismatch(
            f"key frames: expected {len(keyframes)}, found {len(found)}; see frame {odd}"
        )


def _check_count(name: str, expected: int, found: int) -> None:
    if found != expected:
        raise _mismatch(f"expected {expected} {name}, found {found}")


def _check_sizes(packets: Packets) -> None:
    if 0 in packets.sizes:
        raise _mismatch(f"packet {packets.sizes.index(0)} is empty")


def _mismatch(what: str) -> ToolError:
    return ToolError(
        f"the encoded track differs from the plan: {what}",
        code="output_mismatch",
        hint="The source may be damaged where it differs; if it plays well, report this.",
    )
