"""Damaged films, drawn from seeds, are read, planned and encoded: each ends, and says how.

`make fuzz MUTANT=17` shows one of them again, `make fuzz` tries thousands.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hostile import trial
from hostile.mutants import mutant
from hostile.originals import Original
from hostile.trials import encode_all, plan_all

SEEDS, ALL_DEEDS = range(75), range(150)
"""Seeds that are tried, and so many that there is every kind of damage among them."""
ENCODED = 5
"""Mutants that go through whole jobs, of those that can be planned."""


def test_a_seed_makes_the_same_mutant_of_the_same_clips(originals: Sequence[Original]) -> None:
    first, second = ([mutant(seed, originals) for seed in ALL_DEEDS] for _ in range(2))

    assert first == second
    assert {one.name for one in first} == {original.name for original in originals}
    assert len({deed for one in first for deed in one.deeds}) == 23


def test_each_mutant_ends_in_time_with_a_film_or_a_code(
    originals: Sequence[Original], tmp_path: Path, home: Path
) -> None:
    with trial.engine_in(home) as engine:
        trials = plan_all(engine, tmp_path, SEEDS, originals)
        rough = [seed for seed in trials.encodable if trials.plans[seed].code == "rough"]
        some = {*trials.encodable[:: len(trials.encodable) // ENCODED], *rough}
        encode_all(engine, tmp_path, trials, some)

    assert trials.wrong == []
    assert len(trials.plans) == len(SEEDS)
    assert {"fine", "source_truncated", "source_unreadable"} <= {
        ending.code for ending in trials.plans.values()
    }
    assert "fine" in {ending.code for ending in trials.jobs.values()}
    assert trial.left_behind(home) == []
