"""VMAF of a rendition against the source: scaled up to its size, frame beside frame."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, quantiles

from benchmarks.processes import BenchError, Command, run
from benchmarks.setup import FRAME_RATE, Bench


@dataclass(frozen=True)
class Quality:
    """How close to the source a rendition looks, 0 to 100."""

    mean: float
    """Over all judged frames."""
    percentile_5: float
    """What 19 of 20 judged frames reach."""
    frames: int
    """How many frames were judged."""
    bitrate: int
    """What its pictures spend, bits per second."""


def quality(bench: Bench, playlist: Path, source: Path) -> Quality:
    """Judge a rendition.

    Args:
        bench: for its tools and source size.
        playlist: the rendition's media playlist.
        source: what it was made of.

    Raises:
        BenchError: it does not have all of the source's frames.
    """
    sizes, wanted = _frame_sizes(bench, playlist), len(_frame_sizes(bench, source))
    if len(sizes) != wanted:
        raise BenchError(f"{playlist} has {len(sizes)} frames, the source {wanted}")
    bitrate = 8 * sum(sizes) * FRAME_RATE // wanted
    scores = _scores(bench, playlist, source)
    low = quantiles(scores, n=20)[0] if len(scores) > 1 else scores[0]
    return Quality(fmean(scores), low, len(scores), bitrate)


def _scores(bench: Bench, playlist: Path, source: Path) -> list[float]:
    folder = bench.folder / "vmaf"
    folder.mkdir(exist_ok=True)
    width, height = bench.setup.source_size
    # By their numbers: the shapes' clocks differ, and their frames are all there.
    times = f"setpts=N/({FRAME_RATE}*TB)"
    up = f"scale={width}:{height}:flags=bicubic,format=yuv420p"
    options = f"n_subsample={bench.setup.vmaf_step}:n_threads={os.cpu_count() or 1}"
    graph = f"[0:v:0]{times},{up}[made];[1:v:0]{times},format=yuv420p[wanted];"
    graph += f"[made][wanted]libvmaf={options}:log_fmt=json:log_path=log.json"
    command = [str(bench.tools.ffmpeg), "-v", "error", "-i", str(playlist), "-i", str(source)]
    command += ["-filter_complex", graph, "-an", "-f", "null", "-"]
    # The log's name stays short: a path would have to be escaped twice in a filter.
    run(Command(command, cwd=folder))
    frames = json.loads((folder / "log.json").read_text())["frames"]
    return [float(frame["metrics"]["vmaf"]) for frame in frames]


def _frame_sizes(bench: Bench, path: Path) -> list[int]:
    """Bytes of each coded picture."""
    command = [str(bench.tools.ffprobe), "-v", "error", "-select_streams", "v:0"]
    command += ["-show_entries", "packet=size", "-of", "json", str(path)]
    return [int(packet["size"]) for packet in json.loads(run(Command(command)))["packets"]]
