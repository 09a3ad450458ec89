"""When a player of FFmpeg's kind shows each frame of an asset, and when it beeps."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import clips

WINDOW_SAMPLES = 48
"""The meter looks at a millisecond at a time."""
LOUD_DECIBEL = -30
"""The beeps of `clips.beep` are louder, what is between them is not: it is filtered out."""
PAUSE_SECONDS = 0.2
"""Beeps come each second and are shorter than this."""


def shown_at(path: Path, stream: str) -> list[float]:
    """When each frame of a stream, such as `0:v:1`, is shown, in seconds."""
    printed = _run(["-i", str(path), "-map", stream, "-vf", "showinfo"], "info")
    return [float(time) for time in re.findall(r"n: *\d+ .*?pts_time:(\S+)", printed)]


def beeps(path: Path) -> list[float]:
    """When each beep of `clips.beep` begins in the first sound track, in seconds."""
    meter = f"highpass=f=1300:p=2,asetnsamples={WINDOW_SAMPLES},astats=metadata=1:reset=1"
    meter += ",ametadata=print:key=lavfi.astats.Overall.Peak_level:file=-"
    printed = _run(["-i", str(path), "-map", "0:a:0", "-af", meter], "error")
    levels = re.findall(r"pts_time:(\S+)\n\S+level=(\S+)", printed)
    found = list[float]()
    silent_since = -PAUSE_SECONDS
    for time, level in ((float(time), float(level)) for time, level in levels):
        if level > LOUD_DECIBEL:
            if time - silent_since > PAUSE_SECONDS or not found:
                found.append(time)
            silent_since = time
    return found


def _run(words: list[str], verbosity: str) -> str:
    # On the clock of the file: FFmpeg would count from the priming of the sound.
    command = [str(clips.tools().ffmpeg), "-nostdin", "-v", verbosity, "-copyts", *words]
    command += ["-fps_mode", "passthrough", "-f", "null", "-"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr
