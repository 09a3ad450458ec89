"""A film with a part that is hard to encode, and an FFmpeg that judges what was measured of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import bar_codes
import clips

WIDTH, HEIGHT, RATE, SECONDS = 320, 180, 25, 9
NOISY = (4.0, 6.0)
"""Seconds in which every picture is noise."""
RUNGS = [
    {"name": "180p", "height": 180, "bitrate": 220},
    {"name": "90p", "height": 90, "bitrate": 120},
]


def make_film(folder: Path) -> Path:
    """9 s of 320x180 at 25 fps with bar codes, its pattern under noise between 4 and 6 s."""
    first, end = NOISY
    noise = f"noise=alls=90:allf=t:enable='gte(t\\,{first})*lt(t\\,{end})'"
    size, rate = f"{WIDTH}x{HEIGHT}", str(RATE)
    picture = bar_codes.numbered(size=size, rate=rate, seconds=SECONDS, before=noise)
    coding = "-c:v libx264 -preset ultrafast -crf 6 -pix_fmt yuv420p"
    colours = "-colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv"
    return clips.ffmpeg(folder, f"{picture} {coding} {colours} film.mp4")


def judged(source: Path, rendition: Path, folder: Path) -> list[float]:
    """VMAF of each picture of a rendition.

    The whole rendition goes through libvmaf in one run, picture by picture.

    Args:
        source: what it was encoded from, in the size of comparison.
        rendition: folder of its init and media segments.
        folder: where to put things.
    """
    pieces = [rendition / "init.mp4", *sorted(rendition.glob("*.m4s"))]
    (folder / "whole.mp4").write_bytes(b"".join(path.read_bytes() for path in pieces))
    graph = (
        f"[0:v]scale={WIDTH}:{HEIGHT}:flags=bicubic,format=yuv420p[d];"
        f"[1:v]format=yuv420p[r];"
        "[d][r]libvmaf=log_fmt=json:log_path=judge.json"
    )
    command = [str(clips.tools().ffmpeg), "-nostdin", "-v", "error", "-i", "whole.mp4"]
    command += ["-i", str(source), "-lavfi", graph, "-f", "null", "-"]
    subprocess.run(command, cwd=folder, check=True, timeout=300)
    frames = json.loads((folder / "judge.json").read_bytes())["frames"]
    assert len(frames) == RATE * SECONDS
    return [frame["metrics"]["vmaf"] for frame in frames]
