"""Times in TTML and IMSC documents: clocks, offsets, frames and ticks (TTML2 §12.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from adaptation.media.caption_text import invalid
from adaptation.media.timecode import seconds_of

_CLOCK = re.compile(r"(\d{2,4}):(\d\d):(\d\d)(?:(\.\d{1,9})|:(\d{2,5})(?:\.(\d{1,5}))?)?")
_OFFSET = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(h|m|s|ms|f|t)")
_UNITS = {"h": Fraction(3600), "m": Fraction(60), "s": Fraction(1), "ms": Fraction(1, 1000)}


@dataclass(frozen=True)
class Clock:
    """How a document counts."""

    frame_rate: Fraction = Fraction(30)
    """Frames per second, with the multiplier."""
    nominal_rate: int = 30
    """Frames that are counted in a second of a clock."""
    sub_frames: int = 1
    """Parts of a frame."""
    tick_rate: Fraction = Fraction(1)
    """Ticks per second."""
    is_smpte: bool = False
    """Whether clocks count frames, so that they run as slowly as the picture does."""
    drops: bool = False
    """Whether two numbers of each minute are left out, but for every tenth."""

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Clock:
        """What the root says.

        Args:
            parameters: its attributes of `ttp:`, by their local names.

        Raises:
            SourceError: `captions_invalid`.
        """
        if parameters.get("timeBase", "media") not in ("media", "smpte"):
            raise invalid(f"its time base {parameters['timeBase']:.20} is not understood")
        nominal = _whole(parameters, "frameRate", 30)
        rate = nominal * _multiplier(parameters)
        sub_frames = _whole(parameters, "subFrameRate", 1)
        told = "frameRate" in parameters
        ticks = Fraction(_whole(parameters, "tickRate", 0)) or (rate * sub_frames if told else 1)
        return cls(
            frame_rate=rate,
            nominal_rate=nominal,
            sub_frames=sub_frames,
            tick_rate=Fraction(ticks),
            is_smpte=parameters.get("timeBase") == "smpte",
            drops=parameters.get("dropMode") == "dropNTSC",
        )

    def seconds(self, text: str) -> Fraction:
        """The seconds that a time expression stands for.

        Raises:
            SourceError: `captions_invalid`.
        """
        clock = _CLOCK.fullmatch(text.strip())
        if clock:
            return self._clock(clock)
        offset = _OFFSET.fullmatch(text.strip())
        if offset is None:
            raise invalid(f"{text.strip()[:40]!r} is no time")
        number, unit = Fraction(offset[1]), offset[2]
        if unit == "f":
            return number / self.frame_rate
        return number / self.tick_rate if unit == "t" else number * _UNITS[unit]

    def _clock(self, match: re.Match[str]) -> Fraction:
        hours, minutes, seconds = (int(part) for part in match.groups()[:3])
        frames = Fraction(int(match[5] or 0)) + Fraction(int(match[6] or 0), self.sub_frames)
        if self.is_smpte and not match[4]:
            time = (hours, minutes, seconds, int(frames))
            whole = seconds_of(time, self.nominal_rate, self.frame_rate, drops=self.drops)
            return whole + (frames - int(frames)) / self.frame_rate
        since = Fraction((hours * 60 + minutes) * 60 + seconds)
        return since + Fraction(match[4] or 0) + frames / self.frame_rate


def _whole(parameters: Mapping[str, str], name: str, otherwise: int) -> int:
    text = parameters.get(name, str(otherwise)).strip()
    if not re.fullmatch(r"\d{1,12}", text) or (name in parameters and not int(text)):
        raise invalid(f"its {name} {text[:20]!r} is no number of them")
    return int(text)


def _multiplier(parameters: Mapping[str, str]) -> Fraction:
    """`1000 1001`; older documents have a colon between them."""
    text = parameters.get("frameRateMultiplier", "1 1").strip()
    parts = re.fullmatch(r"(\d{1,9})[ :]+(\d{1,9})|(\d{1,9})", text)
    if parts is None or not int(parts[2] or 1) or not int(parts[1] or parts[3]):
        raise invalid(f"its frameRateMultiplier {text[:20]!r} is no fraction")
    return Fraction(int(parts[1] or parts[3]), int(parts[2] or 1))
