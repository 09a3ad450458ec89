"""When each picture of a source is shown: what every encode is planned by and judged against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import groupby, pairwise
from math import ceil
from typing import Any

RATE_ALLOWANCE = Fraction(1002, 1000)
"""By which factor a frame rate may be above what was asked for."""


@dataclass(frozen=True)
class SeekPoint:
    """A key frame of a source, from which decoding can start; times in ticks of its stream."""

    pts: int
    """When the frame is shown."""
    dts: int
    """When it is decoded; where a container looks for it."""
    has_leading: bool
    """Whether frames stored behind it are shown before it: those need what lies before it."""

    def to_json(self) -> list[int]:
        """Plain JSON, short because a film has thousands."""
        return [self.pts, self.dts, int(self.has_leading)]

    @classmethod
    def from_json(cls, document: Sequence[int]) -> SeekPoint:
        """Read what `to_json` wrote."""
        pts, dts, has_leading = document
        return cls(pts, dts, bool(has_leading))


@dataclass(frozen=True)
class Timeline:
    """The displayed frames of a source in the order they are shown."""

    time_base: Fraction
    """Seconds per tick."""
    pts: tuple[int, ...]
    """Presentation time of each frame in ticks: rising, at least one."""
    last_duration: int
    """Ticks for which the last frame is shown."""
    thinning: int = 1
    """Of how many frames of the source each is the first; 1 when all are here."""
    least_gap: int = 0
    """Ticks between the nearest two frames of the source where not all are here; else 0."""

    def __post_init__(self) -> None:
        if not self.pts or any(late <= early for early, late in pairwise(self.pts)):
            raise ValueError("a timeline needs at least one frame and rising times")

    def __len__(self) -> int:
        return len(self.pts)

    @property
    def start_seconds(self) -> Fraction:
        """When the first frame appears, on the source's clock."""
        return self.pts[0] * self.time_base

    @property
    def end_seconds(self) -> Fraction:
        """When the last frame disappears, on the source's clock."""
        return (self.pts[-1] + self.last_duration) * self.time_base

    @property
    def duration_seconds(self) -> Fraction:
        """From the first frame's appearance to the last one's end."""
        return self.end_seconds - self.start_seconds

    @cached_property
    def half_frame(self) -> Fraction:
        """Half the shortest distance of two frames, in seconds: safe room for rounding.

        It counts frames that were left out: a cut lies between two frames of the source.
        """
        return (self.least_gap or self._shortest_gap) * self.time_base / 2

    @property
    def _shortest_gap(self) -> int:
        gaps = (late - early for early, late in pairwise(self.pts))
        return min(gaps, default=max(1, self.last_duration))

    @cached_property
    def unevenness_seconds(self) -> Fraction:
        """The longest minus the shortest time a frame is shown.

        Where frames were left out, the last one does not count: it is always short.
        """
        gaps = [late - early for early, late in pairwise(self.pts)]
        gaps += [self.last_duration] if self.thinning == 1 or not gaps else []
        return (max(gaps) - min(gaps)) * self.time_base

    @property
    def frame_rate(self) -> Fraction:
        """Average frames per second."""
        return len(self.pts) / self.duration_seconds

    def since_start(self, frame: int) -> Fraction:
        """Seconds from the first frame to frame number `frame`."""
        return (self.pts[frame] - self.pts[0]) * self.time_base

    def part(self, first: int, end: int) -> Timeline:
        """The frames from number `first` up to but not including `end`, on the same clock.

        Its last frame is shown until frame `end` appears.

        Raises:
            ValueError: there is no frame in it.
        """
        if not 0 <= first < end <= len(self.pts):
            raise ValueError(f"no frames from {first} to {end} of {len(self.pts)}")
        is_rest = end == len(self.pts)
        last_duration = self.last_duration if is_rest else self.pts[end] - self.pts[end - 1]
        return replace(self, pts=self.pts[first:end], last_duration=last_duration)

    def limited(self, max_frame_rate: float | Fraction) -> Timeline:
        """Every n-th frame from the first, so that there are at most that many a second.

        The average counts, and two thousandths more are allowed: 30 passes for 29.97. The
        last frame is shown until the end, so that the duration stays.

        Raises:
            ValueError: `max_frame_rate` is not positive, or frames were left out before.
        """
        if max_frame_rate <= 0 or self.thinning > 1:
            raise ValueError("only all frames can be thinned, to more than none")
        factor = ceil(self.frame_rate / (Fraction(max_frame_rate) * RATE_ALLOWANCE))
        kept = self.pts[::factor]
        if factor == 1:
            return self
        last_duration = self.pts[-1] + self.last_duration - kept[-1]
        return Timeline(self.time_base, kept, last_duration, factor, self._shortest_gap)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; equal distances are counted, so that a film's hours stay small."""
        steps = (late - early for early, late in pairwise(self.pts))
        return {
            "time_base": str(self.time_base),
            "first": self.pts[0],
            "steps": [[step, len(list(same))] for step, same in groupby(steps)],
            "last_duration": self.last_duration,
            "thinning": self.thinning,
            "least_gap": self.least_gap,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Timeline:
        """Read what `to_json` wrote."""
        pts = [int(document["first"])]
        for step, count in document["steps"]:
            pts.extend(range(pts[-1] + step, pts[-1] + step * count + 1, step))
        return cls(
            Fraction(document["time_base"]),
            tuple(pts),
            int(document["last_duration"]),
            int(document["thinning"]),
            int(document["least_gap"]),
        )


def timeline(time_base: Fraction, pts: Iterable[int], last_duration: int) -> Timeline | None:
    """Order presentation times as they are shown; none when there are no frames.

    Args:
        time_base: seconds per tick.
        pts: ticks in any order; doubled times count once, for only one frame can be shown.
        last_duration: ticks, or 0 when unknown: the distance before it is taken then.
    """
    ordered = tuple(sorted(set(pts)))
    if not ordered:
        return None
    if last_duration <= 0:
        last_duration = ordered[-1] - ordered[-2] if len(ordered) > 1 else 0
    return Timeline(time_base, ordered, max(1, last_duration))
