"""Draws the comparison of shapes: run by the bench's own Python, which has matplotlib.

usage: python chart.py encoding.json encoding.png
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl  # type: ignore[import-not-found] # only in the bench's environment

mpl.use("Agg")
from matplotlib import pyplot as plt

OURS, OTHERS = "#0b6e4f", "#8a8f98"


def main(figures: Path, picture: Path) -> None:
    """Draw what `figures` holds."""
    document = json.loads(figures.read_text())
    titles, runs = document["titles"], document["runs"]
    quality = document.get("quality")
    figure, axes = plt.subplots(1, 2 + bool(quality), figsize=(16, 5), layout="constrained")
    _bars(axes[0], titles, runs, "cpu_seconds", "CPU seconds")
    # The minimum's parts run one after another: the sum of their wall times says nothing.
    real = {name: own for name, own in runs.items() if name != "minimum"}
    _bars(axes[1], titles, real, "wall_seconds", "wall seconds")
    axes[1].set_ylim(axes[0].get_ylim())
    axes[1].set_yticks([])
    if quality:
        _lines(axes[2], titles, quality)
    setup, load = document["setup"], document["load"]
    figure.suptitle(
        f"{setup['seconds']} s of {setup['source_height']}p to {len(setup['rungs'])} renditions,"
        f" {setup['preset']}, {setup['rounds']} rounds, load {load['before'][0]}"
        f" to {load['after'][0]}"
    )
    figure.savefig(picture, dpi=120)


def _bars(axes: Any, titles: dict[str, str], runs: dict[str, Any], name: str, label: str) -> None:
    values = {key: [run[name] for run in own] for key, own in runs.items()}
    middle = [median(own) for own in values.values()]
    low = [m - min(own) for m, own in zip(middle, values.values(), strict=True)]
    high = [max(own) - m for m, own in zip(middle, values.values(), strict=True)]
    colours = [OURS if key == "ours" else OTHERS for key in values]
    names = [titles[key] for key in values]
    axes.barh(names, middle, xerr=[low, high], color=colours, capsize=3)
    axes.invert_yaxis()
    axes.set_xlabel(f"{label} (median, range)")


def _lines(axes: Any, titles: dict[str, str], quality: dict[str, Any]) -> None:
    for key, rungs in quality.items():
        colour = {"color": OURS, "linewidth": 2.5} if key == "ours" else {}
        axes.plot(
            list(rungs), [q["mean"] for q in rungs.values()], "o-", label=titles[key], **colour
        )
    axes.set_ylabel("VMAF (mean)")
    axes.legend(fontsize=8, loc="lower left")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
