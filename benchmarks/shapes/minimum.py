"""The practical minimum: what no ladder can do without, each part alone, with nothing around it.

Floor: x264 alone on frames of the right size. Cascade: the source decoded once and each size
scaled from the next larger one. Sound: once.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.processes import Command, run
from benchmarks.rates import ffmpeg_options
from benchmarks.setup import AUDIO_BITRATE, Bench, Rung
from benchmarks.shapes import Shape


def shape(bench: Bench, source: Path) -> Shape:
    """Its parts one after another: their CPU seconds add up, their wall time says nothing."""
    frames = bench.made("frames")
    run(Command([*_begin(bench, source), *_scaled(bench, frames)]))
    return Shape("practical minimum", lambda _: _commands(bench, source, frames))


def _commands(bench: Bench, source: Path, frames: Path) -> list[Command]:
    sound = ["-map", "0:a", "-c:a", "aac", "-b:a", str(AUDIO_BITRATE), "-ac", "2", "-f", "null"]
    return [
        *(_floor(bench, rung, frames) for rung in bench.setup.rungs),
        Command([*_begin(bench, source), *_scaled(bench, None)], "cascade"),
        Command([*_begin(bench, source), *sound, "-"], "sound"),
    ]


def _floor(bench: Bench, rung: Rung, frames: Path) -> Command:
    command = [*_begin(bench, _raw(frames, rung)), "-c:v", "libx264"]
    # One thread: threads cost a little, and win nothing where only CPU seconds count.
    command += ["-preset", bench.setup.preset, *ffmpeg_options(rung), "-threads", "1"]
    command += ["-sc_threshold", "0"]
    grid = f"expr:gte(t,n_forced*{bench.setup.segment_seconds})"
    return Command([*command, "-force_key_frames", grid, "-f", "null", "-"], f"floor {rung.name}")


def _scaled(bench: Bench, frames: Path | None) -> list[str]:
    """The options for all sizes, into raw files or nowhere."""
    rungs = bench.setup.rungs
    stages = []
    for n, rung in enumerate(rungs):
        begin = "[0:v]" if n == 0 else f"[n{n - 1}]"
        end = f"[v{n}]" if n + 1 == len(rungs) else f",split=2[v{n}][n{n}]"
        scale = f"scale={rung.width}:{rung.height}:flags=bicubic,setsar=1,format=yuv420p"
        stages.append(f"{begin}{scale}{end}")
    options = ["-filter_complex", ";".join(stages)]
    for n, rung in enumerate(rungs):
        target = ["-f", "null", "-"] if frames is None else [str(_raw(frames, rung))]
        options += ["-map", f"[v{n}]", *target]
    return options


def _begin(bench: Bench, source: Path) -> list[str]:
    return [str(bench.tools.ffmpeg), "-v", "error", "-i", str(source)]


def _raw(frames: Path, rung: Rung) -> Path:
    return frames / f"{rung.name}.y4m"
