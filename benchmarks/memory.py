"""How much memory one slot needs, and that a longer source needs no more."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from typing import Any

from benchmarks import product
from benchmarks.processes import measured
from benchmarks.progress import Progress, note
from benchmarks.report import MEBI, aim, table
from benchmarks.setup import Bench
from benchmarks.sources import make_source

LENGTHS = (60, 600)
"""Seconds of the short source and of the long one."""
MOST_GIB = 1.0
MOST_RATIO = 1.1
"""Of the long source's peak to the short one's: the same but for chance."""


def measure(bench: Bench) -> dict[str, Any]:
    """One job of each length, with one slot.

    Returns:
        JSON with what each job took, by length; memory repeats well, so there is one round.
    """
    lengths = bench.setup.lengths or LENGTHS
    note("making the sources")
    sources = {seconds: make_source(bench, seconds) for seconds in lengths}
    progress = Progress("memory", len(sources))
    runs = {}
    for seconds, source in sources.items():
        progress.step(f"{seconds} s source")
        out = bench.made("memory")
        runs[str(seconds)] = asdict(measured(product.encode(bench.setup, source, out, slots=1)))
        shutil.rmtree(out)
    return {"runs": runs}


def report(document: dict[str, Any]) -> str:
    """The figures as Markdown."""
    runs = document["runs"]
    names = ("peak_rss_bytes", "largest_process_bytes")
    rows = [[f"{s} s", *(f"{run[name] / MEBI:.0f}" for name in names)] for s, run in runs.items()]
    peaks = [run["peak_rss_bytes"] for run in runs.values()]
    head = ["source", "peak RSS of the tree, MiB", "of the largest process, MiB"]
    most = aim(max(peaks) / MEBI / 1024, MOST_GIB, " GiB")
    flat = aim(peaks[-1] / peaks[0], MOST_RATIO)
    return f"{table(head, rows)}\n\nMost: {most}. Long against short: {flat}."
