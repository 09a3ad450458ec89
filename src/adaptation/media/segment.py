"""Cuts the fragments that FFmpeg writes into CMAF segments on the clock of the plan."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import count, pairwise
from math import ceil

from adaptation.errors import ToolError
from adaptation.media.boxes import Init, Samples, read_init, read_samples
from adaptation.media.timeline import Timeline
from adaptation.media.writing import Span, init_segment, media_segment

TIMESCALE = 90_000
"""Ticks per second of all pictures."""
TOLERANCE_TICKS = TIMESCALE // 1000
"""By how much a frame may be off: a millisecond of rounding, nothing more."""
MOST_DELAY_TICKS = TIMESCALE // 10
"""Longest delay of what is copied. Players that know nothing of edit lists take it for a gap, and a
picture that stands for seconds among B-frames would ask for as many; two frames of film fit."""
SHORTEST_TAIL = Fraction(1, 4)
"""Seconds of sound behind the picture's end that are worth a segment of their own. Less than
half a second, so that no segment's length is rounded up to another second."""

Written = tuple[str, bytes]
"""Name and content of a segment."""


@dataclass(frozen=True)
class PicturePlan:
    """The frames of one chunk, or of a whole track, on the asset's clock."""

    clock: tuple[int, ...]
    """Ticks at which each frame appears, in order, and last when the chunk ends."""
    starts: tuple[int, ...]
    """Places in `clock` of the frames that start a segment; the first is 0."""
    delay: int
    """Ticks that the edit list skips, the same for all chunks: see `reorder_delay`."""
    first_number: int = 1
    """Number of the first segment."""
    more_keys: bool = False
    """Whether key frames inside a segment are expected, as in a track that was not encoded."""
    tolerance: int = TOLERANCE_TICKS
    """Ticks by which a frame may be off."""

    def __post_init__(self) -> None:
        if any(late <= early for early, late in pairwise(self.clock)):
            raise ValueError("a plan needs rising times")
        if not self.starts or self.starts[0] != 0 or self.starts[-1] >= len(self.clock) - 1:
            raise ValueError("a plan's segments start at its first frame and at others of it")

    def part(self, first: int, end: int) -> PicturePlan:
        """The plan of the frames from number `first` up to but not including `end`.

        Raises:
            ValueError: no segment starts at frame `first`.
        """
        starts = tuple(start - first for start in self.starts if first <= start < end)
        number = self.first_number + sum(start < first for start in self.starts)
        clock = self.clock[first : end + 1]
        return replace(self, clock=clock, starts=starts, first_number=number)

    def entered_at(self, moments: Sequence[Fraction]) -> PicturePlan:
        """The plan with the frames that start a segment moved to the moments of another track.

        Args:
            moments: seconds, one for each start, less than a frame away from it.

        Raises:
            ValueError: one is further away.
        """
        clock, moved = list(self.clock), 0
        for start, moment in zip(self.starts, moments, strict=True):
            tick = round(TIMESCALE * moment)
            moved = max(moved, abs(tick - clock[start]))
            clock[start] = tick
        return replace(self, clock=tuple(clock), tolerance=self.tolerance + moved)


def plan_pictures(timeline: Timeline, starts: Sequence[int], reorder_depth: int) -> PicturePlan:
    """The plan of a whole track; `part` gives that of a chunk.

    Args:
        timeline: of the source's picture; its first frame is the asset's zero.
        starts: frames that start a segment, see `encode.keyframes`.
        reorder_depth: see `reorder_depth`.
    """
    clock = _clock(timeline)
    return PicturePlan(clock, tuple(starts), reorder_delay(clock, reorder_depth))


