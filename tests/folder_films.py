"""Folders of sources: renditions of one film, sound in several languages, subtitles."""

from __future__ import annotations

import subprocess
from pathlib import Path

import clips


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


def frames(path: Path, stream: str = "v:0") -> list[str]:
    """The digest of each decoded frame, in the order they are shown."""
    words = [str(clips.tools().ffmpeg), "-nostdin", "-v", "error", "-i", str(path)]
    words += ["-map", f"0:{stream}", "-fps_mode", "passthrough", "-f", "framemd5", "-"]
    printed = subprocess.run(words, check=True, timeout=60, capture_output=True, text=True)
    assert printed.stderr == ""
    rows = [line for line in printed.stdout.splitlines() if not line.startswith("#")]
    return [row.rpartition(",")[2].strip() for row in rows]
