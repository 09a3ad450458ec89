"""`make sim SEED=17` tells what happens under a seed, `make sim SEEDS=20000` tries many."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor

from simulation.oracle import Broken
from simulation.simulator import Simulation


def tell(seed: int) -> int:
    """Print the record of one run, its hash, and what was wrong with it; the exit status."""
    simulation = Simulation(seed)
    wrong = failure_of(simulation)
    for moment_ms, *words in simulation.time.log:
        sys.stdout.write(f"{moment_ms / 1000:10.3f}  {' '.join(map(str, words))}\n")
    sys.stdout.write(f"{simulation.time.fingerprint()}\n")
    sys.stderr.write(f"{wrong}\n" if wrong else "")
    return 1 if wrong else 0


def failure_of(simulation: Simulation) -> str | None:
    """Run a simulation; what it found."""
    try:
        simulation.run()
    except Broken as broken:
        return str(broken)
    return None


def try_seed(seed: int) -> str | None:
    """What is wrong under a seed."""
    return failure_of(Simulation(seed))


def try_many(seeds: range) -> int:
    """Run many seeds on all processors, print what fails; the exit status."""
    with ProcessPoolExecutor() as pool:
        found = [wrong for wrong in pool.map(try_seed, seeds, chunksize=50) if wrong]
    for wrong in found:
        sys.stderr.write(f"{wrong}\n")
    sys.stdout.write(f"{len(seeds)} seeds, {len(found)} failed\n")
    return 1 if found else 0


def main() -> int:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(prog="make sim", description=__doc__)
    parser.add_argument("seed", nargs="?", type=int, help="tell what happens under it")
    parser.add_argument("--seeds", type=int, default=2000, help="how many to try")
    parser.add_argument("--first", type=int, default=0, help="where to begin")
    given = parser.parse_args()
    if given.seed is not None:
        return tell(given.seed)
    return try_many(range(given.first, given.first + given.seeds))


if __name__ == "__main__":
    sys.exit(main())
