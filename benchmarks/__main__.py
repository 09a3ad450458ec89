"""`make bench [BENCH=…]`: measure, print Markdown, keep the figures as JSON and a chart."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from adaptation.adapters.tools import find_tools
from adaptation.settings import load_settings
from benchmarks import (
    api,
    drm,
    encoding,
    engine,
    environment,
    first_playable,
    listeners,
    machine,
    memory,
    pages,
    plan,
    report,
    sandbox,
    scaling,
    store,
)
from benchmarks.processes import BenchError
from benchmarks.progress import note
from benchmarks.setup import LADDER, Bench, Setup

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Subject:
    """Something that can be measured."""

    measure: Callable[[Bench], dict[str, Any]]
    """Gives its figures as JSON."""
    report: Callable[[dict[str, Any], dict[str, Any]], str]
    """Its figures and the setup, as Markdown."""


SUBJECTS = {
    "api": Subject(api.measure, lambda d, _: api.report(d)),
    "engine": Subject(
        lambda _: {"figures": engine.measure()}, lambda d, _: engine.table(d["figures"])
    ),
    "encoding": Subject(encoding.measure, report.encoding),
    "first_playable": Subject(first_playable.measure, lambda d, _: first_playable.report(d)),
    "scaling": Subject(scaling.measure, lambda d, _: scaling.report(d)),
    "memory": Subject(memory.measure, lambda d, _: memory.report(d)),
    "store": Subject(store.measure, lambda d, _: store.report(d)),
    "listeners": Subject(listeners.measure, lambda d, _: listeners.report(d)),
    "pages": Subject(pages.measure, lambda d, _: pages.report(d)),
    "plan": Subject(plan.measure, lambda d, _: plan.report(d)),
    "drm": Subject(drm.measure, lambda d, _: drm.report(d)),
    "sandbox": Subject(sandbox.measure, lambda d, _: sandbox.report(d)),
}
USUAL = ("engine", "encoding")
"""What is measured when nothing is named: the others take long or need more."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends the bench before its time."""


def main(words: list[str]) -> int:
    """Measure what is named; the exit status."""
    given = _parser().parse_args(words)
    _end_like_ctrl_c()
    given.results.mkdir(parents=True, exist_ok=True)
    try:
        for name in given.names or USUAL:
            document = _measure(name, _setup(given))
            _keep(document, given.results / f"{name}.json")
            if name == "encoding" and not given.no_chart:
                _draw(given.results / f"{name}.json")
            print(f"{report.heading(document)}\n")
            print(f"{SUBJECTS[name].report(document, document['setup'])}\n", flush=True)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        note("interrupted; everything that was started is gone")
        return 130
    return 0


def _measure(name: str, setup: Setup) -> dict[str, Any]:
    tools = find_tools(load_settings())
    before = machine.load()
    note(f"{name}: load {before}")
    with tempfile.TemporaryDirectory(prefix="adaptation-bench-") as folder:
        figures = SUBJECTS[name].measure(Bench(setup, tools, Path(folder)))
    after = machine.load()
    note(f"{name}: load {after}")
    return {
        "bench": name,
        "machine": machine.describe(),
        "tools": machine.tool_versions(tools),
        "load": {"before": before, "after": after},
        "setup": asdict(setup),
        **figures,
    }


def _keep(document: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n")
    note(f"figures: {path}")


def _draw(figures: Path) -> None:
    picture, script = figures.with_suffix(".png"), Path(__file__).with_name("chart.py")
    command = [str(environment.python()), str(script), str(figures), str(picture)]
    if subprocess.run(command, check=False, stdout=2).returncode == 0:
        note(f"chart: {picture}")


def _setup(given: argparse.Namespace) -> Setup:
    return Setup(
        rounds=given.rounds,
        jobs=given.jobs,
        seconds=given.seconds,
        lengths=tuple(given.lengths or ()),
        rungs=LADDER[-given.rungs :],
        preset=given.preset,
        source_height=given.source_height,
        shapes=tuple(given.shapes or ()),
        quality=not given.no_quality,
        passthrough=not given.no_passthrough,
    )


def _parser() -> argparse.ArgumentParser:
    usual = Setup()
    parser = argparse.ArgumentParser(prog="make bench BENCH=", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *SUBJECTS], metavar="|".join(SUBJECTS))
    add = parser.add_argument
    add("--rounds", type=_positive, default=usual.rounds, help="how often each is measured")
    add("--jobs", type=_positive, default=usual.jobs, help="that the store holds")
    add("--seconds", type=_positive, default=usual.seconds, help="length of the source, even")
    add("--lengths", type=_positive, nargs="+", help="of the sources of the other subjects, even")
    add("--rungs", type=int, choices=range(1, 6), default=5, help="renditions, the smallest ones")
    add("--preset", default=usual.preset, help="x264's, in all shapes")
    add("--source-height", type=_positive, default=usual.source_height, help="lines, even")
    add("--shapes", nargs="+", choices=list(encoding.SHAPES), help="only these")
    add("--no-quality", action="store_true", help="leave VMAF out")
    add("--no-passthrough", action="store_true", help="leave passthrough out")
    add("--no-chart", action="store_true", help="draw nothing")
    add("--results", type=Path, default=RESULTS, help="folder for JSON and chart")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _end_like_ctrl_c() -> None:
    """Let SIGTERM tidy up as well, and Ctrl-C also where a shell's background job ignores it."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        # Once: tidying up takes seconds, and must not be interrupted in its turn.
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in SIGNALS:
        signal.signal(number, interrupt)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
