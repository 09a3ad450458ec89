"""What the sandbox costs: the same job with it and without it, in turn."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from statistics import median
from typing import Any

from benchmarks import product
from benchmarks.processes import measured
from benchmarks.progress import Progress, note
from benchmarks.report import aim, column, ratio, spread, table
from benchmarks.setup import Bench
from benchmarks.sources import make_source

MODES = ("off", "required")
MOST_RATIO = 1.02
"""Of the CPU seconds with the sandbox to those without."""


def measure(bench: Bench) -> dict[str, Any]:
    """Both jobs in turn, over several rounds, with one slot: what runs beside costs nothing then.

    Returns:
        JSON with every run's figures by mode.
    """
    note("making the source")
    source = make_source(bench, bench.setup.seconds)
    progress = Progress("sandbox", len(MODES) * bench.setup.rounds)
    runs: dict[str, list[dict[str, Any]]] = {mode: [] for mode in MODES}
    for number in range(bench.setup.rounds):
        for mode in MODES if number % 2 == 0 else reversed(MODES):
            progress.step(f"round {number + 1} of {bench.setup.rounds}, {mode}")
            out = bench.made("sandbox")
            job = product.encode(bench.setup, source, out, slots=1)
            environment = {**job.environment, "ADAPTATION_SANDBOX": mode}
            runs[mode].append(asdict(measured(replace(job, environment=environment))))
            shutil.rmtree(out)
    return {"runs": runs}


def report(document: dict[str, Any]) -> str:
    """The figures as Markdown."""
    runs = document["runs"]
    cpu = {mode: column(runs[mode], "cpu_seconds") for mode in MODES}
    wall = {mode: column(runs[mode], "wall_seconds") for mode in MODES}
    rows = [[mode, spread(cpu[mode], 2), spread(wall[mode], 2)] for mode in MODES]
    pairs = median(on / off for off, on in zip(cpu["off"], cpu["required"], strict=True))
    of_medians = aim(ratio(cpu["required"], cpu["off"]), MOST_RATIO)
    told = f"CPU with the sandbox against without: {of_medians}; median of the rounds' {pairs:.3f}."
    return f"{table(['sandbox', 'CPU s', 'wall s'], rows)}\n\n{told}"
