"""How long until a job's growing asset can be played, for a short source and a long one."""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import product
from benchmarks.processes import BenchError, Command, failure, run, started, stop, wait_until
from benchmarks.progress import Progress, note
from benchmarks.report import aim, ratio, spread, table
from benchmarks.setup import Bench
from benchmarks.sources import make_source

LENGTHS = (30, 600)
"""Seconds of the short source and of the long one."""
TIMEOUT_SECONDS = 120.0
"""When waiting for a growing asset is given up."""
LOOK_SECONDS = 0.01
"""Between two looks for it."""
MOST_SECONDS = 5
MOST_RATIO = 1.2


def measure(bench: Bench) -> dict[str, Any]:
    """Both sources in turn, over several rounds.

    Returns:
        JSON with seconds from the start of the command to its first playable moment, by length.
    """
    lengths = bench.setup.lengths or LENGTHS
    note("making the sources")
    sources = {seconds: make_source(bench, seconds) for seconds in lengths}
    progress = Progress("first playable", bench.setup.rounds * len(sources))
    waits: dict[str, list[float]] = {str(seconds): [] for seconds in lengths}
    for number in range(bench.setup.rounds):
        for seconds, source in sources.items():
            progress.step(f"round {number + 1} of {bench.setup.rounds}, {seconds} s source")
            waited = _first_playable(bench, source)
            if waited is None:
                reason = "this adaptation shows no growing asset while it encodes"
                note(f"not measured: {reason}")
                return {"skipped": reason}
            waits[str(seconds)].append(waited)
    return {"seconds": waits}


def report(document: dict[str, Any]) -> str:
    """The figures as Markdown."""
    if "skipped" in document:
        return f"Not measured: {document['skipped']}."
    waits = document["seconds"]
    rows = [[f"{length} s", spread(values, 2)] for length, values in waits.items()]
    short, long = min(waits, key=int), max(waits, key=int)
    worst = max(waits[short])
    lines = [table(["source", "seconds to first playable"], rows)]
    lines.append(f"Slowest of the short source: {aim(worst, MOST_SECONDS, ' s')}.")
    lines.append(f"Long against short: {aim(ratio(waits[long], waits[short]), MOST_RATIO)}.")
    return "\n\n".join(lines)


def _first_playable(bench: Bench, source: Path) -> float | None:
    """Seconds until the growing asset is there, which is then proven to play; None: never."""
    out = bench.made("first-playable")
    command = product.encode(bench.setup, source, out)
    began = time.perf_counter()
    with tempfile.TemporaryFile() as said, started(command, said) as job:
        wait_until(
            lambda: _live(out) != [] or job.poll() is not None, TIMEOUT_SECONDS, LOOK_SECONDS
        )
        waited = time.perf_counter() - began
        found = _live(out)
        if job.returncode:
            raise BenchError(failure(command, job.returncode, said))
        if found:
            _play(bench, found[0])
        stop(job, signal.SIGINT)
    shutil.rmtree(out)
    return waited if found else None


def _live(out: Path) -> list[Path]:
    return [
        master
        for master in (out / "home" / "live").glob("*/master.m3u8")
        if master.with_name("manifest.mpd").exists()
    ]


def _play(bench: Bench, master: Path) -> None:
    """Decode the first second of every rendition and its sound, as a player begins to.

    Raises:
        BenchError: something of it cannot be read.
    """
    playlists = sorted(master.parent.glob("*/*.m3u8"))
    if len(playlists) <= len(bench.setup.rungs):
        raise BenchError(f"the growing asset lacks tracks: {[str(p) for p in playlists]}")
    for playlist in playlists:
        command = [str(bench.tools.ffmpeg), "-v", "error", "-xerror", "-live_start_index", "0"]
        run(Command([*command, "-i", str(playlist), "-t", "1", "-f", "null", "-"]))
