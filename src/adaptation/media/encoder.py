"""The words FFmpeg wants for each encoder: rate, speed, key frames, equal headers, equal bytes."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from adaptation.media.coding import ENCODERS, Stream, VideoCoding
from adaptation.media.hardware import HARDWARE, UPLOAD, device_options, needs_upload

Words = Callable[[VideoCoding, Stream], list[str]]
SVT_GOPS = 4
"""For SVT-AV1, with an average bit rate: the announced distance of key frames in segments."""
SLOWEST, FASTEST = 1, 240
"""Frames per second that SVT-AV1 takes."""
TINY = "s=640x360:r=25:d=0.2"
"""Size, rate and seconds of a trial: hardware refuses pictures that are much smaller."""


def encoder_options(coding: VideoCoding, stream: Stream) -> list[str]:
    """Encode one rendition: key frames only where they are forced, the same headers in all chunks.

    No B-frame refers to another: then pictures are shown one frame after they are decoded, and
    the edit list that hides it is so short that players which do not read it (hls.js) see nothing
    amiss in a playlist that grows. It costs 0.1 to 0.2 VMAF at the same bit rate.
    """
    encoder = ENCODERS[coding.encoder]
    preset = ["-preset", coding.preset] if coding.preset else []
    return ["-c:v", encoder.name, *preset, *_FAMILIES[encoder.family](coding, stream)]


def trial_command(name: str) -> list[str]:
    """A tiny encode that an encoder which works here brings to an end; makes no file.

    Args:
        name: a key of `ENCODERS`.
    """
    return [*_tiny_encode(name, f"color=gray:{TINY}"), "-f", "null", "-"]


def fingerprint_command(name: str) -> list[str]:
    """A tiny encode that prints the digest of what it makes: other builds make something else.

    Args:
        name: a key of `ENCODERS`.
    """
    return [*_tiny_encode(name, f"testsrc2={TINY}"), "-f", "md5", "-"]


def _tiny_encode(name: str, picture: str) -> list[str]:
    encoder = ENCODERS[name]
    coding = VideoCoding(encoder.codec, name, encoder.preset, encoder.rate_controls[0], encoder.crf)
    last = UPLOAD if needs_upload(coding) else "format=yuv420p"
    return [
        *device_options([coding]),
        *("-f", "lavfi", "-i", picture, "-vf", last),
        *encoder_options(coding, Stream(bitrate=500_000)),
    ]


def _x264(coding: VideoCoding, stream: Stream) -> list[str]:
    words = ["-profile:v", "high", *_rate(coding, stream), *_b_frames(stream)]
    words += ["-threads", str(stream.threads)]
    # No scene cuts, no regular distance, and no frames that refer across a segment's start.
    # `stitchable` makes the headers of all chunks alike.
    own = "scenecut=0:open-gop=0:b-pyramid=none:keyint=infinite:stitchable=1"
    return [*words, "-x264-params", own]


def _x265(coding: VideoCoding, stream: Stream) -> list[str]:
    # `hvc1` keeps parameter sets in the init segment, which Apple's players ask for.
    # `forced-idr`, or a forced key frame soon after another would become a plain I-frame.
    words = ["-tag:v", "hvc1", "-forced-idr", "1", *_rate(coding, stream), *_b_frames(stream)]
    words += ["-threads", str(stream.threads)]
    # x265 wants -1 where x264 says infinite, and writes a banner unless told not to.
    own = "scenecut=0:open-gop=0:b-pyramid=0:keyint=-1:log-level=error"
    # It shares out bits a frame: by the frames' rate, not by the ticks of their clock.
    own += f":fps={_ratio(stream.frame_rate)}"
    # It would write the processor's features into the stream, and takes no `-threads`.
    own += ":info=0"
    own += f":pools={stream.threads}:frame-threads={stream.threads}" if stream.threads else ""
    return [*words, "-x265-params", own]


def _svt(coding: VideoCoding, stream: Stream) -> list[str]:
    is_average = coding.rate_control == "abr"
    # An average allows no cap, and wants a distance of key frames to share out its bits by:
    # four segments came closest (5 % off), and forced ones always come before.
    rate, cap = ["-b:v", str(stream.bitrate)], ""
    if not is_average:
        rate = ["-crf", str(coding.crf), "-maxrate", str(stream.bitrate)]
        # With the usual 50 % it ends up 10 % above the cap, with this 13 % below.
        cap = ":mbr-overshoot-pct=20"
    distance = SVT_GOPS * stream.longest_gop if is_average else -1
    # A forced key frame begins a new, closed group whatever lies before it.
    clamped = max(Fraction(SLOWEST), min(Fraction(FASTEST), stream.frame_rate))
    own = f"scd=0:keyint={distance}:fps-num={clamped.numerator}:fps-denom={clamped.denominator}"
    # `lp` is its level of parallelism; 0 lets it choose.
    return [*rate, "-svtav1-params", f"{own}{cap}:lp={stream.threads}"]


def _rate(coding: VideoCoding, stream: Stream) -> list[str]:
    if coding.rate_control == "abr":
        words = ["-b:v", str(stream.bitrate)]
    else:
        words = ["-crf", str(coding.crf)]
    words += ["-maxrate", str(coding.peak_bitrate(stream.bitrate))]
    return [*words, "-bufsize", str(coding.buffer_bits(stream.bitrate))]


def _b_frames(stream: Stream) -> list[str]:
    return [] if stream.may_reorder else ["-bf", "0"]


def _ratio(rate: Fraction) -> str:
    return f"{rate.numerator}/{rate.denominator}"


_FAMILIES: dict[str, Words] = {"x264": _x264, "x265": _x265, "svt": _svt, **HARDWARE}
