"""How far FFmpeg has come, from what it prints with `-progress`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from adaptation.errors import ToolError

FROZEN_SECONDS = 600.0
"""FFmpeg goes on to report while its threads wait for each other; the slowest encoder that looks
ahead on the slowest machine gives its first frame sooner."""
WANTED = frozenset({"frame", "fps", "speed", "out_time_us", "total_size"})
"""The keys that are looked at."""
NO_TIME = 2.0**62
"""Microseconds that nothing lasts: FFmpeg prints its word for no time, 2^63, as a number."""
ADVANCES = ("frame", "out_time_us", "total_size")
"""Some of these grow while anything is done."""


@dataclass(frozen=True)
class Progress:
    """How far an encode has come."""

    fraction: float
    """Part that is done, 0 to 1."""
    fps: float
    """Frames encoded per second; 0 while unknown."""
    speed: float
    """Seconds of media encoded per second; 0 while unknown."""
    out_seconds: float
    """Media time written so far."""


class ProgressReader:
    """Collects `key=value` lines until the line `progress=` ends a report.

    Whatever is printed, the figures are finite, not negative, and never run backwards.
    """

    def __init__(
        self,
        expected_seconds: float,
        report: Callable[[Progress], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin.

        Args:
            expected_seconds: media time of the output.
            report: gets each report.
            clock: tells seconds.
        """
        self.expected_seconds = expected_seconds
        self.report = report
        self.clock = clock
        self.values: dict[str, str] = {}
        self.done_seconds = 0.0
        self._reached: list[str | None] = []
        self._advanced_at = clock()

    def read(self, line: str) -> None:
        """Take one line.

        Raises:
            ToolError: `tool_stalled`: it reports and gets nowhere.
        """
        key, _, value = line.partition("=")
        key, value = key.strip(), value.strip()
        if key in WANTED:
            self.values[key] = value
        elif key == "progress":
            self._check_advance()
            self.report(self._progress(is_end=value == "end"))

    def _check_advance(self) -> None:
        now, reached = self.clock(), [self.values.get(key) for key in ADVANCES]
        if reached != self._reached:
            self._reached, self._advanced_at = reached, now
        elif now - self._advanced_at > FROZEN_SECONDS:
            raise ToolError(
                f"ffmpeg got nowhere for {FROZEN_SECONDS:g} s",
                code="tool_stalled",
                hint="It is tried again; should that end alike, the source makes it hang.",
            )

    def _progress(self, *, is_end: bool) -> Progress:
        # `N/A` before the first packet; never let a bar run backwards.
        written = self._number("out_time_us")
        has_time = written < NO_TIME
        if has_time:
            self.done_seconds = max(self.done_seconds, written / 1_000_000)
        part = self.done_seconds / self.expected_seconds if self.expected_seconds > 0 else 0.0
        return Progress(
            fraction=1.0 if is_end else min(1.0, part),
            fps=self._number("fps"),
            # It is the quotient of that time and the clock's.
            speed=self._number("speed") if has_time else 0.0,
            out_seconds=self.done_seconds,
        )

    def _number(self, key: str) -> float:
        try:
            number = float(self.values.get(key, "").removesuffix("x"))
        except ValueError:
            return 0.0
        return max(0.0, number) if math.isfinite(number) else 0.0
