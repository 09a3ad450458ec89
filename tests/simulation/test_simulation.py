"""Fleets on virtual time: whatever happens to them, every job ends once and rightly.

Half of the 2,000 seeds are here, the others in `test_more_seeds`: files are what is spread over
the processors.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from simulation.__main__ import failure_of
from simulation.model import Model
from simulation.mutants import MUTANTS
from simulation.oracle import Broken
from simulation.simulator import Simulation

TESTS = Path(__file__).resolve().parent.parent
BLOCK = 100
ENOUGH = 60
"""Seeds under which a mistake must have shown."""


@pytest.mark.parametrize("first", range(0, 1000, BLOCK))
def test_a_fleet_loses_nothing_and_does_nothing_twice(first: int) -> None:
    for seed in range(first, first + BLOCK):
        Simulation(seed).run()


def test_the_misfortunes_do_happen() -> None:
    words = {"dies", "stands still", "goes on", "drains", "buries", "takes back", "cannot send"}
    words |= {"loses its power", "the clock jumps", "the broker is flushed", "the broker is away"}
    words |= {"transient", "permanent", "kills", "leaves", "stopped"}
    words |= {"cancel", "pause", "resume", "retry", "a zombie is sent away"}

    for seed in range(ENOUGH):
        simulation = Simulation(seed)
        simulation.run()
        words -= {str(line[1]) for line in simulation.time.log}
        if any(line[1] == "done" and not line[-1] for line in simulation.time.log):
            words.discard("a zombie is sent away")

    assert words == set()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__doc__)
def test_a_planted_mistake_is_found(mutant: type[Model]) -> None:
    failures = (failure_of(Simulation(seed, mutant)) for seed in range(ENOUGH))

    assert next(filter(None, failures), None) is not None


def test_a_seed_replays_exactly_in_another_process() -> None:
    here = Simulation(7)
    here.run()
    there = subprocess.run(
        [sys.executable, "-m", "simulation", "7"],
        env={**os.environ, "PYTHONPATH": str(TESTS), "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )

    lines = there.stdout.splitlines()
    assert lines[-1] == here.time.fingerprint()
    assert len(lines) == len(here.time.log) + 1
    assert Simulation(8).time.fingerprint() != lines[-1]


def test_what_fails_names_the_command_that_replays_it() -> None:
    class NothingRuns(Model):
        def claim_next(self, *_: object) -> None:
            return None

    with pytest.raises(Broken) as caught:
        Simulation(3, NothingRuns, jobs=2).run()

    assert re.search(r"^seed 3 at 36\d\d\.\d+ s: jobs \[1, 2\] never end$", str(caught.value), re.M)
    assert str(caught.value).endswith("replay it with: make sim SEED=3")
