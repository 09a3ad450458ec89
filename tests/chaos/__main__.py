"""Hurt a real fleet and judge what is left of its work.

usage: python -m chaos [--jobs 1000] [--faults 200] [--seed 1] [--broker redis|rabbitmq] …
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from chaos.storm import Outcome, run, say
from chaos.wanted import BROKERS, Wanted


def main(words: Sequence[str] | None = None) -> int:
    """Run a calm fleet, then the storm; 0 when nothing was lost, doubled or left behind."""
    given = _parse(words)
    wanted = Wanted(
        jobs=given.jobs,
        faults=given.faults,
        seed=given.seed,
        broker=given.broker,
        encodings=given.encodings,
        lease_seconds=given.lease,
    )
    folder = Path(given.folder or tempfile.mkdtemp(prefix="adaptation-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    # Whoever is told to end must end what it has started; a shell's background jobs ignore Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # What is heard of a lost broker or database is the point here, and not news.
    _be_quiet()
    try:
        calm = _run(wanted.calm(), folder / "calm") if given.calm else None
        storm = _run(wanted, folder / "storm")
    except (pytest.skip.Exception, pytest.fail.Exception) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write(report(wanted, storm, calm) + "\n")
    violations = storm.violations + (calm.violations if calm else [])
    if violations:
        sys.stderr.write(f"hint: look at {folder}\n")
    elif not given.folder:
        shutil.rmtree(folder)
    return 1 if violations else 0


def report(wanted: Wanted, storm: Outcome, calm: Outcome | None) -> str:
    """A table in Markdown, the violations, and one line of verdict."""
    load = " ".join(f"{number:.1f}" for number in os.getloadavg())
    head = [
        ("jobs", f"{wanted.jobs}, of them real encodings: {wanted.encodings}"),
        ("fleet", f"{wanted.controllers} controllers, {wanted.workers} workers of {wanted.slots}"),
        ("broker, seed, lease", f"{wanted.broker}, {wanted.seed}, {wanted.lease_seconds:g} s"),
        ("faults", f"{sum(storm.cost.faults.values())} of {wanted.faults}"),
        ("hosts, with those that were lost", str(storm.hosts)),
        ("not possible here", ", ".join(storm.impossible) or "nothing"),
        ("load of this machine at the end", load),
    ]
    rows = head + storm.cost.rows()
    violations = list(storm.violations)
    if calm:
        ratio = storm.cost.wall_seconds / calm.cost.wall_seconds
        rows.append(("the same jobs in a calm", f"{calm.cost.wall_seconds:.0f} s"))
        rows.append(("wall against the calm", f"{ratio:.2f}"))
        violations += [f"in the calm: {line}" for line in calm.violations]
    table = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    verdict = f"{len(violations)} violations" if violations else "nothing lost, doubled or left"
    again = f"make chaos JOBS={wanted.jobs} FAULTS={wanted.faults} SEED={wanted.seed}"
    last = f"**{verdict}**; again: `{again} BROKER={wanted.broker}`"
    return "\n".join([*table, "", *(f"- {line}" for line in violations), last])


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--broker", choices=sorted(BROKERS), default="redis")
    parser.add_argument("--encodings", type=int, default=5, help="real ones among the jobs")
    parser.add_argument("--lease", type=float, default=30.0, help="seconds")
    parser.add_argument("--folder", help="where everything lies; kept when it is given")
    parser.add_argument("--no-calm", dest="calm", action="store_false", help="only the storm")
    return parser.parse_args(words)


def _run(wanted: Wanted, folder: Path) -> Outcome:
    say(f"{wanted.jobs} jobs, {wanted.faults} faults")
    folder.mkdir()
    return run(wanted, folder)


def _be_quiet() -> None:
    import logging

    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.ERROR)


if __name__ == "__main__":
    sys.exit(main())
