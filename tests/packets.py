"""All packets of an encoded track, as ffprobe sees them, held against a plan."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

import clips
from adaptation.media.chunk import Chunk
from adaptation.media.timeline import Timeline

TOLERANCE_SECONDS = 0.001
"""Rounding to the ticks of the file."""


@dataclass(frozen=True)
class Packets:
    """In the order they are stored."""

    time_base: Fraction
    """Seconds per tick."""
    pts: list[int]
    """Presentation times in ticks."""
    durations: list[int]
    """Ticks."""
    sizes: list[int]
    """Bytes."""
    keys: list[bool]
    """Whether decoding can start here."""


def read(path: Path) -> Packets:
    """All packets of the only track of a file."""
    entries = "stream=time_base:packet=pts,duration,size,flags"
    command = [str(clips.tools().ffprobe), "-v", "error", "-of", "json", "-show_entries", entries]
    done = subprocess.run([*command, str(path)], check=True, capture_output=True, timeout=60)
    document = json.loads(done.stdout)
    rows = document["packets"]
    return Packets(
        Fraction(document["streams"][0]["time_base"]),
        [int(row["pts"]) for row in rows],
        [int(row.get("duration", 0)) for row in rows],
        [int(row["size"]) for row in rows],
        ["K" in row["flags"] for row in rows],
    )


def check_chunk(path: Path, timeline: Timeline, chunk: Chunk) -> None:
    """A rendition of a chunk holds its frames at their times, with key frames where planned."""
    found = read(path)
    part = timeline.part(chunk.first_frame, chunk.end_frame)
    assert 0 not in found.sizes
    shown = sorted(zip(found.pts, found.keys, strict=True))
    expected = [float(part.since_start(frame)) for frame in range(len(part))]
    times = [float(pts * found.time_base) for pts, _ in shown]
    assert times == pytest.approx(expected, abs=TOLERANCE_SECONDS)
    keys = [chunk.first_frame + frame for frame, (_, is_key) in enumerate(shown) if is_key]
    assert keys == list(chunk.starts)


def check_sound(path: Path, seconds: float) -> None:
    """A sound track has no gap and ends when it should."""
    found = read(path)
    assert 0 not in found.sizes
    ends = [pts + lasts for pts, lasts in zip(found.pts, found.durations, strict=True)]
    assert found.pts[1:] == ends[:-1]
    assert float(ends[-1] * found.time_base) == pytest.approx(seconds, abs=0.05)
