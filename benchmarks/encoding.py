"""The whole ladder in several shapes, in turn: cost, quality, the engine's share, passthrough."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import passthrough
from benchmarks.processes import BenchError, Cost, measured, tree_bytes
from benchmarks.progress import Progress, note
from benchmarks.rates import is_average
from benchmarks.setup import Bench
from benchmarks.shapes import Shape, minimum, one_command, ours, seed, streamer
from benchmarks.sources import make_source
from benchmarks.vmaf import quality

SHAPES: dict[str, Callable[[Bench, Path], Shape]] = {
    "ours": ours.shape,
    "one_command": one_command.shape,
    "one_command_sound_once": one_command.shape_sound_once,
    "streamer": streamer.shape,
    "seed": seed.shape,
    "minimum": minimum.shape,
}
"""All shapes by name; ratios are against the first."""

Runs = dict[str, list[dict[str, Any]]]


def measure(bench: Bench) -> dict[str, Any]:
    """Several rounds over all shapes in turn, so that the machine's drift hits all alike.

    Returns:
        JSON with every run's figures by shape, and what was judged of the last round.
    """
    if not is_average():
        note("this adaptation has no average bit rate: capped constant quality is measured;")
        note("Shaka Streamer spends an average bit rate all the same, so do not compare with it")
    note("making the source")
    source = make_source(bench, bench.setup.seconds)
    chosen = bench.setup.shapes or tuple(SHAPES)
    shapes = {name: SHAPES[name](bench, source) for name in SHAPES if name in chosen}
    outputs = bench.made("outputs")
    runs = _rounds(bench, shapes, outputs)
    document: dict[str, Any] = {
        "titles": {name: shape.title for name, shape in shapes.items()},
        "average_bit_rate": is_average(),
        "source_bytes": source.stat().st_size,
        "runs": runs,
    }
    if bench.setup.quality:
        document["quality"] = _judge(bench, shapes, outputs, source)
    shutil.rmtree(outputs)
    if bench.setup.passthrough:
        document["passthrough"] = passthrough.measure(bench)
    return document


def _rounds(bench: Bench, shapes: dict[str, Shape], outputs: Path) -> Runs:
    progress = Progress("encoding", bench.setup.rounds * len(shapes))
    runs: Runs = {name: [] for name in shapes}
    names = list(shapes)
    for number in range(bench.setup.rounds):
        # Each round begins with another shape: none always follows the same one.
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            progress.step(f"round {number + 1} of {bench.setup.rounds}, {shapes[name].title}")
            shutil.rmtree(outputs / name, ignore_errors=True)
            runs[name].append(run_shape(shapes[name], outputs / name))
    return runs


def run_shape(shape: Shape, out: Path) -> dict[str, Any]:
    """Run a shape once into the new folder `out`; what it took, whole and by its steps."""
    out.mkdir()
    steps = [(command.label, measured(command)) for command in shape.commands(out)]
    total = sum((cost for _, cost in steps), Cost())
    return {
        **asdict(total),
        "output_bytes": sum(tree_bytes(out / name) for name in shape.served),
        "left_bytes": tree_bytes(out),
        **shape.facts(out),
        "steps": [{"label": label, **asdict(cost)} for label, cost in steps],
    }


def _judge(
    bench: Bench, shapes: dict[str, Shape], outputs: Path, source: Path
) -> dict[str, dict[str, Any]]:
    judged = [name for name, shape in shapes.items() if shape.playlist is not None]
    progress = Progress("VMAF", len(judged) * len(bench.setup.rungs))
    found: dict[str, dict[str, Any]] = {}
    for name in judged:
        find = shapes[name].playlist
        if find is None:
            raise BenchError(f"{name} has nothing to judge")
        found[name] = {}
        for rung in bench.setup.rungs:
            progress.step(f"{shapes[name].title}, {rung.name}")
            playlist = find(outputs / name, rung)
            found[name][rung.name] = asdict(quality(bench, playlist, source))
    return found
