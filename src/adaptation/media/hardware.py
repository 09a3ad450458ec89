"""The words FFmpeg wants for encoders in graphics cards and processors.

They follow FFmpeg's documentation. None of them promises the same bytes on another device, so the
headers of chunks that different devices made may differ, which the workflow refuses.
"""

from __future__ import annotations

from collections.abc import Callable

from adaptation.media.coding import ENCODERS, Stream, VideoCoding

LONGEST_GOP = "9999"
"""Frames: longer than any segment, so that key frames come only where they are forced."""


def _tag(coding: VideoCoding) -> list[str]:
    # Apple's players want the parameter sets in the init segment.
    return ["-tag:v", "hvc1"] if coding.codec == "hevc" else []


def _average(coding: VideoCoding, stream: Stream) -> list[str]:
    words = ["-b:v", str(stream.bitrate), "-maxrate", str(coding.peak_bitrate(stream.bitrate))]
    return [*words, "-bufsize", str(coding.buffer_bits(stream.bitrate))]


# Without B-frames pictures are stored in the order they are shown, on every device.
_GOP = ["-g", LONGEST_GOP, "-bf", "0"]


def _nvenc(coding: VideoCoding, stream: Stream) -> list[str]:
    words = [*_tag(coding), "-tune", "hq", "-rc", "vbr"]
    if coding.rate_control == "capped_crf":
        # No average: the quality decides, up to the cap.
        words += ["-cq", str(coding.crf), "-b:v", "0", "-maxrate", str(stream.bitrate)]
        words += ["-bufsize", str(coding.buffer_bits(stream.bitrate))]
    else:
        words += _average(coding, stream)
    # Forced key frames are to be such that decoding can start with, and there are no others.
    return [*words, *_GOP, "-forced-idr", "1", "-no-scenecut", "1"]


def _qsv(coding: VideoCoding, stream: Stream) -> list[str]:
    # A largest rate above the average selects a variable bit rate.
    return [*_tag(coding), *_average(coding, stream), *_GOP, "-forced_idr", "1"]


def _vaapi(coding: VideoCoding, stream: Stream) -> list[str]:
    return [*_tag(coding), "-rc_mode", "VBR", *_average(coding, stream), *_GOP]


def _videotoolbox(coding: VideoCoding, stream: Stream) -> list[str]:
    # It does not fall back to software by itself: what was asked for is done, or nothing.
    return [*_tag(coding), *_average(coding, stream), *_GOP]


def _amf(coding: VideoCoding, stream: Stream) -> list[str]:
    words = [*_tag(coding), "-rc", "vbr_peak", *_average(coding, stream), *_GOP]
    return [*words, "-forced_idr", "1"]


HARDWARE: dict[str, Callable[[VideoCoding, Stream], list[str]]] = {
    "nvenc": _nvenc,
    "qsv": _qsv,
    "vaapi": _vaapi,
    "videotoolbox": _videotoolbox,
    "amf": _amf,
}
"""By family, see `coding.ENCODERS`."""


def device_options(codings: list[VideoCoding]) -> list[str]:
    """Words in front of the inputs: the device that pictures are sent to, if one is needed."""
    if not any(needs_upload(coding) for coding in codings):
        return []
    return ["-init_hw_device", "vaapi=device", "-filter_hw_device", "device"]


def needs_upload(coding: VideoCoding) -> bool:
    """Whether pictures must be sent to the device by a filter: `UPLOAD`."""
    return ENCODERS[coding.encoder].family == "vaapi"


UPLOAD = "format=nv12,hwupload"
"""Sends pictures to the device."""
