"""How well `adaptation plan` foretells what a job takes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks import product
from benchmarks.capabilities import PROGRAM, help_of
from benchmarks.processes import BenchError, Command, Sampler, measured, run, tree_bytes
from benchmarks.progress import Progress, note
from benchmarks.report import table
from benchmarks.setup import Bench
from benchmarks.sources import make_source

FIGURES = ("cpu_seconds", "output_bytes", "scratch_bytes")
"""What is foretold and measured."""


def measure(bench: Bench) -> dict[str, Any]:
    """One plan and one run of the same request.

    Returns:
        JSON with the whole plan and what the run took, or why there are none.
    """
    if not help_of("plan"):
        note("not measured: this adaptation has no command plan")
        return {"skipped": "this adaptation has no command `plan`"}
    note("making the source")
    source = make_source(bench, bench.setup.seconds)
    progress = Progress("plan", 2)
    progress.step("plan")
    out = bench.made("plan")
    options = product.request(bench.setup)
    planning = [*PROGRAM, "plan", str(source), *options, "--json"]
    plan = json.loads(run(Command(planning, environment=product.home(out))))
    progress.step("run")
    taken = _taken(bench, source, out)
    shutil.rmtree(out)
    return {"plan": plan, "taken": taken}


def report(document: dict[str, Any]) -> str:
    """The figures as Markdown."""
    if "skipped" in document:
        return f"Not measured: {document['skipped']}."
    rows = []
    for name in FIGURES:
        taken, (low, expected, high) = document["taken"][name], foretold(document["plan"], name)
        inside = "inside" if low <= taken <= high else "outside"
        words = f"{expected:.4g} ({low:.4g} to {high:.4g})"
        rows.append([name, words, f"{taken:.4g}", f"{taken / expected:.2f}", inside])
    return table(["figure", "plan (range)", "run", "run / plan", "range"], rows)


def foretold(plan: dict[str, Any], name: str) -> tuple[float, float, float]:
    """Least, expected and most of a figure; a bare number has no uncertainty.

    Raises:
        BenchError: the plan says it in another form, or not at all.
    """
    value = plan.get(name)
    try:
        if isinstance(value, dict):
            return float(value["low"]), float(value["expected"]), float(value["high"])
        return (float(value or ""),) * 3
    except (KeyError, ValueError):
        raise BenchError(f"the plan's {name} cannot be read: {value!r}") from None


def _taken(bench: Bench, source: Path, out: Path) -> dict[str, float]:
    with Sampler(lambda: tree_bytes(out / "home")) as scratch:
        cost = measured(product.encode(bench.setup, source, out))
    size = tree_bytes(out / "asset")
    return {
        "cpu_seconds": cost.cpu_seconds,
        "output_bytes": size,
        "scratch_bytes": scratch.peak,
    }
