"""Chooses the renditions of a source when the client names none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from adaptation.media.probe import VideoTrack
from adaptation.media.profile import CodecLadder, ProfileRung
from adaptation.media.rendition import MIN_HEIGHT, Rendition, target_size

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
WORTH = {"mpeg2video": 0.5, "mpeg4": 0.7, "h264": 1.0, "vp9": 1.5, "hevc": 1.6, "av1": 2.0}
"""Bits of H.264 that show as much as one bit of a codec. Others are taken for H.264, which is
generous to old codecs and to those that code each frame alone."""
HEADROOM = 2
"""An encode needs more bits than its source to look like it: it cannot know the source's choices.
Beyond this factor more bits win nothing, see docs/profiles.md."""


@dataclass(frozen=True)
class LadderPlan:
    """The renditions of a source, and why some are not as the profile has them."""

    renditions: tuple[Rendition, ...]
    """Codec by codec, largest first; at least one of each."""
    notes: tuple[str, ...]
    """Sentences for the log."""


def plan_ladder(
    video: VideoTrack, ladders: Sequence[CodecLadder], copied: Rendition | None = None
) -> LadderPlan:
    """Rungs from the source's own size downwards, never larger or richer than the source.

    A rung is a 16:9 box, upright for a portrait video, into which the picture is fitted: so a
    wide film gets the widths that are usual, and a portrait video as many lines across as a
    landscape one has downwards. There is always at least one. Renditions of the first codec are
    called `720p`, those of others `720p_av1`.

    Args:
        video: its bit rate caps the renditions', unless it is 0 (unknown).
        ladders: of a profile; those without rungs give no renditions.
        copied: takes the place of the rung of its name, with the peak of what is copied as its
            bit rate: no smaller one may cost as much.
    """
    plans = [_codec_plan(video, ladder, number, copied) for number, ladder in enumerate(ladders)]
    return LadderPlan(
        tuple(rendition for plan in plans for rendition in plan.renditions),
        tuple(note for plan in plans for note in plan.notes),
    )


def source_ceiling(video: VideoTrack, codec: str) -> int:
    """The bit rate above which an encode in `codec` shows nothing more of its source.

    Returns:
        Bits per second in whole steps, at least `MIN_BITRATE`; 0 when the source's is unknown.
    """
    if video.bitrate <= 0:
        return 0
    worth = WORTH.get(video.codec, WORTH["h264"]) / WORTH[codec]
    return max(MIN_BITRATE, int(video.bitrate * worth * HEADROOM) // STEP * STEP)


def _codec_plan(
    video: VideoTrack, ladder: CodecLadder, number: int, copied: Rendition | None
) -> LadderPlan:
    if not ladder.rungs:
        return LadderPlan((), ())
    codec = ladder.coding.codec
    suffix = f"_{codec}" if number else ""
    sides = _sides(video, ladder.rungs)
    rungs = [_rung(video, ladder.rungs, side) for side in sides]
    rungs = [rung for rung in rungs if rung.height >= MIN_HEIGHT] or rungs[:1]
    named = [replace(rung, name=f"{rung.name}{suffix}", codec=codec) for rung in rungs]
    return _capped(named, source_ceiling(video, codec), copied)


def _sides(video: VideoTrack, rungs: Sequence[ProfileRung]) -> list[int]:
    own_side = box_side(video)
    sides = [rung.side for rung in rungs if rung.side <= own_side]
    if not sides or (sides[0] < rungs[0].side and own_side >= sides[0] * WORTH_A_RUNG):
        sides.insert(0, own_side)
    return sides


def box_side(video: VideoTrack) -> int:
    """Short side of the smallest 16:9 box that holds the picture."""
    short, long = sorted((video.width, video.height))
    return max(short, round(long / BOX))


def _rung(video: VideoTrack, rungs: Sequence[ProfileRung], side: int) -> Rendition:
    """The rung whose box has a short side of `side` pixels."""
    wanted = video.height * Fraction(side, box_side(video))
    width, height = target_size(video.width, video.height, max(2, 2 * round(wanted / 2)))
    return Rendition(f"{side}p", height, _bitrate(video, rungs, side, width * height))


def _bitrate(video: VideoTrack, rungs: Sequence[ProfileRung], side: int, pixels: int) -> int:
    """Bits per second: the nearest rung's, by pixels and frame rate, in whole steps."""
    nearest = min(rungs, key=lambda rung: abs(rung.side - side))
    full = nearest.side * nearest.side * BOX
    wanted = nearest.bitrate * float(pixels / full) ** PIXELS_EXPONENT
    if video.frame_rate > USUAL_FRAME_RATE:
        rate = float(video.frame_rate) / USUAL_FRAME_RATE
        wanted *= min(MAX_FRAME_RATE_FACTOR, rate**0.5)
    return max(MIN_BITRATE, int(wanted) // STEP * STEP)


def _capped(rungs: Sequence[Rendition], ceiling: int, copied: Rendition | None) -> LadderPlan:
    """No rung above the ceiling, and none that may cost as much as a larger one."""
    kept, notes = list[Rendition](), list[str]()
    for rung in rungs:
        if copied is not None and rung.name == copied.name:
            kept.append(copied)
            continue
        capped = replace(rung, bitrate=min(rung.bitrate, ceiling or rung.bitrate))
        if kept and capped.bitrate >= kept[-1].bitrate:
            notes.append(f"{rung.name} is left out: {kept[-1].name} costs no more")
            continue
        if capped.bitrate < rung.bitrate:
            rates = f"{capped.bitrate // 1000} instead of {rung.bitrate // 1000} kbit/s"
            notes.append(f"{rung.name} gets {rates}: there is no more in the source")
        kept.append(capped)
    return LadderPlan(tuple(kept), tuple(notes))
