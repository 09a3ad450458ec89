"""How pictures are encoded: the encoders there are, and what is asked of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Literal, get_args

Codec = Literal["h264", "hevc", "av1"]
RateControl = Literal["capped_crf", "abr"]
"""`capped_crf`: even quality, the bit rate is a cap. `abr`: the bit rate is the average."""

CODECS: tuple[str, ...] = get_args(Codec)
"""Codecs a rendition may have."""
X26X = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower")
"""Presets of x264 and x265, fastest first; slower ones win next to nothing."""
SVT = tuple(map(str, range(13, 0, -1)))
"""Presets of SVT-AV1, fastest first."""
NVENC = tuple(f"p{number}" for number in range(1, 8))
QSV = ("veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
AMF = ("speed", "balanced", "quality")
BOTH: tuple[RateControl, ...] = ("capped_crf", "abr")
ONLY_ABR: tuple[RateControl, ...] = ("abr",)
USUAL_MAXRATE_FACTOR = 1.5
USUAL_BUFFER_SECONDS = 2.0


@dataclass(frozen=True)
class Encoder:
    """One of FFmpeg's encoders."""

    name: str
    """FFmpeg's name."""
    codec: Codec
    """What it makes."""
    family: str
    """Encoders of a family take the same options."""
    presets: tuple[str, ...]
    """Words for its speed, fastest first; none: it has one speed."""
    preset: str
    """The usual one."""
    crf: int = 23
    """The usual quality, on its own scale: smaller is better."""
    worst_crf: int = 51
    """The end of that scale; it begins with 1."""
    rate_controls: tuple[RateControl, ...] = BOTH
    """What it can be asked for."""
    is_hardware: bool = False
    """Whether it needs a device that many machines do not have."""


def _hardware() -> list[Encoder]:
    """Encoders in graphics cards and processors.

    Only NVENC is known to keep a quality under a cap; the others are asked for an average.
    """
    kinds: list[tuple[str, tuple[str, ...], str, tuple[RateControl, ...]]] = [
        ("nvenc", NVENC, "p5", BOTH),
        ("qsv", QSV, "medium", ONLY_ABR),
        ("vaapi", (), "", ONLY_ABR),
        ("videotoolbox", (), "", ONLY_ABR),
        ("amf", AMF, "balanced", ONLY_ABR),
    ]
    codecs: tuple[tuple[Codec, int, int], ...] = (
        ("h264", 23, 51),
        ("hevc", 26, 51),
        ("av1", 36, 63),
    )
    return [
        Encoder(
            name=f"{codec}_{family}",
            codec=codec,
            family=family,
            presets=presets,
            preset=usual,
            crf=crf,
            worst_crf=worst,
            rate_controls=controls,
            is_hardware=True,
        )
        for family, presets, usual, controls in kinds
        for codec, crf, worst in codecs
        # Apple's processors decode AV1 but do not encode it.
        if (family, codec) != ("videotoolbox", "av1")
    ]


ENCODERS: Mapping[str, Encoder] = {
    encoder.name: encoder
    for encoder in [
        Encoder("libx264", "h264", "x264", X26X, "veryfast"),
        Encoder("libx265", "hevc", "x265", X26X, "fast", crf=26),
        Encoder("libsvtav1", "av1", "svt", SVT, "8", crf=36, worst_crf=63),
        *_hardware(),
    ]
}
"""All encoders a profile may name; the first of a codec is the usual one."""


@dataclass(frozen=True)
class VideoCoding:
    """How all renditions of one codec are encoded."""

    codec: Codec
    """What is made."""
    encoder: str
    """A key of `ENCODERS`."""
    preset: str
    """One of the encoder's words for its speed; empty if it has none."""
    rate_control: RateControl = "capped_crf"
    """What a rendition's bit rate means."""
    crf: int = 23
    """Quality under the cap, on the encoder's own scale: smaller is better."""
    maxrate_factor: float = USUAL_MAXRATE_FACTOR
    """With `abr`: by which factor a rendition may exceed its bit rate for a moment."""
    buffer_seconds: float = USUAL_BUFFER_SECONDS
    """Length of that moment: what fits into the decoder's buffer, at the largest rate."""

    def peak_bitrate(self, bitrate: int) -> int:
        """Bits per second that a rendition of this bit rate exceeds for no longer than a buffer.

        SVT-AV1 has no buffer when an average is asked for: then it is what is expected of it.
        """
        return round(bitrate * self.maxrate_factor) if self.rate_control == "abr" else bitrate

    def buffer_bits(self, bitrate: int) -> int:
        """Size of the decoder's buffer for a rendition of this bit rate."""
        return round(self.peak_bitrate(bitrate) * self.buffer_seconds)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> VideoCoding:
        """Read what `to_json` wrote."""
        return cls(**document)


@dataclass(frozen=True)
class Stream:
    """What an encoder must know of the pictures it gets."""

    bitrate: int
    """Bits per second of the rendition."""
    frame_rate: Fraction = Fraction(25)
    """Average frames per second: the encoder's clock ticks much faster."""
    longest_gop: int = 100
    """Frames of the longest segment."""
    may_reorder: bool = True
    """Whether B-frames are allowed."""
    threads: int = 1
    """1 gives the same bytes each time, 0 lets the encoder choose."""


def usual_encoder(codec: str) -> Encoder:
    """The software encoder of a codec."""
    return next(encoder for encoder in ENCODERS.values() if encoder.codec == codec)


def usual_coding(codec: str) -> VideoCoding:
    """How a codec is encoded when nothing more is said."""
    encoder = usual_encoder(codec)
    return VideoCoding(encoder.codec, encoder.name, encoder.preset, crf=encoder.crf)


def reorder_depth(coding: VideoCoding, *, may_reorder: bool) -> int:
    """How many places behind the order in which it is shown a frame is stored at most.

    Known before anything is encoded. x264 and x265 make B-frames, but none that refers to
    another: one. AV1 stores what is not shown together with what is, hardware encoders are told
    to make no B-frames: none.
    """
    encoder = ENCODERS[coding.encoder]
    has_b_frames = encoder.family == "x265" or (
        encoder.family == "x264" and coding.preset != "ultrafast"
    )
    return int(has_b_frames and may_reorder)
