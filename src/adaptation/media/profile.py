"""An encoding profile: which codecs an asset has, how each is encoded, and on which rungs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from adaptation.errors import ParameterError
from adaptation.media.coding import ENCODERS, RateControl, VideoCoding, usual_coding
from adaptation.media.sound import Layout


@dataclass(frozen=True)
class ProfileRung:
    """One size of a ladder, before the source is known."""

    side: int
    """Short side of the 16:9 box the picture is fitted into, in pixels."""
    bitrate: int
    """Bits per second of a picture that fills that box."""


@dataclass(frozen=True)
class CodecLadder:
    """All renditions of one codec."""

    coding: VideoCoding
    """How they are encoded."""
    rungs: tuple[ProfileRung, ...]
    """Largest first; none where only the client names renditions of this codec."""


@dataclass(frozen=True)
class Profile:
    """A profile whose every value is known."""

    name: str
    """What clients ask for."""
    description: str
    """One sentence for people."""
    ladders: tuple[CodecLadder, ...]
    """One a codec; renditions of the first have plain names."""
    audio_bitrate: int
    """Bits per second of stereo."""
    surround_bitrate: int
    """Bits per second of 5.1."""

    @property
    def audio_bitrates(self) -> dict[Layout, int]:
        """Bits per second of sound by its channels."""
        return {"stereo": self.audio_bitrate, "5.1": self.surround_bitrate}

    @property
    def main_codec(self) -> str:
        """Codec of renditions that do not say their own."""
        return self.ladders[0].coding.codec

    def coding(self, codec: str) -> VideoCoding:
        """How a codec is encoded: as the profile says, else as usual."""
        found = (ladder.coding for ladder in self.ladders if ladder.coding.codec == codec)
        return next(found, usual_coding(codec))

    def covering(self, codecs: Iterable[str]) -> Profile:
        """The same with the usual way to encode codecs that the profile has not."""
        known = {ladder.coding.codec for ladder in self.ladders}
        new = [codec for codec in dict.fromkeys(codecs) if codec not in known]
        more = (CodecLadder(usual_coding(codec), ()) for codec in new)
        return replace(self, ladders=(*self.ladders, *more))

    def chosen(self, preset: str | None, rate_control: RateControl | None) -> Profile:
        """The same with what a client asked for.

        Args:
            preset: for each encoder that knows the word; the others keep theirs.
            rate_control: for all encoders.

        Raises:
            ParameterError: no encoder knows the preset, or one cannot control its rate so.
        """
        codings = [ladder.coding for ladder in self.ladders]
        if preset is not None:
            codings = _with_preset(self.name, codings, preset)
        if rate_control is not None:
            codings = [_with_rate_control(coding, rate_control) for coding in codings]
        pairs = zip(self.ladders, codings, strict=True)
        ladders = (replace(ladder, coding=coding) for ladder, coding in pairs)
        return replace(self, ladders=tuple(ladders))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back."""
        return asdict(self) | {
            "ladders": [
                {
                    "coding": ladder.coding.to_json(),
                    "rungs": [[rung.side, rung.bitrate] for rung in ladder.rungs],
                }
                for ladder in self.ladders
            ]
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Profile:
        """Read what `to_json` wrote."""
        ladders = tuple(
            CodecLadder(
                VideoCoding.from_json(ladder["coding"]),
                tuple(ProfileRung(side, bitrate) for side, bitrate in ladder["rungs"]),
            )
            for ladder in document["ladders"]
        )
        return cls(**{**document, "ladders": ladders})


def _with_preset(name: str, codings: list[VideoCoding], preset: str) -> list[VideoCoding]:
    known = [preset in ENCODERS[coding.encoder].presets for coding in codings]
    if not any(known):
        words = "; ".join(
            f"{coding.encoder}: {', '.join(ENCODERS[coding.encoder].presets) or 'none'}"
            for coding in codings
        )
        raise ParameterError(
            f"no encoder of the profile {name} has the preset {preset!r:.40}",
            hint=f"Choose one of {words}.",
        )
    pairs = zip(codings, known, strict=True)
    return [replace(coding, preset=preset) if is_known else coding for coding, is_known in pairs]


def _with_rate_control(coding: VideoCoding, rate_control: RateControl) -> VideoCoding:
    able = ENCODERS[coding.encoder].rate_controls
    if rate_control not in able:
        raise ParameterError(
            f"{coding.encoder} cannot do {rate_control}",
            hint=f"Ask for {' or '.join(able)}, or for a profile with another encoder.",
        )
    return replace(coding, rate_control=rate_control)
