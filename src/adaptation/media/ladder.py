"""Chooses the renditions of a source when the client names none."""

from __future__ import annotations

from fractions import Fraction

from adaptation.media.probe import VideoTrack
from adaptation.media.rendition import MIN_HEIGHT, Rendition, target_size

RUNGS = ((1080, 5_000_000), (720, 2_800_000), (540, 1_600_000), (360, 800_000), (234, 350_000))
"""Short side in pixels, and bits per second of a 16:9 picture of that size."""
BOX = Fraction(16, 9)
"""Shape of the rungs."""
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

    A rung is a 16:9 box, upright for a portrait video, into which the picture is fitted: so a
    wide film gets the widths that are usual, and a portrait video as many lines across as a
    landscape one has downwards. There is always at least one.
    """
    own_side = _side(video)
    sides = [side for side, _ in RUNGS if side <= own_side]
    largest = RUNGS[0][0]
    if not sides or (sides[0] < largest and own_side >= sides[0] * WORTH_A_RUNG):
        sides.insert(0, own_side)
    rungs = [_rung(video, side) for side in sides]
    return tuple(rung for rung in rungs if rung.height >= MIN_HEIGHT) or (rungs[0],)


def _side(video: VideoTrack) -> int:
    """Short side of the smallest 16:9 box that holds the picture."""
    short, long = sorted((video.width, video.height))
    return max(short, round(long / BOX))


def _rung(video: VideoTrack, side: int) -> Rendition:
    """The rung whose box has a short side of `side` pixels."""
    wanted = video.height * Fraction(side, _side(video))
    width, height = target_size(video.width, video.height, max(2, 2 * round(wanted / 2)))
    return Rendition(f"{side}p", height, _bitrate(video, side, width * height))


def _bitrate(video: VideoTrack, side: int, pixels: int) -> int:
    """Bits per second: the nearest rung's, by pixels and frame rate, in whole steps."""
    nearest, bitrate = min(RUNGS, key=lambda rung: abs(rung[0] - side))
    wanted = bitrate * float(pixels / (nearest * nearest * BOX)) ** PIXELS_EXPONENT
    if video.frame_rate > USUAL_FRAME_RATE:
        rate = float(video.frame_rate) / USUAL_FRAME_RATE
        wanted *= min(MAX_FRAME_RATE_FACTOR, rate**0.5)
    return max(MIN_BITRATE, int(wanted) // STEP * STEP)
