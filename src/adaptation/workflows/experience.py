"""Estimates corrected by what past jobs really took."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from adaptation.engine.model import PastJob
from adaptation.media.plan import CPU_RANGE, START_SECONDS, EncodingPlan, Estimate

WORK = "work_seconds"
"""Figure of a job: CPU seconds that were foretold of `TASKS`."""
TASKS = frozenset({"encode_chunk", "copy_picture", "transcode_audio"})
"""Those that take much time; all others together take less than one of them."""
ENOUGH = 3
"""Fewer jobs tell a factor, but not how far it may be off."""
MARGIN = 0.1
"""Of a spread that was measured, on both sides."""


@dataclass(frozen=True)
class Experience:
    """How many seconds a slot was held for each CPU second that was foretold."""

    ratio: Estimate
    jobs: int
    """Past jobs that say so; 0: none, the ratio is a table's."""

    @classmethod
    def of(cls, past: Iterable[PastJob]) -> Experience:
        """The median of past jobs, and nine tenths of them as its range."""
        found = [one for job in past if (one := _ratio(job)) is not None]
        if not found:
            return cls(Estimate(CPU_RANGE[0], 1.0, CPU_RANGE[1]), 0)
        middle = median(found)
        low, high = CPU_RANGE[0] * middle, CPU_RANGE[1] * middle
        if len(found) >= ENOUGH:
            # Of few values the outermost; quantiles alone would go beyond them.
            tenths = quantiles(found, n=20, method="inclusive")
            low, high = (1 - MARGIN) * tenths[0], (1 + MARGIN) * tenths[-1]
        return cls(Estimate(low, middle, high), len(found))

    def told(self, profile: str) -> str:
        """What an estimate is based on, in a sentence."""
        if not self.jobs:
            return f"the source's packets, and a table: no past job of {profile} is known"
        jobs = "1 past job" if self.jobs == 1 else f"{self.jobs} past jobs"
        ratio = self.ratio
        spread = f"{ratio.expected:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"
        return f"the source's packets, and {jobs} of {profile}, ratio {spread}"

    def cpu_seconds(self, tasks: Sequence[float]) -> Estimate:
        """Of a whole job, over all machines.

        Args:
            tasks: CPU seconds that a table says of each that takes much.
        """
        return _added(_times(CPU_RANGE, START_SECONDS), self._scaled(sum(tasks)))

    def wall_seconds(self, tasks: Sequence[float], slots: int, processors: int) -> Estimate:
        """From the start to the end of a job that has all slots to itself.

        Args:
            tasks: as for `cpu_seconds`, in the order they begin.
            slots: tasks at the same time.
            processors: what few tasks may share between them.
        """
        span = self._scaled(makespan(tasks, slots))
        shared = self.ratio.low * sum(tasks) / max(slots, processors)
        span = Estimate(min(span.low, shared), span.expected, span.high)
        return _added(_times(CPU_RANGE, START_SECONDS), span)

    def _scaled(self, seconds: float) -> Estimate:
        return Estimate(
            self.ratio.low * seconds, self.ratio.expected * seconds, self.ratio.high * seconds
        )


def planned_figures(plan: EncodingPlan) -> dict[str, float]:
    """What a job keeps of its plan, for those that come after it."""
    return {"cpu_seconds": plan.cpu_seconds.expected, WORK: sum(plan.task_seconds)}


def makespan(seconds: Sequence[float], slots: int) -> float:
    """When the last of some tasks ends that are begun in their order, each in the first free slot.

    Args:
        seconds: that each task takes.
        slots: tasks at the same time, at least 1.
    """
    ends = [0.0] * min(slots, max(1, len(seconds)))
    for one in seconds:
        heapq.heapreplace(ends, ends[0] + one)
    return max(ends)


def _ratio(job: PastJob) -> float | None:
    foretold = float(job.planned.get(WORK, 0))
    took = sum(seconds for name, seconds in job.seconds.items() if name in TASKS)
    return took / foretold if foretold > 0 and took > 0 else None


def _times(factors: tuple[float, float], seconds: float) -> Estimate:
    return Estimate(factors[0] * seconds, seconds, factors[1] * seconds)


def _added(one: Estimate, other: Estimate) -> Estimate:
    return Estimate(one.low + other.low, one.expected + other.expected, one.high + other.high)
