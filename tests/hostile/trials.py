"""Puts many mutants through the engine at a time, and tells of each that ends as none may."""

from __future__ import annotations

import os
import traceback
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from adaptation.wiring import Deployment
from hostile import trial
from hostile.mutants import mutant
from hostile.originals import Original
from hostile.trial import Ending

THREADS = (os.cpu_count() or 2) + 1
"""Films that are read at a time."""
PLANNED = {"fine", "rough"}
"""How planning ends for what can be encoded, as far as that is known then."""


@dataclass
class Trials:
    """What became of many mutants, by their seeds."""

    made: dict[int, str] = field(default_factory=dict)
    """What each of them is."""
    plans: dict[int, Ending] = field(default_factory=dict)
    """How reading and planning ended."""
    jobs: dict[int, Ending] = field(default_factory=dict)
    """How whole jobs ended."""
    wrong: list[str] = field(default_factory=list)
    """Those that ended as none may, and how."""

    @property
    def encodable(self) -> list[int]:
        """Those that a whole job begins to work on."""
        return [seed for seed, ending in self.plans.items() if ending.code in PLANNED]

    @property
    def late(self) -> list[str]:
        """Those whose damage was only seen by what a tool made of them, and how."""
        return [
            f"{self.made[seed]}: {ending.code}, {ending.message}"
            for seed, ending in (*self.plans.items(), *self.jobs.items())
            if ending.code not in PLANNED and not ending.code.startswith("source_")
        ]

    def counted(self) -> str:
        """A table of how many ended in which way."""
        tables = (("read and planned", self.plans), ("whole jobs", self.jobs))
        return "\n".join(
            line
            for title, endings in tables
            for line in (f"{title}: {len(endings):,}", *_counted(endings.values()))
        )


def plan_all(
    deployment: Deployment, folder: Path, seeds: Iterable[int], originals: Sequence[Original]
) -> Trials:
    """Read and plan the mutants of many seeds; those that can be planned stay in the folder."""
    found = Trials()

    def judge(seed: int) -> tuple[int, str, Ending | str]:
        made = mutant(seed, originals)
        path = folder / f"{seed}.{made.name}"
        path.write_bytes(made.content)
        try:
            ending = trial.planned(deployment, path)
        except Exception:  # noqa: BLE001 - that is what is looked for
            return seed, str(made), traceback.format_exc()
        if ending.code not in PLANNED:
            path.unlink()
        return seed, str(made), ending

    with ThreadPoolExecutor(THREADS) as pool:
        for seed, made, ending in pool.map(judge, seeds):
            found.made[seed] = made
            if isinstance(ending, Ending):
                found.plans[seed] = ending
            else:
                found.wrong.append(f"{made}\n{ending}")
    return found


def encode_all(deployment: Deployment, folder: Path, trials: Trials, seeds: Iterable[int]) -> None:
    """Put planned mutants through whole jobs, some at a time, and judge what comes of them."""
    jobs = {seed: trial.submitted(deployment, *folder.glob(f"{seed}.*")) for seed in seeds}
    ended = trial.run_to_end(deployment, list(jobs.values()))
    for seed, job in jobs.items():
        try:
            trials.jobs[seed] = trial.ending(ended[job.id], trials.plans[seed])
        except AssertionError as error:
            trials.wrong.append(f"{trials.made[seed]}\n{error}")


def _counted(endings: Iterable[Ending]) -> list[str]:
    counts = Counter(ending.code for ending in endings)
    return [f"{count:7,}  {code}" for code, count in counts.most_common()]
