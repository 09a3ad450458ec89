"""Chooses the renditions of a source when the client names none."""

from __future__ import annotations

from adaptation.media.probe import VideoTrack
from adaptation.media.rendition import Rendition, target_size

RUNGS = ((1080, 5_000_000), (720, 2_800_000), (540, 1_600_000), (360, 800_000), (234, 350_000))
"""Short side in pixels, and bits per second of a 16:9 picture of that size."""
WORTH_A_RUNG = 1.15
"""A source this much larger than the next rung gets a rung of its own size."""
PIXELS_EXPONENT = 0.75
"""Larger pictures need fewer bits a pixel: the rate grows with pixels to this power."""
MIN_BITRATE = 100_000
"""Bits per second below which no picture is worth watching."""
STEP = 10_000
"""Bit rates are whole multiples of this."""
MAX_FRAME_RATE_FACTOR = 1.5
"""Twice the frames do not need twice the bits: neighbours look alike."""
USUAL_FRAME_RATE = 30
"""Frames per second the rungs are meant for."""


def default_ladder(video: VideoTrack) -> tuple[Rendition, ...]:
    """Rungs from the source's own size downwards, never larger than the source.

    Rungs go by the short side, so that a portrait video gets as many lines across as a
    landscape one has downwards. There is always at least one.
    """
    short_side = min(video.width, video.height)
    sides = [side for side, _ in RUNGS if side <= short_side]
    largest = RUNGS[0][0]
    if not sides or (sides[0] < largest and short_side >= sides[0] * WORTH_A_RUNG):
        sides.insert(0, short_side)
    return tuple(_rung(video, side) for side in sides)


def _rung(video: VideoTrack, side: int) -> Rendition:
    """The rung whose short side has `side` pixels."""
    wanted = side if video.height <= video.width else side * video.height / video.width
    width, height = target_size(video.width, video.height, max(2, 2 * round(wanted / 2)))
    return Rendition(f"{_short(width, height)}p", height, _bitrate(video, width, height))


def _short(width: int, height: int) -> int:
    return min(width, height)


def _bitrate(video: VideoTrack, width: int, height: int) -> int:
    """Bits per second: the nearest rung's, by pixels and frame rate, in steps of 10 kbit/s."""
    side, bitrate = min(RUNGS, key=lambda rung: abs(rung[0] - _short(width, height)))
    pixels_of_rung = side * side * 16 / 9
    wanted = bitrate * (width * height / pixels_of_rung) ** PIXELS_EXPONENT
    if video.frame_rate > USUAL_FRAME_RATE:
        rate = float(video.frame_rate) / USUAL_FRAME_RATE
        wanted *= min(MAX_FRAME_RATE_FACTOR, rate**0.5)
    return max(MIN_BITRATE, int(wanted) // STEP * STEP)
