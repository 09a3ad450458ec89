"""The other half of the seeds of `test_simulation`."""

from __future__ import annotations

import pytest

from simulation.simulator import Simulation

BLOCK = 100


@pytest.mark.parametrize("first", range(1000, 2000, BLOCK))
def test_a_fleet_loses_nothing_and_does_nothing_twice(first: int) -> None:
    for seed in range(first, first + BLOCK):
        Simulation(seed).run()
