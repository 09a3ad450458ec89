"""Folders of sources: renditions of one film, sound in several languages, subtitles."""

from __future__ import annotations

from pathlib import Path

import clips

RUNGS = (("320x180", 400), ("240x136", 250), ("160x90", 120))
"""Size and kbit/s of the renditions; the middle one is as wide as it is high only nearly."""


def rendition(
    folder: Path,
    name: str,
    *,
    size: str = "160x90",
    seconds: float = 6,
    keys: int = 25,
    options: str = "",
    rate: str = "25",
) -> Path:
    """`testsrc2` in H.264 with closed GOPs of `keys` frames: `-g N -keyint_min N`."""
    code = "-c:v libx264 -preset veryfast -bf 2 -pix_fmt yuv420p -sc_threshold 0"
    gop = f"-g {keys} -keyint_min {keys} {options}"
    return clips.ffmpeg(folder, f"{clips.picture(size, rate, seconds)} {code} {gop} -an {name}")


def sound(
    folder: Path, name: str, *, pitch: int = 440, seconds: float = 6, options: str = "-c:a aac"
) -> Path:
    """A tone with a beep each second."""
    return clips.ffmpeg(folder, f"{clips.beep(pitch, seconds)} {options} {name}")
