"""Time codes that count frames, SMPTE ST 12-1, and the seconds they stand for."""

from __future__ import annotations

from fractions import Fraction

NTSC_RATE = Fraction(30000, 1001)
"""Frames per second of what counts 30 of them."""
DROPPED = 2
"""Numbers left out at the beginning of a minute, at 30 frames a second."""


def seconds_of(
    time: tuple[int, int, int, int], nominal_rate: int, frame_rate: Fraction, *, drops: bool
) -> Fraction:
    """Seconds since 00:00:00:00.

    Args:
        time: hours, minutes, seconds and frames.
        nominal_rate: frames that are counted in a second.
        frame_rate: frames that are shown in a second.
        drops: whether numbers are left out so that the clock keeps time: of 30, the first two of
            each minute but for every tenth.
    """
    hours, minutes, seconds, frames = time
    minute = hours * 60 + minutes
    number = (minute * 60 + seconds) * nominal_rate + frames
    if drops:
        number -= DROPPED * nominal_rate // 30 * (minute - minute // 10)
    return number / frame_rate
