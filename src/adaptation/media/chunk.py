"""Cuts the time line of a source into chunks that are encoded apart and join without a seam."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import ceil
from typing import Any

from adaptation.media.timeline import SeekPoint, Timeline

CHUNK_SECONDS = 30
"""Length from which decoding up to a chunk's first frame costs nothing worth naming."""
LONE_CHUNK_SECONDS = 120
"""Length where chunks only save the work from a crash, because nobody would share it."""
SHORTEST_SECONDS = 8
"""Below it, decoding up to the first frame costs more than sharing the work wins."""
GOPS_IN_CHUNK = 2
"""Distances of the source's key frames in the shortest chunk, for the same reason."""
BATCHES = 2
"""Into how many pieces each slot's fair share of what is left is cut. One piece for each slot is
a batch; chunks become shorter from batch to batch, so that all workers end together."""
WINDOW = Fraction(1, 4)
"""By which part of its length a chunk may be longer or shorter to begin at a key frame."""
SEEK_MARGIN_SECONDS = Fraction(1, 2)
"""How far before a key frame is sought: transport streams land anywhere near the wish."""
INDEXED = ("mov", "matroska")
"""Containers with an index of their key frames: what is sought in them is found exactly."""


@dataclass(frozen=True)
class Chunk:
    """A piece of the source, a whole number of segments; frames are numbered as in the source."""

    number: int
    """Place in the source, from 0."""
    first_frame: int
    """The first frame, which starts a segment."""
    end_frame: int
    """The frame after the last one."""
    seek_seconds: Fraction | None
    """Where to start reading, on the source's clock; none to read from its start."""
    starts: tuple[int, ...]
    """Frames that start a segment, all of the chunk's; the first is `first_frame`."""

    def __len__(self) -> int:
        return self.end_frame - self.first_frame

    def to_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back."""
        seek = None if self.seek_seconds is None else str(self.seek_seconds)
        return {**asdict(self), "starts": list(self.starts), "seek_seconds": seek}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Chunk:
        """Read what `to_json` wrote."""
        seek = document["seek_seconds"]
        seek = None if seek is None else Fraction(seek)
        return cls(**{**document, "seek_seconds": seek, "starts": tuple(document["starts"])})


def plan_chunks(  # noqa: PLR0913 - all of them decide where a chunk may begin
    timeline: Timeline,
    seek_points: Sequence[SeekPoint],
    starts: Sequence[int],
    *,
    chunk_seconds: float | Fraction = CHUNK_SECONDS,
    slots: int = 1,
    is_indexed: bool = False,
) -> tuple[Chunk, ...]:
    """Choose chunks so that all slots end together and little is decoded twice.

    Chunks become shorter towards the end of the source, so their order is also longest first.
    They begin at or soon after key frames of the source where the segments allow it. There is
    one chunk when the source is too short to share, when its key frames are too far apart (all
    frames before a chunk would be decoded again), or when one slot has it soon done.

    The same arguments give the same chunks. What is encoded depends on them: `slots` is how many
    chunks are meant to run at a time, a setting, not how many workers happen to be there.

    Args:
        timeline: of the source's picture.
        seek_points: its key frames, rising; empty when seeking is impossible.
        starts: frames that start a segment, see `encode.keyframes`.
        chunk_seconds: length of the longest chunks, unless one slot or distant key frames call
            for longer ones.
        slots: how many chunks are encoded at a time.
        is_indexed: whether the container finds its key frames exactly, see `is_indexed`.

    Raises:
        ValueError: `chunk_seconds` or `slots` is not positive.
    """
    if chunk_seconds <= 0 or slots < 1:
        raise ValueError("chunks need a length and a slot")
    grid = _Grid(timeline, seek_points, starts)
    wanted = Fraction(chunk_seconds)
    least = min(wanted, Fraction(SHORTEST_SECONDS))
    shortest = max(least, GOPS_IN_CHUNK * grid.key_distance)
    longest = max(wanted, shortest, Fraction(LONE_CHUNK_SECONDS if slots == 1 else 0))
    bounds = list[int]()
    bound: int | None = 0
    batch_end, left = Fraction(0), 0
    while bound is not None:
        bounds.append(bound)
        if not left:
            length, left = _batch(grid.rest(bound), slots, shortest, longest)
            batch_end = timeline.since_start(bound) + left * length
        length = (batch_end - timeline.since_start(bound)) / left
        bound = grid.next_bound(bound, min(max(length, shortest), longest), shortest)
        left -= 1
    return cut_chunks(timeline, seek_points, starts, bounds, is_indexed=is_indexed)


def cut_chunks(
    timeline: Timeline,
    seek_points: Sequence[SeekPoint],
    starts: Sequence[int],
    bounds: Sequence[int],
    *,
    is_indexed: bool = False,
) -> tuple[Chunk, ...]:
    """Cut the source at the given frames.

    Args:
        timeline: of the source's picture.
        seek_points: its key frames, rising; empty when seeking is impossible.
        starts: frames that start a segment, rising from 0.
        bounds: the first frame of each chunk, rising from 0; each of them starts a segment.
        is_indexed: whether the container finds its key frames exactly.

    Raises:
        ValueError: a bound starts no segment, or the first is not 0.
    """
    if not bounds or bounds[0] != 0 or not set(bounds) <= set(starts):
        raise ValueError("chunks begin where segments do, the first with frame 0")
    ends = [*bounds[1:], len(timeline)]
    return tuple(
        Chunk(
            number=number,
            first_frame=first,
            end_frame=end,
            seek_seconds=_seek_seconds(timeline, seek_points, first, is_indexed=is_indexed),
            starts=tuple(starts[bisect_left(starts, first) : bisect_left(starts, end)]),
        )
        for number, (first, end) in enumerate(zip(bounds, ends, strict=True))
    )


def cut_window(
    timeline: Timeline,
    seek_points: Sequence[SeekPoint],
    first_frame: int,
    end_frame: int,
    *,
    is_indexed: bool = False,
) -> Chunk:
    """Any frames of the source as a chunk of their own.

    Args:
        timeline: of the source's picture.
        seek_points: its key frames, rising.
        first_frame: number of the first frame.
        end_frame: number of the frame behind the last one.
        is_indexed: whether the container finds its key frames exactly; others are read from
            their start, for nobody looks whether a seek in them went astray.
    """
    points = seek_points if is_indexed else ()
    return Chunk(
        number=0,
        first_frame=first_frame,
        end_frame=end_frame,
        seek_seconds=_seek_seconds(timeline, points, first_frame, is_indexed=is_indexed),
        starts=(first_frame,),
    )


def _batch(
    rest: Fraction, slots: int, shortest: Fraction, longest: Fraction
) -> tuple[Fraction, int]:
    """Length and number of the chunks that are taken next of what is left.

    They are equal, and as many as there are slots or a multiple of that, so that slots that begin
    together end together; fewer where the shortest chunks allow no more.
    """
    if slots == 1:
        # Nobody waits for it: its chunks are of one length.
        return rest / ceil(rest / longest), 1
    share = rest / slots
    if share / BATCHES >= shortest:
        return min(share / BATCHES, longest), slots
    if share <= shortest:
        count = max(1, int(rest / shortest))
        return rest / count, count
    count = slots * ceil(share / longest)
    return rest / count, count


def is_indexed(format_name: str) -> bool:
    """Whether a container finds its key frames exactly.

    Args:
        format_name: FFmpeg's, such as `mov,mp4,m4a,3gp,3g2,mj2`.
    """
    return format_name.partition(",")[0] in INDEXED


class _Grid:
    """The segment starts a chunk may begin with, and what each would cost."""

    def __init__(
        self, timeline: Timeline, seek_points: Sequence[SeekPoint], starts: Sequence[int]
    ) -> None:
        self.timeline = timeline
        self.seek_points = seek_points
        self.starts = starts
        self.times = [timeline.since_start(frame) for frame in starts]

    @property
    def key_distance(self) -> Fraction:
        """Average distance of the source's key frames in seconds."""
        return self.timeline.duration_seconds / max(1, len(self.seek_points))

    def rest(self, frame: int) -> Fraction:
        """Seconds from a frame to the end."""
        return self.timeline.duration_seconds - self.timeline.since_start(frame)

    def next_bound(self, bound: int, length: Fraction, shortest: Fraction) -> int | None:
        """The start of the chunk behind the one at `bound`; none when that takes all the rest."""
        if self.rest(bound) <= length * (1 + WINDOW):
            return None
        here = self.timeline.since_start(bound)
        last = self.timeline.duration_seconds - shortest * (1 - WINDOW)
        early = bisect_left(self.times, here + length * (1 - WINDOW))
        late = bisect_right(self.times, here + length * (1 + WINDOW))
        # At least one: segments may be longer than chunks should be.
        candidates = range(early, max(late, early + 1))
        ideal = here + length
        fitting = [n for n in candidates if n < len(self.times) and self.times[n] <= last]
        if not fitting:
            return None
        # Of two equally near ones the later: what is left for the others is then shorter.
        return self.starts[
            min(fitting, key=lambda n: (self.waste(n), abs(self.times[n] - ideal), -n))
        ]

    def waste(self, number: int) -> int:
        """Whole seconds that are decoded only to come to start number `number`."""
        point = _seek_point(self.timeline, self.seek_points, self.starts[number])
        first = self.timeline.pts[0] if point is None else point.pts
        ticks = self.timeline.pts[self.starts[number]] - first
        return int(ticks * self.timeline.time_base)


def _seek_point(
    timeline: Timeline, seek_points: Sequence[SeekPoint], frame: int
) -> SeekPoint | None:
    """The last key frame from which all frames from `frame` on can be decoded."""
    place = bisect_right(seek_points, timeline.pts[frame], key=lambda point: point.pts) - 1
    if place >= 0 and seek_points[place].has_leading:
        place -= 1
    # Reading from the start is as good as seeking to the first frame.
    is_later = place >= 0 and seek_points[place].pts > timeline.pts[0]
    return seek_points[place] if is_later else None


def _seek_seconds(
    timeline: Timeline, seek_points: Sequence[SeekPoint], frame: int, *, is_indexed: bool
) -> Fraction | None:
    point = _seek_point(timeline, seek_points, frame)
    if point is None:
        return None
    if is_indexed:
        # Rounded times must not fall before the key frame, or all from the one before is decoded.
        return point.pts * timeline.time_base + timeline.half_frame
    # Some containers look for the decode time, others for the time it is shown.
    return min(point.pts, point.dts) * timeline.time_base - SEEK_MARGIN_SECONDS
