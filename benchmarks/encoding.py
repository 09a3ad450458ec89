"""What a whole ladder costs: our command beside plain FFmpeg in two shapes, with equal caps."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from adaptation.adapters.tools import find_tools
from adaptation.settings import load_settings

ROUNDS = 3
SECONDS = 16
RUNGS = (
    ("1080p", 1920, 1080, 5000),
    ("720p", 1280, 720, 2800),
    ("540p", 960, 540, 1600),
    ("360p", 640, 360, 800),
    ("234p", 416, 234, 350),
)
"""Name, width, height, kbit/s."""
PRESET = "veryfast"

Figures = dict[str, list[float]]


def measure(clip: Path) -> Figures:
    """Several rounds over all shapes in turn, so that the machine's drift hits all alike.

    Args:
        clip: real footage that is looped and scaled to a 1080p source.

    Returns:
        CPU and wall seconds of each shape in every round.
    """
    ffmpeg = str(find_tools(load_settings()).ffmpeg)
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = _source(ffmpeg, clip, folder)
        shapes: dict[str, Callable[[Path], None]] = {
            "adaptation encode": lambda out: _ours(source, out),
            "one FFmpeg, var_stream_map": lambda out: _one_process(ffmpeg, source, out),
            "one FFmpeg a rendition": lambda out: _one_each(ffmpeg, source, out),
        }
        for _ in range(ROUNDS):
            for shape, run in shapes.items():
                wall, cpu = _timed(run, folder / "out")
                figures.setdefault(f"{shape}, CPU s", []).append(cpu)
                figures.setdefault(f"{shape}, wall s", []).append(wall)
    return figures


def table(figures: Figures) -> str:
    """The figures as a Markdown table, with each shape against ours."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    lines = [
        f"ladder of {len(RUNGS)} from {SECONDS} s of 1080p, {PRESET}, {ROUNDS} rounds, load {load}",
        "",
        "| figure | median | min | max | ours / this |",
        "|---|---|---|---|---|",
    ]
    for name, values in figures.items():
        unit = name.rpartition(", ")[2]
        ours = median(figures[f"adaptation encode, {unit}"])
        cells = [f"{value:.1f}" for value in (median(values), min(values), max(values))]
        lines.append(f"| {name} | {' | '.join(cells)} | {ours / median(values):.2f} |")
    return "\n".join(lines)


def _source(ffmpeg: str, clip: Path, folder: Path) -> Path:
    source = folder / "source.mp4"
    command = [ffmpeg, "-v", "error", "-stream_loop", "-1", "-i", str(clip), "-t", str(SECONDS)]
    command += ["-vf", "scale=1920:1080,setsar=1", "-c:v", "libx264", "-preset", "ultrafast"]
    subprocess.run([*command, "-crf", "16", "-c:a", "aac", "-ac", "2", str(source)], check=True)
    return source


def _ours(source: Path, out: Path) -> None:
    rungs = [f"--rendition={name}:{height}:{rate}" for name, _, height, rate in RUNGS]
    command = [sys.executable, "-m", "adaptation", "encode", str(source), str(out / "asset")]
    environment = {**os.environ, "ADAPTATION_HOME": str(out / "home")}
    subprocess.run(
        [*command, *rungs, "--preset", PRESET, "--quiet"],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _one_process(ffmpeg: str, source: Path, out: Path) -> None:
    """FFmpeg's own way to HLS: all renditions and their sound from one command."""
    splits = "".join(f"[s{n}]" for n in range(len(RUNGS)))
    scales = [f"[s{n}]scale={w}:{h}[v{n}]" for n, (_, w, h, _) in enumerate(RUNGS)]
    graph = ";".join([f"[0:v]split={len(RUNGS)}{splits}", *scales])
    command = [ffmpeg, "-v", "error", "-i", str(source), "-filter_complex", graph]
    for n, (_, _, _, rate) in enumerate(RUNGS):
        command += ["-map", f"[v{n}]", *_video(rate, f":v:{n}"), "-map", "0:a"]
    command += ["-c:a", "aac", "-b:a", "128k", "-f", "hls", "-hls_time", "4"]
    command += ["-hls_playlist_type", "vod", "-hls_segment_type", "fmp4"]
    streams = " ".join(f"v:{n},a:{n}" for n in range(len(RUNGS)))
    command += ["-var_stream_map", streams, "-master_pl_name", "master.m3u8"]
    subprocess.run([*command, str(out / "v%v" / "playlist.m3u8")], check=True)


def _one_each(ffmpeg: str, source: Path, out: Path) -> None:
    """The first seed's shape: each rendition decodes the source for itself."""
    for name, width, height, rate in RUNGS:
        command = [ffmpeg, "-v", "error", "-i", str(source), "-vf", f"scale={width}:{height}"]
        command += [*_video(rate, ""), "-c:a", "aac", "-b:a", "128k", str(out / f"{name}.mp4")]
        subprocess.run(command, check=True)


def _video(rate: int, stream: str) -> list[str]:
    caps = [f"-crf{stream}", "23", f"-maxrate{stream}", f"{rate}k", f"-bufsize{stream}"]
    keys = [f"-force_key_frames{stream}", "expr:gte(t,n_forced*4)", f"-sc_threshold{stream}", "0"]
    codec = [f"-c{stream or ':v'}", "libx264", f"-preset{stream}", PRESET]
    return [*codec, *caps, f"{2 * rate}k", *keys]


def _timed(run: Callable[[Path], None], out: Path) -> tuple[float, float]:
    """Wall and CPU seconds, children and theirs included."""
    out.mkdir()
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run(out)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    shutil.rmtree(out)
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
