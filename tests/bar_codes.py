"""Makes clips whose frames carry their number as a bar code, and reads it from any encode of them.

The bottom eighth of each picture is black with up to twelve white blocks: the bits of the frame's
number, the lowest to the left. They survive every scaling and every codec.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import clips

BITS = 12
# The middle half of the strip, so that the picture above does not bleed in.
CROP = f"crop=iw:ih/16:0:ih-ih*3/32:exact=1,scale={BITS}:1:flags=area,format=gray"
CODE = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p"


def bars() -> str:
    """Filters that draw the running number of each frame that passes."""
    strip = "drawbox=0:ih-ih/8:iw:ih/8:black:fill"
    blocks = (
        f"drawbox=iw*{bit}/{BITS}:ih-ih/8:iw/{BITS}:ih/8:white:fill"
        f":enable='gte(mod(n\\,{2 ** (bit + 1)})\\,{2**bit})'"
        for bit in range(BITS)
    )
    return ",".join([strip, *blocks])


def numbered(size: str = "320x180", rate: str = "25", seconds: float = 5, before: str = "") -> str:
    """An input of FFmpeg: a moving picture with bar codes, drawn behind the filters `before`."""
    picture = clips.PICTURE.format(size=size, rate=rate, seconds=seconds)
    first = f"{before}," if before else ""
    return f'-f lavfi -i "{picture},{first}{bars()}"'


def read(paths: Sequence[Path], folder: Path) -> list[list[int]]:
    """The numbers of all frames of each file, in the order they are shown.

    Args:
        paths: encoded pictures, at least 24 lines high.
        folder: where the decoded bars go for a moment.
    """
    command = [str(clips.tools().ffmpeg), "-nostdin", "-v", "error", "-y"]
    for path in paths:
        command += ["-threads", "1", "-i", str(path)]
    for number in range(len(paths)):
        command += ["-map", f"{number}:v", "-vf", CROP, "-fps_mode", "passthrough"]
        command += ["-f", "rawvideo", f"{number}.gray"]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    assert done.stderr == b""
    return [_numbers((folder / f"{number}.gray").read_bytes()) for number in range(len(paths))]


def read_stream(path: Path, stream: str, folder: Path) -> list[int]:
    """The numbers of all frames of one stream, such as `0:v:1`, of an asset or a file."""
    command = [str(clips.tools().ffmpeg), "-nostdin", "-v", "error", "-y", "-i", str(path)]
    command += ["-map", stream, "-vf", CROP, "-fps_mode", "passthrough", "-f", "rawvideo"]
    subprocess.run([*command, "stream.gray"], cwd=folder, check=True, timeout=120)
    return _numbers((folder / "stream.gray").read_bytes())


def _numbers(gray: bytes) -> list[int]:
    rows = (gray[at : at + BITS] for at in range(0, len(gray), BITS))
    return [sum(2**bit for bit, light in enumerate(row) if light > 128) for row in rows]
