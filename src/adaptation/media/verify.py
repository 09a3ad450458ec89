"""Judges what an encoder made against the plan; its exit code proves nothing."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from adaptation.errors import ToolError
from adaptation.media.index import Track
from adaptation.media.timeline import Timeline

TIME_TOLERANCE = Fraction(1, 1000)
"""Seconds by which a frame may be off: rounding to the output's ticks, nothing more."""
LENGTH_TOLERANCE = Fraction(1, 20)
"""Seconds by which a track's length may differ: an AAC frame and its priming."""


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


def check_track(
    track: Track,
    timeline: Timeline,
    keyframes: Sequence[int],
    moments: Sequence[Fraction] | None = None,
) -> None:
    """Check that the segments of a picture begin at the planned frames and hold all of them.

    Args:
        track: of a picture.
        timeline: of its source.
        keyframes: frames that start a segment.
        moments: seconds at which those are shown, where another track's clock counts.

    Raises:
        ToolError: `output_mismatch`.
    """
    _check_count("frames in all segments", len(timeline), track.sample_count)
    _check_count("segments", len(keyframes), len(track.segments))
    shown = [timeline.since_start(frame) for frame in keyframes] if moments is None else moments
    for segment, moment in zip(track.segments, shown, strict=True):
        off = Fraction(segment.start, track.timescale) - moment
        if abs(off) > TIME_TOLERANCE:
            raise _mismatch(f"segment {segment.name} starts {float(off):+.4f} s off its time")
    check_length(f"track {track.name}", timeline.duration_seconds, track.duration_seconds)


def _check_count(name: str, expected: int, found: int) -> None:
    if found != expected:
        raise _mismatch(f"expected {expected} {name}, found {found}")


def _mismatch(what: str) -> ToolError:
    return ToolError(
        f"the encoded track differs from the plan: {what}",
        code="output_mismatch",
        hint="The source may be damaged where it differs; if it plays well, report this.",
    )
