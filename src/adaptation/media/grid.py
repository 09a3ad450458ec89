"""The common grid of pictures that are taken as they are: moments at which all can be entered."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

from adaptation.errors import SourceError
from adaptation.media.encode import keyframes
from adaptation.media.timeline import Timeline

LONGEST_SECONDS = 12
"""Of a segment: encoders that are told nothing set a key frame each 250 frames."""
SHAPES = Fraction(1, 50)
"""Part by which the shapes of two pictures may differ: sizes are rounded to even numbers."""


@dataclass(frozen=True)
class Rhythm:
    """One picture, as far as switching goes."""

    name: str
    """Of its file."""
    timeline: Timeline
    """When each frame is shown."""
    keys: tuple[int, ...]
    """Numbers of the frames at which it can be entered, rising."""

    @cached_property
    def moments(self) -> tuple[Fraction, ...]:
        """Seconds from the first frame to each of those."""
        return tuple(map(self.timeline.since_start, self.keys))

    def near(self, moment: Fraction) -> int:
        """Which of the keys is nearest to a moment, counted from 0."""
        place = bisect_left(self.moments, moment)
        around = [one for one in (place - 1, place) if 0 <= one < len(self.moments)]
        return min(around, key=lambda one: abs(self.moments[one] - moment))


@dataclass(frozen=True)
class Grid:
    """Where the segments of all pictures start."""

    starts: tuple[tuple[int, ...], ...]
    """Of each picture the numbers of the frames that start a segment; equally many."""


def common_grid(rhythms: Sequence[Rhythm], segment_seconds: float) -> Grid:
    """Choose among the key frames that all pictures have at the same moments.

    A moment is the same when it differs by at most half a frame of the faster picture.

    Args:
        rhythms: of all pictures; the first one gives the clock.
        segment_seconds: wanted length of a segment.

    Raises:
        SourceError: `sources_not_aligned`; names two files and what is the first difference.
    """
    first, others = rhythms[0], rhythms[1:]
    for rhythm in rhythms:
        if not rhythm.keys or rhythm.keys[0] != 0:
            raise not_aligned(f"{rhythm.name} cannot be entered at its first frame")
    for other in others:
        _check_length(first, other)
    shared = list(range(len(first.keys)))
    for other in others:
        shared = [one for one in shared if _is_near(first, other, first.moments[one])]
    among = [first.keys[one] for one in shared]
    starts = keyframes(first.timeline, segment_seconds, among)
    _check_segments(first, others, starts)
    moments = [first.timeline.since_start(start) for start in starts]
    found = [tuple(other.keys[other.near(moment)] for moment in moments) for other in others]
    return Grid((starts, *found))


def check_shapes(sizes: Iterable[tuple[str, int, int]]) -> None:
    """Check that all pictures have the same shape: a player shows them in the same place.

    Args:
        sizes: name of the file, width and height in pixels, of each.

    Raises:
        SourceError: `sources_not_aligned`.
    """
    (first, width, height), *others = sizes
    for name, wide, high in others:
        if abs(Fraction(wide, high) / Fraction(width, height) - 1) > SHAPES:
            shapes = f"{first} is {width}x{height}, {name} is {wide}x{high}"
            raise not_aligned(f"the pictures have different shapes: {shapes}")


def check_light(kinds: Iterable[tuple[str, str]]) -> None:
    """Check that all pictures are SDR, or HDR of one kind.

    Args:
        kinds: name of the file, and `picture.hdr_kind`, of each.

    Raises:
        SourceError: `sources_not_aligned`.
    """
    (first, kind), *others = kinds
    for name, other in others:
        if other != kind:
            told = [
                f"{one} is {word.upper() or 'SDR'}" for one, word in ((first, kind), (name, other))
            ]
            raise not_aligned(f"the pictures have different light: {', '.join(told)}")


def not_aligned(what: str) -> SourceError:
    """The error for files between which a player could not switch."""
    return SourceError(
        f"the files cannot be taken as they are: {what}",
        code="sources_not_aligned",
        hint="Encode them from one source with key frames at the same times (closed GOPs, a fixed"
        " distance), or let a ladder be made of the best one: encode_source true.",
    )


def _tolerance(one: Rhythm, other: Rhythm) -> Fraction:
    return min(one.timeline.half_frame, other.timeline.half_frame)


def _is_near(first: Rhythm, other: Rhythm, moment: Fraction) -> bool:
    return abs(other.moments[other.near(moment)] - moment) <= _tolerance(first, other)


def _check_length(first: Rhythm, other: Rhythm) -> None:
    lengths = [rhythm.timeline.duration_seconds for rhythm in (first, other)]
    # The slower one may end a frame earlier or later.
    allowed = max(1 / rhythm.timeline.frame_rate for rhythm in (first, other))
    if abs(lengths[0] - lengths[1]) > allowed:
        told = [f"{float(length):.3f} s" for length in lengths]
        raise not_aligned(f"{first.name} lasts {told[0]}, {other.name} lasts {told[1]}")


def _check_segments(first: Rhythm, others: Sequence[Rhythm], starts: Sequence[int]) -> None:
    bounds = [*map(first.timeline.since_start, starts), first.timeline.duration_seconds]
    for start, end in pairwise(bounds):
        if end - start > LONGEST_SECONDS:
            raise not_aligned(_difference(first, others, start, end))


def _difference(first: Rhythm, others: Sequence[Rhythm], start: Fraction, end: Fraction) -> str:
    """What keeps a segment from being shorter: the first key frame that only one file has."""
    for other in others:
        for moment in first.moments:
            if start < moment < end and not _is_near(first, other, moment):
                nearest = float(other.moments[other.near(moment)])
                return (
                    f"{first.name} has a key frame at {float(moment):.3f} s, and the nearest of"
                    f" {other.name} is at {nearest:.3f} s"
                )
    return (
        f"{first.name} has no key frame at which it can be entered between"
        f" {float(start):.3f} and {float(end):.3f} s"
    )
