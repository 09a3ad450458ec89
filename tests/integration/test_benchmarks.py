"""The bench itself: a tiny round of it gives figures that can be true."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services import find_clips

ROOT = Path(__file__).resolve().parent.parent.parent
SHAPES = ("ours", "one_command")
RUNGS = ("360p", "234p")
MEBI = 1024 * 1024


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that one round of two shapes over two seconds of 360p has left."""
    find_clips()
    folder = tmp_path_factory.mktemp("bench")
    (folder / "tmp").mkdir()
    words = ["encoding", "--rounds", "1", "--seconds", "2", "--rungs", "2"]
    words += ["--source-height", "360", "--no-passthrough", "--no-chart"]
    words += ["--results", str(folder / "results"), "--shapes", *SHAPES]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words],
        env={**os.environ, "TMPDIR": str(folder / "tmp")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (folder / "printed.md").write_text(done.stdout)
    return folder


@pytest.fixture(scope="module")
def figures(bench: Path) -> dict[str, Any]:
    """What the bench has kept as JSON."""
    document = json.loads((bench / "results" / "encoding.json").read_text())
    assert isinstance(document, dict)
    return document


def test_a_figure_stands_beside_its_machine_and_its_tools(figures: dict[str, Any]) -> None:
    assert figures["machine"]["cores"] >= 1
    assert len(figures["load"]["before"]) == len(figures["load"]["after"]) == 3
    assert {"adaptation", "ffmpeg", "shaka-streamer"} <= set(figures["tools"])
    assert figures["setup"]["rounds"] == 1


@pytest.mark.parametrize("shape", SHAPES)
def test_each_run_of_a_shape_says_what_it_took(figures: dict[str, Any], shape: str) -> None:
    (run,) = figures["runs"][shape]

    assert 0 < run["cpu_seconds"] <= run["wall_seconds"] * figures["machine"]["cores"] + 0.5
    assert run["peak_rss_bytes"] >= run["largest_process_bytes"] > 10 * MEBI
    assert run["left_bytes"] >= run["output_bytes"] > 10_000


def test_what_children_of_the_engine_took_is_counted(figures: dict[str, Any]) -> None:
    (run,) = figures["runs"]["ours"]

    assert 0 < run["encoder_cpu_seconds"] < run["cpu_seconds"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rung", RUNGS)
def test_each_rendition_is_judged(figures: dict[str, Any], shape: str, rung: str) -> None:
    quality = figures["quality"][shape][rung]

    assert 30 < quality["percentile_5"] <= quality["mean"] <= 100
    assert quality["frames"] == 10, "every fifth of 50"
    assert quality["bitrate"] > 50_000


def test_what_is_printed_compares_all_shapes(bench: Path, figures: dict[str, Any]) -> None:
    printed = (bench / "printed.md").read_text()

    assert all(f"| {title} |" in printed for title in figures["titles"].values())


def test_the_bench_leaves_nothing_behind(bench: Path) -> None:
    assert list((bench / "tmp").iterdir()) == []
