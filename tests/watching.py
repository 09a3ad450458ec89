"""When a player of FFmpeg's kind shows each frame of an asset, and when it beeps."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import clips

LOUD_DECIBEL = -30
"""The beeps of `clips.beep` are louder, what is between them is not: it is filtered out."""
HUSH_SECONDS = 0.01
"""So short a silence is noticed: sound may be primed with one."""
PAUSE_SECONDS = 0.2
"""Beeps come each second and are shorter than this."""


def shown_at(path: Path, stream: str) -> list[float]:
    """When each frame of a stream, such as `0:v:1`, is shown, in seconds."""
    printed = _run(["-i", str(path), "-map", stream, "-vf", "showinfo"], "info")
    return [float(time) for time in re.findall(r"n: *\d+ .*?pts_time:(\S+)", printed)]


def beeps(path: Path) -> list[float]:
    """When each beep of `clips.beep` begins in the first sound track, in seconds."""
    meter = f"highpass=f=1300:p=2,silencedetect=n={LOUD_DECIBEL}dB:d={HUSH_SECONDS},ashowinfo"
    printed = _run(["-i", str(path), "-map", "0:a:0", "-af", meter], "info")
    frames = [float(time) for time in re.findall(r" pts_time:(\S+)", printed)]
    hushed = [float(time) for time in re.findall(r"silence_start: (\S+)", printed)]
    ends = re.findall(r"silence_end: (\S+) \| silence_duration: (\S+)", printed)
    found = [] if hushed[0] <= frames[0] else [frames[0]]
    for time, silent in ((float(time), float(silent)) for time, silent in ends):
        # The end of the file ends a silence too.
        if time < frames[-1] and (silent > PAUSE_SECONDS or not found):
            found.append(time)
    return found


def _run(words: list[str], verbosity: str) -> str:
    # On the clock of the file: FFmpeg would count from the priming of the sound.
    command = [str(clips.tools().ffmpeg), "-nostdin", "-v", verbosity, "-copyts", *words]
    command += ["-fps_mode", "passthrough", "-f", "null", "-"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr
