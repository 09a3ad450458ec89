"""FFmpeg's own way to HLS: all renditions by one command with `-var_stream_map`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.processes import Command
from benchmarks.rates import ffmpeg_options
from benchmarks.setup import AUDIO_BITRATE, Bench
from benchmarks.shapes import Shape


def shape(bench: Bench, source: Path) -> Shape:
    """As FFmpeg's manual shows it: each variant has its own sound."""
    return _shape(bench, source, "FFmpeg, var_stream_map", sound_once=False)


def shape_sound_once(bench: Bench, source: Path) -> Shape:
    """The same with one sound for all variants, as an audio group."""
    return _shape(bench, source, "FFmpeg, var_stream_map, sound once", sound_once=True)


def _shape(bench: Bench, source: Path, title: str, *, sound_once: bool) -> Shape:
    return Shape(
        title,
        lambda out: [_command(bench, source, out, sound_once=sound_once)],
        lambda out, rung: out / f"v{bench.setup.rungs.index(rung)}" / "playlist.m3u8",
    )


def _command(bench: Bench, source: Path, out: Path, *, sound_once: bool) -> Command:
    rungs = bench.setup.rungs
    splits = "".join(f"[s{n}]" for n in range(len(rungs)))
    scales = [f"[s{n}]scale={r.width}:{r.height}[v{n}]" for n, r in enumerate(rungs)]
    graph = ";".join([f"[0:v]split={len(rungs)}{splits}", *scales])
    command = [str(bench.tools.ffmpeg), "-v", "error", "-i", str(source), "-filter_complex", graph]
    for n, rung in enumerate(rungs):
        command += ["-map", f"[v{n}]", *ffmpeg_options(rung, f":v:{n}")]
    command += ["-c:v", "libx264", "-preset:v", bench.setup.preset]
    # Key frames only on the grid, which is the same in all shapes.
    grid = f"expr:gte(t,n_forced*{bench.setup.segment_seconds})"
    command += ["-force_key_frames:v", grid, "-sc_threshold:v", "0"]
    command += ["-map", "0:a"] * (1 if sound_once else len(rungs))
    command += ["-c:a", "aac", "-b:a", str(AUDIO_BITRATE)]
    command += ["-f", "hls", "-hls_time", str(bench.setup.segment_seconds)]
    command += ["-hls_playlist_type", "vod", "-hls_segment_type", "fmp4"]
    command += ["-var_stream_map", _streams(len(rungs), sound_once=sound_once)]
    command += ["-master_pl_name", "master.m3u8", str(out / "v%v" / "playlist.m3u8")]
    return Command(command, "all")


def _streams(count: int, *, sound_once: bool) -> str:
    if sound_once:
        return " ".join([*(f"v:{n},agroup:sound" for n in range(count)), "a:0,agroup:sound"])
    return " ".join(f"v:{n},a:{n}" for n in range(count))
