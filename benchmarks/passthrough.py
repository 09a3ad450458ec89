"""A source that fits its top rung: the job that copies it beside the job that encodes it."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from typing import Any

from benchmarks import product
from benchmarks.capabilities import supports
from benchmarks.processes import measured
from benchmarks.progress import Progress, note
from benchmarks.setup import Bench
from benchmarks.sources import make_source

FITTING = 0.9
"""The source's bit rate, as a part of the top rung's."""
TARGET = 0.57
"""CPU and wall of the copying job against the encoding one, at most."""


def measure(bench: Bench) -> dict[str, Any]:
    """Both jobs in turn, over several rounds.

    Returns:
        JSON with every run's figures, or why there are none.
    """
    if not supports("encode", "--passthrough"):
        note("passthrough is not measured: this adaptation has no --passthrough")
        return {"skipped": "this adaptation has no --passthrough"}
    top = bench.setup.rungs[0].bitrate
    rate = ("-b:v", str(int(FITTING * top)), "-maxrate", str(top), "-bufsize", str(2 * top))
    source = make_source(bench, bench.setup.seconds, rate)
    progress = Progress("passthrough", 2 * bench.setup.rounds)
    runs: dict[str, list[dict[str, Any]]] = {"require": [], "never": []}
    for number in range(bench.setup.rounds):
        for mode in ("require", "never") if number % 2 == 0 else ("never", "require"):
            progress.step(f"round {number + 1} of {bench.setup.rounds}, {mode}")
            out = bench.made("passthrough")
            cost = measured(product.encode(bench.setup, source, out, passthrough=mode))
            shutil.rmtree(out)
            runs[mode].append(asdict(cost))
    return {"runs": runs, "target": TARGET}