def plan_copied(timeline: Timeline, starts: Sequence[int], reorder_ticks: int) -> PicturePlan:
    """The plan of a track that is copied from the source.

    Args:
        timeline: of the source's picture; its first frame is the asset's zero.
        starts: frames that start a segment, key frames of the source.
        reorder_ticks: of the source's clock, see `StoredPicture.reorder_ticks`.
    """
    ticks = reorder_ticks * timeline.time_base * TIMESCALE
    # Both times that it lies between may have been rounded away from each other.
    may_differ = reorder_ticks > 0 and (timeline.time_base * TIMESCALE).denominator > 1
    # Frames that have more to wait for are decoded sooner than at their turn.
    delay = min(int(ticks) + may_differ, MOST_DELAY_TICKS)
    return PicturePlan(_clock(timeline), tuple(starts), delay, more_keys=True)


def _clock(timeline: Timeline) -> tuple[int, ...]:
    """When each frame appears and the last one disappears, in our ticks from the first one."""
    # Whole numbers, for a film has hundreds of thousands of frames; to the nearest tick.
    num, den = (TIMESCALE * timeline.time_base).as_integer_ratio()
    shown = [*timeline.pts, timeline.pts[-1] + timeline.last_duration]
    return tuple((2 * (pts - shown[0]) * num + den) // (2 * den) for pts in shown)


def reorder_delay(clock: Sequence[int], depth: int) -> int:
    """The delay with which each frame can be decoded when its turn comes.

    Its turn is the time at which the frame with the same place in the order of showing appears:
    that frame may be the one `depth` places behind it.
    """
    late = clock[depth:-1] if depth else ()
    return max((after - shown for shown, after in zip(clock, late, strict=False)), default=0)


def reorder_depth(pts: Sequence[int]) -> int:
    """How many places behind the order in which it is shown a frame is stored at most.

    Args:
        pts: presentation times in the order they are stored.
    """
    ranks = {time: rank for rank, time in enumerate(sorted(pts))}
    return max((place - ranks[time] for place, time in enumerate(pts)), default=0)


class PictureSegmenter:
    """Makes the segments of one chunk, each as soon as its last fragment is there."""

    def __init__(self, plan: PicturePlan) -> None:
        self._plan = plan
        self._bounds = [*plan.starts, len(plan.clock) - 1]
        self._header: Init | None = None
        self._segment = 0
        self._held = _Held()

    def init(self, encoded: bytes) -> bytes:
        """The init segment, from all that stands in front of the first fragment.

        Raises:
            ToolError: `output_broken`; `output_mismatch`, the clock ticks differently.
        """
        self._header = read_init(encoded)
        if self._header.timescale != TIMESCALE:
            raise _mismatch(f"it has {self._header.timescale} ticks a second, not {TIMESCALE}")
        return init_segment(encoded, self._plan.delay)

    def feed(self, moof: bytes, media: bytes) -> Iterator[Written]:
        """Take the next fragment: the bodies of its boxes; gives a segment that is complete.

        Raises:
            ToolError: `output_broken`; `output_mismatch`, it is not as planned.
        """
        if self._segment == len(self._plan.starts):
            raise _mismatch("there are more frames than planned")
        self._held.add(read_samples(moof, _known(self._header)), media)
        first, end = self._bounds[self._segment : self._segment + 2]
        if len(self._held) >= end - first:
            yield f"{self._plan.first_number + self._segment:05d}.m4s", self._write(first, end)
            self._segment += 1
            self._held = _Held()

    def finish(self) -> Iterator[Written]:
        """Say that no more fragments come.

        Raises:
            ToolError: `output_mismatch`, frames are missing.
        """
        if self._segment < len(self._plan.starts):
            found = self._bounds[self._segment] + len(self._held)
            raise _mismatch(f"expected {self._bounds[-1]} frames, found {found}")
        yield from ()

    def _write(self, first: int, end: int) -> bytes:
        self._check(first, end)
        clock = self._plan.clock[first : end + 1]
        shown = self._planned_times(clock)
        decoded = self._decode_times(clock, shown)
        samples = Samples(
            decode_time=clock[0],
            durations=[late - early for early, late in pairwise([*decoded, clock[-1]])],
            sizes=self._held.sizes,
            offsets=[
                time - early + self._plan.delay for time, early in zip(shown, decoded, strict=True)
            ],
            syncs=self._held.syncs,
        )
        number = self._plan.first_number + self._segment
        span = Span(number, TIMESCALE, clock[0], clock[-1] - clock[0])
        return media_segment(span, samples, self._held.media, is_picture=True)

    def _planned_times(self, clock: Sequence[int]) -> list[int]:
        """When each stored frame is shown: the plan's time of its place in that order."""
        found = self._held.shown
        shown = [0] * len(found)
        for rank, place in enumerate(sorted(range(len(found)), key=found.__getitem__)):
            shown[place] = clock[rank]
        return shown

    def _decode_times(self, clock: Sequence[int], shown: Sequence[int]) -> list[int]:
        """When each stored frame is decoded: at its turn, or before where it is shown too early.

        Raises:
            ToolError: `output_mismatch`, the segment's first frame would be decoded before it.
        """
        decoded = list(clock[:-1])
        latest = clock[-1]
        for place in range(len(shown) - 1, -1, -1):
            latest = min(latest - 1, decoded[place], shown[place] + self._plan.delay)
            decoded[place] = latest
        if decoded[0] != clock[0]:
            raise _mismatch("frames are stored further from their order than planned")
        return decoded

    def _check(self, first: int, end: int) -> None:
        """The right number of frames, each at its time, beginning with the one key frame."""
        held, clock = self._held, self._plan.clock
        if len(held) != end - first:
            raise _mismatch(f"{end - first} frames should follow frame {first}, not {len(held)}")
        zero = _known(self._header).media_time - clock[0]
        for frame, time in enumerate(sorted(held.shown), start=first):
            off = time - zero - clock[frame]
            if abs(off) > self._plan.tolerance:
                raise _mismatch(f"frame {frame} is {off / TIMESCALE:+.4f} s off its time")
        if held.shown[0] != min(held.shown) or not held.syncs[0]:
            raise _mismatch(f"frame {first} should be a key frame")
        if sum(held.syncs) > 1 and not self._plan.more_keys:
            raise _mismatch(f"there are unplanned key frames behind frame {first}")


class SoundSegmenter:
    """Makes the segments of a sound track, cut where the picture's segments start.

    A segment begins with the first packet at or after a start. Sound that lasts longer than the
    picture is cut in even steps from the last start on.
    """

    def __init__(self, starts_seconds: Sequence[Fraction], step_seconds: Fraction) -> None:
        """Plan the cuts.

        Args:
            starts_seconds: when the picture's segments start; the first is 0.
            step_seconds: length of segments behind the last start.
        """
        self._cuts = _cuts(starts_seconds, Fraction(step_seconds))
        self._cut, self._needed = next(self._cuts)
        self._header: Init | None = None
        self._number = 1
        self._held = _Held()

    def init(self, encoded: bytes) -> bytes:
        """The init segment; its edit list hides what primes the decoder, as FFmpeg's does.

        Raises:
            ToolError: `output_broken`.
        """
        self._header = read_init(encoded)
        return init_segment(encoded, self._header.media_time)

    def feed(self, moof: bytes, media: bytes) -> Iterator[Written]:
        """Take the next fragment: the bodies of its boxes; gives the segments it completes.

        Raises:
            ToolError: `output_broken`; `output_mismatch`, there is a gap in the sound.
        """
        header = _known(self._header)
        samples = read_samples(moof, header)
        if len(self._held) and samples.decode_time != self._held.end:
            raise _mismatch(f"{samples.decode_time - self._held.end:+} ticks between two packets")
        self._held.add(samples, media)
        while self._held.shown[-1] >= self._ticks(self._needed):
            packets = self._held.count_before(self._ticks(self._cut))
            if packets:
                yield self._write(packets)
            self._cut, self._needed = next(self._cuts)
        self._held.forget_taken()

    def finish(self) -> Iterator[Written]:
        """Say that no more fragments come; gives the last segment.

        Raises:
            ToolError: `output_mismatch`, there is no sound.
        """
        if not len(self._held):
            raise _mismatch("the sound track is empty")
        yield self._write(len(self._held))

    def _ticks(self, seconds: Fraction) -> int:
        """The first tick at or after a moment of the asset's clock, before the edit list."""
        header = _known(self._header)
        return ceil(seconds * header.timescale) + header.media_time

    def _write(self, packets: int) -> Written:
        taken, header = self._held.take(packets), _known(self._header)
        start, end = (max(0, time - header.media_time) for time in (taken.shown[0], taken.end))
        span = Span(self._number, header.timescale, start, end - start)
        samples = Samples(
            taken.shown[0], taken.durations, taken.sizes, [0] * packets, [True] * packets
        )
        self._number += 1
        name = f"{span.number:05d}.m4s"
        return name, media_segment(span, samples, taken.media, is_picture=False)


class _Held:
    """Samples that wait for the rest of their segment."""

    def __init__(self) -> None:
        self.shown = list[int]()
        self.durations = list[int]()
        self.sizes = list[int]()
        self.syncs = list[bool]()
        self.media = list[bytes]()
        self.end = 0
        self._taken = 0
        self._taken_bytes = 0

    def __len__(self) -> int:
        return len(self.sizes) - self._taken

    def add(self, samples: Samples, media: bytes) -> None:
        if 0 in samples.sizes or sum(samples.sizes) != len(media):
            raise _mismatch("a fragment does not hold the bytes it announces")
        self.shown += samples.shown()
        self.durations += samples.durations
        self.sizes += samples.sizes
        self.syncs += samples.syncs
        self.media.append(media)
        self.end = samples.decode_time + sum(samples.durations)

    def count_before(self, time: int) -> int:
        """How many samples are shown before a moment; for those stored as they are shown."""
        return bisect_left(self.shown, time, self._taken) - self._taken

    def take(self, count: int) -> _Held:
        """Copy the first samples and leave them out from now on."""
        taken, whole = _Held(), slice(self._taken, self._taken + count)
        taken.shown, taken.durations = self.shown[whole], self.durations[whole]
        taken.sizes, taken.syncs = self.sizes[whole], self.syncs[whole]
        if len(self.media) > 1:
            self.media = [b"".join(self.media)]
        end = self._taken_bytes + sum(taken.sizes)
        taken.media = [self.media[0][self._taken_bytes : end]]
        taken.end = taken.shown[-1] + taken.durations[-1]
        self._taken, self._taken_bytes = whole.stop, end
        return taken

    def forget_taken(self) -> None:
        """Free what was taken: once a fragment, or one that holds hours would take hours."""
        if self._taken:
            for column in (self.shown, self.durations, self.sizes, self.syncs):
                del column[: self._taken]
            self.media = [b"".join(self.media)[self._taken_bytes :]]
            self._taken = self._taken_bytes = 0


def _cuts(starts: Sequence[Fraction], step: Fraction) -> Iterator[tuple[Fraction, Fraction]]:
    """Seconds at which sound is cut, and those that it must reach for that."""
    for start in starts[1:]:
        yield start, start
    for number in count(1):
        # Where the picture does not start a segment, a cut must be worth it.
        cut = starts[-1] + number * step
        yield cut, cut + SHORTEST_TAIL


def _known(header: Init | None) -> Init:
    if header is None:
        raise ValueError("the init segment comes first")
    return header


def _mismatch(what: str) -> ToolError:
    return ToolError(
        f"the encoded track differs from the plan: {what}",
        code="output_mismatch",
        hint="The source may be damaged where it differs; if it plays well, report this.",
    )
