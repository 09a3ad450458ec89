"""Shaka Streamer: one FFmpeg through pipes into Shaka Packager."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

from benchmarks import environment
from benchmarks.processes import BenchError, Command
from benchmarks.setup import AUDIO_BITRATE, Bench, Rung
from benchmarks.shapes import Shape

WRAPPER = """#!/bin/sh
# Shaka Streamer asks for `-preset slow` and has no option for it.
for word do
  shift
  if [ "$before" = -preset ]; then before=; set -- "$@" {preset}; else
    before=$word; set -- "$@" "$word"; fi
done
exec {ffmpeg} "$@"
"""
VARIANT = re.compile(r"#EXT-X-STREAM-INF:.*RESOLUTION=\d+x(\d+).*\n(\S+)")


def shape(bench: Bench, source: Path) -> Shape:
    """Its usual HLS and DASH for VOD, with our tools, preset, ladder and segments."""
    script = environment.python().parent / "shaka-streamer"
    folder = bench.made("streamer")
    _tools(bench, folder / "bin")
    configs = {
        "-i": _write(folder / "input.yaml", _inputs(source)),
        "-p": _write(folder / "pipeline.yaml", _pipeline(bench)),
        "-b": _write(folder / "bitrates.yaml", _bitrates(bench)),
    }
    options = [word for option, path in configs.items() for word in (option, str(path))]
    argv = [str(script), *options, "--use-system-binaries", "-o"]
    variables = {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    # Its pipes lie in the folder for temporary files: there they are gone with the bench.
    variables["TMPDIR"] = str(folder)
    return Shape(
        "Shaka Streamer",
        lambda out: [Command([*argv, str(out / "asset")], "all", variables)],
        _playlist,
    )


def _tools(bench: Bench, folder: Path) -> None:
    folder.mkdir()
    wrapper = folder / "ffmpeg"
    ffmpeg = shlex.quote(str(bench.tools.ffmpeg))
    wrapper.write_text(WRAPPER.format(preset=bench.setup.preset, ffmpeg=ffmpeg))
    wrapper.chmod(0o755)
    (folder / "ffprobe").symlink_to(bench.tools.ffprobe)
    (folder / "packager").symlink_to(bench.tools.packager)


def _inputs(source: Path) -> dict[str, Any]:
    kinds = ("video", "audio")
    return {"inputs": [{"name": str(source), "media_type": kind} for kind in kinds]}


def _pipeline(bench: Bench) -> dict[str, Any]:
    return {
        "streaming_mode": "vod",
        "quiet": True,
        "resolutions": [rung.name for rung in bench.setup.rungs],
        "channel_layouts": ["stereo"],
        "audio_codecs": ["aac"],
        "video_codecs": ["h264"],
        "manifest_format": ["dash", "hls"],
        "segment_size": bench.setup.segment_seconds,
        "segment_per_file": True,
    }


def _bitrates(bench: Bench) -> dict[str, Any]:
    sound = {"max_channels": 2, "bitrates": {"aac": f"{AUDIO_BITRATE // 1000}k"}}
    rungs = {rung.name: _resolution(rung) for rung in bench.setup.rungs}
    width, height = bench.setup.source_size
    # It takes a source only that fits into one of the sizes it knows.
    largest = {"max_width": width, "max_height": height, "bitrates": {"h264": "10M"}}
    return {
        "audio_channel_layouts": {"stereo": sound},
        "video_resolutions": {"source": largest, **rungs},
    }


def _resolution(rung: Rung) -> dict[str, Any]:
    size = {"max_width": rung.width, "max_height": rung.height}
    return {**size, "bitrates": {"h264": rung.kbits}}


def _write(path: Path, document: dict[str, Any]) -> Path:
    # JSON is YAML, too.
    path.write_text(json.dumps(document))
    return path


def _playlist(out: Path, rung: Rung) -> Path:
    master = out / "asset" / "hls.m3u8"
    for height, name in VARIANT.findall(master.read_text()):
        if int(height) == rung.height:
            return master.parent / str(name)
    raise BenchError(f"Shaka Streamer has made no {rung.name}")
