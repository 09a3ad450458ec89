"""Finds out whether pictures are made of two fields when nothing reliable says so."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from adaptation.media.probe import VideoTrack
from adaptation.media.timeline import Timeline

LOOK_SECONDS = 5
"""How much is looked at: enough to see something move."""
PLAIN_SECONDS = 30
"""Longer sources are looked at in their first third: many begin with something that stands."""
_PRINT = "idet,metadata=print:key=lavfi.idet.{}.current_frame:file=-:direct=1"
LOOK = (
    "split[all][some];"
    # What says of itself that it is interlaced needs no proof.
    f"[some]select=eq(interlace_type\\,PROGRESSIVE),{_PRINT.format('multiple')},nullsink;"
    f"[all]{_PRINT.format('repeated')}"
)
"""The filters of a look: of each frame whether it repeats a field, and of each that calls itself
whole whether it is."""
INTERLACED_CODECS = frozenset(
    {"mpeg2video", "mpeg4", "h264", "vc1", "wmv3", "dvvideo", "prores", "dnxhd", "mjpeg"}
    | {"rawvideo", "v210", "v410", "r210", "ffv1", "huffyuv", "ffvhuff", "utvideo", "jpeg2000"}
)
"""What television and its archives are stored in; newer codecs hold whole pictures."""
INTERLACED_RATES = (Fraction(25), Fraction(30_000, 1001), Fraction(30))
"""Pictures per second of television with two fields each."""
INTERLACED_LINES = 480
"""Lines of the smallest interlaced picture: NTSC in DV and DVD."""
FEWEST_FRAMES = 8
"""Fewer are no proof of anything."""
REPEATED_PART = Fraction(1, 10)
"""Least part of frames that repeat their top field, and of those that repeat the bottom one, in
film shown at 30 pictures: it is a fifth each, but where nothing moves it cannot be seen."""
FILM_RATE = Fraction(24_000, 1001)
"""Frames per second of film on American television."""


def look_start(video: VideoTrack, duration_seconds: float) -> float | None:
    """Second of the source to look at its fields from; none when there is no doubt about them.

    Frames of a stream that is announced as interlaced may call themselves whole all the same.
    A stream that says nothing is suspicious when its codec, rate and size are television's.
    """
    near = any(abs(video.frame_rate - rate) < Fraction(1, 100) for rate in INTERLACED_RATES)
    is_television = video.codec in INTERLACED_CODECS and near and video.height >= INTERLACED_LINES
    if not video.interlaced and (video.field_order or not is_television):
        return None
    return duration_seconds / 3 if duration_seconds > PLAIN_SECONDS else 0.0


class Look:
    """Counts what `LOOK` prints."""

    def __init__(self) -> None:
        self.repeated = Counter[str]()
        self.whole = Counter[str]()
        """Of frames that call themselves whole: what they are."""

    def read(self, line: str) -> None:
        """Take one line."""
        name, _, value = line.strip().partition("=")
        if name == "lavfi.idet.repeated.current_frame":
            self.repeated[value] += 1
        elif name == "lavfi.idet.multiple.current_frame":
            self.whole[value] += 1

    def judged(self, video: VideoTrack) -> VideoTrack:
        """The track with what was seen of it."""
        parity = max(("tff", "bff"), key=lambda order: self.whole[order])
        combed = self.whole[parity]
        decided = self.whole["tff"] + self.whole["bff"] + self.whole["progressive"]
        is_combed = combed >= FEWEST_FRAMES and 2 * combed > decided
        says_so = self.repeated.total() > self.whole.total()
        return replace(
            video,
            interlaced=video.interlaced or says_so or is_combed,
            parity=parity if is_combed else "",
            telecine="hard" if self._is_telecine(video) else "",
        )

    def _is_telecine(self, video: VideoTrack) -> bool:
        frames = self.repeated.total()
        least = min(self.repeated["top"], self.repeated["bottom"])
        is_american = abs(video.frame_rate - INTERLACED_RATES[1]) < Fraction(1, 10)
        return is_american and least > 1 and least >= REPEATED_PART * frames


def is_pulled_down(timeline: Timeline) -> bool:
    """Whether film is shown for three and two fields in turn, as flags of DVDs ask for."""
    gaps = sorted(late - early for early, late in pairwise(timeline.pts))
    if len(gaps) < FEWEST_FRAMES or abs(timeline.frame_rate - FILM_RATE) > 1:
        return False
    short, long = gaps[len(gaps) // 4], gaps[3 * len(gaps) // 4]
    return abs(Fraction(long, short) - Fraction(3, 2)) < Fraction(1, 10)
