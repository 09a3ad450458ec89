"""What no film exceeds, so that a few bytes cannot ask for hours of work or for all memory."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from adaptation.errors import SourceError
from adaptation.media.timeline import Timeline

MAX_PIXELS = 35_389_440
"""The largest picture (8192 x 4320): a bomb of 31 kB can hold more."""
MAX_SIDE = 16_384
"""The longest side of a picture as shown: encoders take no more."""
MAX_FRAMES = 5_200_000
"""A day at 60 frames per second; times of more would take more than a gigabyte."""
MAX_STILL_SECONDS = 600
"""The longest time one frame may be shown. Its segment lasts as long, and players load it whole."""
MAX_SILENCE_SECONDS = 3_600
"""The most time without sound in a sound track, which is filled with encoded silence."""
PAUSE_SECONDS = 10
"""Sound that is away for less than this is no hole worth counting."""
MAX_BACKWARD_SECONDS = Fraction(1, 10)
"""How far decode times may go back: writers round, but a clock that starts again shows two frames
at one time, of which only one can be kept."""


def check_size(width: int, height: int, stored_pixels: int) -> None:
    """Refuse a picture that no encoder could take.

    Args:
        width: pixels as shown.
        height: pixels as shown.
        stored_pixels: of the picture as it is coded.

    Raises:
        SourceError: `source_picture_too_large`.
    """
    if max(width * height, stored_pixels) > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise SourceError(
            f"its picture of {width:,} x {height:,} pixels is too large",
            code="source_picture_too_large",
            hint=f"At most {MAX_PIXELS:,} pixels (8192 x 4320) and {MAX_SIDE:,} on a side are read:"
            " scale it down first.",
        )


def check_frames(count: int) -> None:
    """Refuse to read on when a film has too many frames.

    Raises:
        SourceError: `source_too_many_frames`.
    """
    if count > MAX_FRAMES:
        raise SourceError(
            f"the source has more than {MAX_FRAMES:,} frames",
            code="source_too_many_frames",
            hint="That is a day at 60 frames per second: cut it into parts.",
        )


def check_stills(timeline: Timeline) -> None:
    """Refuse a film in which one frame stands for too long.

    Raises:
        SourceError: `source_gap`.
    """
    longest = Fraction(MAX_STILL_SECONDS) / timeline.time_base
    ends = (*timeline.pts[1:], timeline.pts[-1] + timeline.last_duration)
    for shown, end in zip(timeline.pts, ends, strict=True):
        if end - shown > longest:
            where = float((shown - timeline.pts[0]) * timeline.time_base)
            lasts = float((end - shown) * timeline.time_base)
            raise _gap(f"after {where:.2f} s one picture stands for {lasts:,.0f} s")


@dataclass
class Clock:
    """Sees how the decode times of a picture go on, in ticks of its stream."""

    tick_seconds: Fraction
    _last: int | None = None

    def read(self, dts: int) -> None:
        """Take the decode time of the next packet.

        Raises:
            SourceError: `source_times`.
        """
        if self._last is not None:
            back = (self._last - dts) * self.tick_seconds
            if back > MAX_BACKWARD_SECONDS:
                raise SourceError(
                    f"the clock of its picture goes back by {float(back):,.2f} s"
                    f" at {float(self._last * self.tick_seconds):,.2f} s",
                    code="source_times",
                    hint="Several recordings lie in one file: split it, or join them with times"
                    " that go on.",
                )
        self._last = dts


@dataclass
class Silence:
    """Adds up the time in which a track has no sound, in ticks of its stream."""

    tick_seconds: Fraction
    ticks: int = 0
    """Of all holes so far."""
    _last: int | None = None

    def read(self, pts: int) -> None:
        """Take the time of the next packet; how long that says it lasts proves nothing."""
        if self._last is not None and (pts - self._last) * self.tick_seconds > PAUSE_SECONDS:
            self.ticks += pts - self._last
        self._last = pts if self._last is None else max(self._last, pts)

    def check(self, start_seconds: float, begin: int, end: int) -> None:
        """Refuse a track that is mostly holes, counting those before and behind it.

        Args:
            start_seconds: when the picture begins.
            begin: time of the first packet.
            end: when the last one is over.

        Raises:
            SourceError: `source_gap`.
        """
        self.read(end)
        late = max(0.0, float(begin * self.tick_seconds) - start_seconds)
        silent = late + float(self.ticks * self.tick_seconds)
        if silent > MAX_SILENCE_SECONDS:
            raise _gap(f"a sound track is silent for {silent:,.0f} s, for want of packets")


def _gap(what: str) -> SourceError:
    return SourceError(
        f"the source has a hole: {what}",
        code="source_gap",
        hint=f"At most {MAX_STILL_SECONDS} s of one picture and {MAX_SILENCE_SECONDS:,} s without"
        " sound are encoded: its times are damaged, or parts of it are missing.",
    )
