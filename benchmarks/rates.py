"""Rate control, in one place: what ours is asked for, and the same for plain FFmpeg.

Average bit rate is meant, so that all shapes spend the same bits. A version of `adaptation`
without that choice has capped constant quality only: then FFmpeg's shapes get that, too.
"""

from __future__ import annotations

from benchmarks.capabilities import supports
from benchmarks.setup import Rung

QUALITY = "23"
"""Constant rate factor of `adaptation` where nothing else is asked for."""
BUFFER_SECONDS = 2
"""Length of the rate cap's window at the rung's bit rate."""


def is_average() -> bool:
    """Whether the bit rate is an average, not a cap over constant quality."""
    return supports("encode", "--rate-control")


def product_options() -> list[str]:
    """What makes `adaptation encode` do so."""
    return ["--rate-control", "abr"] if is_average() else []


def ffmpeg_options(rung: Rung, stream: str = "") -> list[str]:
    """The same for FFmpeg and x264.

    Args:
        rung: with its bit rate.
        stream: stream specifier such as `:v:0` where a command has several outputs.
    """
    buffer = f"{BUFFER_SECONDS * rung.bitrate}"
    cap = [f"-maxrate{stream}", str(rung.bitrate), f"-bufsize{stream}", buffer]
    if is_average():
        return [f"-b{stream or ':v'}", str(rung.bitrate), *cap]
    return [f"-crf{stream}", QUALITY, *cap]
