"""`make fuzz MUTANTS=5000 SEED=1` damages many films; `make fuzz MUTANT=17` shows one again."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path

import structlog

from hostile import trial
from hostile.originals import make_originals
from hostile.trials import Trials, encode_all, plan_all

ENCODED_PART = 20
"""One of so many goes through a whole job."""
JOBS_AT_A_TIME = 20


def fuzz(seeds: range, folder: Path, *, every: int) -> Trials:
    """Read and plan the mutants of all seeds, and encode one of `every` that can be."""
    originals = make_originals(folder / "originals")
    with trial.engine_in(folder / "home") as engine:
        trials = plan_all(engine, folder, seeds, originals)
        chosen = [seed for seed in trials.encodable if seed % every == 0]
        for first in range(0, len(chosen), JOBS_AT_A_TIME):
            encode_all(engine, folder, trials, chosen[first : first + JOBS_AT_A_TIME])
    trials.wrong += trial.left_behind(folder / "home")
    return trials


def main() -> int:
    """Do what the command line asks for; 1 when a mutant ended as none may."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--mutant", type=int, help="this one alone, through a whole job")
    parser.add_argument("--mutants", type=int, default=5000, help="how many to try")
    parser.add_argument("--seed", type=int, default=1, help="of the first")
    given = parser.parse_args()
    is_one = given.mutant is not None
    first, count = (given.mutant, 1) if is_one else (given.seed, given.mutants)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="adaptation-fuzz-") as folder:
        seeds = range(first, first + count)
        trials = fuzz(seeds, Path(folder), every=1 if is_one else ENCODED_PART)
    if is_one:
        sys.stdout.write(f"{trials.made[first]}\n{trials.plans.get(first)}\n{trials.jobs}\n")
    seconds = time.monotonic() - started
    sys.stdout.write("".join(f"{word}\n" for word in trials.late))
    sys.stdout.write(f"{trials.counted()}\n{len(trials.wrong)} wrong, {seconds:.0f} s\n")
    sys.stderr.write("".join(f"{word}\n" for word in trials.wrong))
    return 1 if trials.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
