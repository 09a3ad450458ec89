"""`adaptation` as a user types it, and what it says of itself."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks import rates
from benchmarks.capabilities import PROGRAM, supports
from benchmarks.processes import BenchError, Command, run
from benchmarks.setup import Rung, Setup

ENCODED = re.compile(r"encoded in [\d.]+ s, ([\d.]+) CPU s")
"""A line of the job's log: what one FFmpeg took."""


def encode(
    setup: Setup,
    source: Path,
    out: Path,
    *,
    passthrough: str = "never",
    slots: int | None = None,
) -> Command:
    """The whole job, from the source to the published asset in `out/asset`.

    Args:
        setup: with the ladder, preset and segment length.
        source: path of the source.
        out: folder for the asset and for the engine's home.
        passthrough: `never`, or `require`: the top rung is copied from the source.
        slots: tasks at the same time; as the product has it when not given.
    """
    argv = [*PROGRAM, "encode", str(source), str(out / "asset"), "--quiet"]
    argv += request(setup, passthrough)
    if slots is not None:
        argv += ["--slots", str(slots)]
    return Command(argv, "job", home(out))


def request(setup: Setup, passthrough: str = "never") -> list[str]:
    """The options of `encode` and `submit` for this setup."""
    options = [*map(_rendition, setup.rungs), "--preset", setup.preset, *rates.product_options()]
    options += ["--segment-seconds", str(setup.segment_seconds)]
    if supports("encode", "--passthrough"):
        options += ["--passthrough", passthrough]
    return options


def home(out: Path) -> dict[str, str]:
    """The environment of an engine that keeps everything in `out/home`."""
    return {"ADAPTATION_HOME": str(out / "home")}


def encoder_cpu_seconds(out: Path, job_id: int = 1) -> float:
    """CPU seconds of all FFmpeg encodes of a job, by its own log.

    Raises:
        BenchError: the log names none.
    """
    command = Command([*PROGRAM, "logs", str(job_id), "--json"], environment=home(out))
    messages = [json.loads(line)["message"] for line in run(command).splitlines()]
    found = [float(match[1]) for match in map(ENCODED.search, messages) if match]
    if not found:
        raise BenchError("the job's log does not say what its encodes took")
    return sum(found)


def playlist(out: Path, rung: Rung) -> Path:
    """The media playlist of a rendition in the asset."""
    return out / "asset" / rung.name / "playlist.m3u8"


def ladder(rungs: Sequence[Rung]) -> str:
    """The ladder in words."""
    return ", ".join(f"{rung.name} {rung.kbits}" for rung in rungs)


def _rendition(rung: Rung) -> str:
    return f"--rendition={rung.name}:{rung.height}:{rung.bitrate // 1000}"
