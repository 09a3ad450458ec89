"""Plans how FFmpeg reads a source and encodes its picture: argument lists, nothing is run here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import ceil
from pathlib import Path

from adaptation.media.timeline import Timeline

TIMESCALE = 90_000
"""Ticks per second of all encoded pictures: exact for 24, 25, 30 and 60 frames, also x1000/1001."""
FIRST_SEGMENT_SECONDS = 1
"""Length of the first segment, unless all are shorter than twice that."""
MAX_UNEVENNESS_SECONDS = Fraction(1, 50)
"""By how much the durations of frames may differ while B-frames are used."""


def keyframes(
    timeline: Timeline,
    segment_seconds: float | Fraction,
    among: Iterable[int] | None = None,
) -> tuple[int, ...]:
    """Numbers of the frames that start a segment.

    The grid lies on the first frame; a segment starts with the first frame at or after each of
    its points. A gap longer than a segment skips the points inside it. The first segment is
    short where the others are long, so that it is soon there, for whoever watches while the rest
    is encoded as for whoever watches later.

    Args:
        timeline: of the source's picture.
        segment_seconds: distance of the grid's points.
        among: numbers of the frames that may start a segment, rising from 0; none: all may.

    Raises:
        ValueError: `segment_seconds` is not positive.
    """
    step = Fraction(segment_seconds)
    if step <= 0:
        raise ValueError("segments must last longer than nothing")
    has_short_start = FIRST_SEGMENT_SECONDS * 2 <= step < timeline.duration_seconds
    # Whole numbers, for a film has hundreds of thousands of frames.
    cells, units = (step / timeline.time_base).as_integer_ratio()
    short = ceil(FIRST_SEGMENT_SECONDS / timeline.time_base) if has_short_start else None
    starts = list[int]()
    cell = (-1, False)
    for frame in range(len(timeline)) if among is None else among:
        ticks = timeline.pts[frame] - timeline.pts[0]
        here = (ticks * units // cells, short is not None and ticks >= short)
        if here > cell:
            starts.append(frame)
            cell = here
    return tuple(starts)


def input_options(path: Path) -> list[str]:
    """Read a source on its own clock, also a damaged one."""
    # `-copyts` keeps the source's clock, the only one that all tracks share.
    # Damaged pictures are no reason to stop: the frame count is judged afterwards.
    return ["-max_error_rate", "1", "-copyts", "-i", f"file:{path}"]


def frame_times() -> list[str]:
    """Keep each frame's time: no frame is doubled or dropped to make a rate constant."""
    return ["-fps_mode", "passthrough", "-enc_time_base", f"1/{TIMESCALE}"]


def may_reorder(timeline: Timeline) -> bool:
    """Whether B-frames are allowed: not where frames last very unevenly.

    MP4 stores how long frames last in decode order: with B-frames, the last frame shown would
    get the duration of another one, and the track would end too early or too late.
    """
    return timeline.unevenness_seconds <= MAX_UNEVENNESS_SECONDS


def forced_key_frames(timeline: Timeline, starts: Sequence[int]) -> list[str]:
    """Key frames at the given numbers of the timeline, whose first frame is shown at zero."""
    # Half a frame early: the first frame at or after that moment is the planned one.
    times = (max(Fraction(0), timeline.since_start(n) - timeline.half_frame) for n in starts)
    # Short numbers: Linux allows no argument above 128 KiB, some 13,000 segments.
    return ["-force_key_frames", ",".join(f"{float(t):.6f}".rstrip("0") for t in times)]


def output_options(path: Path, fragments: str = "+frag_keyframe") -> list[str]:
    """A fragmented MP4 that holds nothing but the track.

    Args:
        path: absolute, an `.mp4`.
        fragments: what ends a fragment: for pictures a key frame, so that it is a segment.
    """
    # The header waits for the first packets, or it would lack the edit list that makes the
    # first frame appear at zero.
    flags = f"{fragments}+empty_moov+default_base_moof+delay_moov"
    no_extras = ["-map_metadata", "-1", "-map_chapters", "-1"]
    return [*no_extras, "-movflags", flags, "-f", "mp4", f"file:{path}"]


def decimal(seconds: Fraction) -> str:
    """Seconds to the nanosecond, without an exponent, as filters want them."""
    return f"{float(seconds):.9f}"
