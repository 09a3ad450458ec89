"""The shape of the first commands of this project: everything one rendition at a time, on disk."""

from __future__ import annotations

from pathlib import Path

from benchmarks.processes import Command
from benchmarks.rates import ffmpeg_options
from benchmarks.setup import AUDIO_BITRATE, Bench, Rung
from benchmarks.shapes import Shape


def shape(bench: Bench, source: Path) -> Shape:
    """One FFmpeg a rendition to MP4, one a rendition to HLS, one packaging run to DASH."""
    return Shape(
        "one FFmpeg a rendition, then HLS, then DASH",
        lambda out: _commands(bench, source, out),
        lambda out, rung: out / "hls" / rung.name / "playlist.m3u8",
        ("hls", "dash"),
    )


def _commands(bench: Bench, source: Path, out: Path) -> list[Command]:
    for folder in ("mp4", "hls", "dash"):
        (out / folder).mkdir()
    rungs = bench.setup.rungs
    commands = [_transcode(bench, source, rung, out) for rung in rungs]
    commands += [_segment(bench, rung, out) for rung in rungs]
    return [*commands, _package(bench, out)]


def _transcode(bench: Bench, source: Path, rung: Rung, out: Path) -> Command:
    setup = bench.setup
    command = [str(bench.tools.ffmpeg), "-v", "error", "-i", str(source)]
    command += ["-vf", f"scale={rung.width}:{rung.height}", "-c:v", "libx264"]
    command += ["-preset", setup.preset, *ffmpeg_options(rung), "-sc_threshold", "0"]
    command += ["-force_key_frames", f"expr:gte(t,n_forced*{setup.segment_seconds})"]
    command += ["-c:a", "aac", "-b:a", str(AUDIO_BITRATE), str(_mp4(out, rung))]
    return Command(command, f"transcode {rung.name}")


def _segment(bench: Bench, rung: Rung, out: Path) -> Command:
    folder = out / "hls" / rung.name
    folder.mkdir()
    command = [str(bench.tools.ffmpeg), "-v", "error", "-i", str(_mp4(out, rung)), "-c", "copy"]
    command += ["-f", "hls", "-hls_time", str(bench.setup.segment_seconds)]
    command += ["-hls_playlist_type", "vod", str(folder / "playlist.m3u8")]
    return Command(command, f"segment {rung.name}")


def _package(bench: Bench, out: Path) -> Command:
    rungs = bench.setup.rungs
    streams = [_stream(out, rung, "video", rung.name) for rung in rungs]
    streams += [_stream(out, rungs[0], "audio", "audio")]
    command = [str(bench.tools.packager), *streams, "--quiet", "--generate_static_live_mpd"]
    command += ["--segment_duration", str(bench.setup.segment_seconds)]
    return Command([*command, "--mpd_output", str(out / "dash" / "manifest.mpd")], "package")


def _stream(out: Path, rung: Rung, kind: str, name: str) -> str:
    folder = out / "dash" / name
    template = f"segment_template={folder}/$Number%05d$.m4s"
    return f"in={_mp4(out, rung)},stream={kind},init_segment={folder}/init.mp4,{template}"


def _mp4(out: Path, rung: Rung) -> Path:
    return out / "mp4" / f"{rung.name}.mp4"
