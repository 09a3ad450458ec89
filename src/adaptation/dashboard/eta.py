"""When a job will be done: what is left of it, over what runs at once."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from adaptation.engine.remaining import Share
from adaptation.engine.states import TaskState
from adaptation.engine.store import Store

LEAST_SHARE, LEAST_SECONDS = 0.03, 3.0
"""Before so much of a task is done nobody can say how long it takes."""
SOONEST_SECONDS = 1.0
"""What has not ended takes some more time, however little is known to be left."""
MEASURED_SECONDS = 15.0
"""How long the fleet's means are believed."""
WAITS = frozenset({TaskState.WAITING, TaskState.READY})


def seconds_left(
    shares: Iterable[Share], means: Mapping[str, float], expanders: Collection[str] = ()
) -> float | None:
    """The time until a running job ends; None: nobody can say. Never less than a second.

    Args:
        shares: its tasks.
        means: what tasks have taken in the fleet until now, in seconds, by name.
        expanders: names of tasks that add others: until the first of a job's has, its work is
            not known.
    """
    known = list(shares)
    open_ones = [one for one in known if one.state in WAITS or one.state is TaskState.RUNNING]
    planning = [one for one in known if one.name in expanders]
    if planning and all(one in open_ones for one in planning):
        return None
    left, longest, unknown = 0.0, 0.0, 0
    for one in open_ones:
        takes = _takes(one, known, means)
        if takes is None:
            unknown += one.count
            continue
        share = max(0.0, one.count - one.progress)
        left += share * takes
        if one.state is TaskState.RUNNING:
            longest = max(longest, share / one.count * takes)
    count = sum(one.count for one in open_ones)
    if not count or 2 * unknown > count:
        return None
    at_once = sum(one.count for one in open_ones if one.state is TaskState.RUNNING)
    return max(SOONEST_SECONDS, longest, left / max(1, at_once))


def _takes(one: Share, known: Iterable[Share], means: Mapping[str, float]) -> float | None:
    """What a task takes: by its own pace, by others of this job, or of the whole fleet."""
    alike = [other for other in known if other.name == one.name]
    done = [other for other in alike if other.state is TaskState.DONE and other.seconds]
    running = [other for other in alike if other.state is TaskState.RUNNING]
    paces = [
        other.seconds / other.progress
        for other in running
        if other.progress >= LEAST_SHARE * other.count
        and other.seconds >= LEAST_SECONDS * other.count
    ]
    if one.state is TaskState.RUNNING and paces:
        return paces[0]
    if done:
        return done[0].seconds / done[0].count
    return paces[0] if paces else means.get(one.name)


@dataclass
class Estimates:
    """Says of running jobs when they will be done."""

    store: Store
    expanders: frozenset[str] = frozenset()
    """Names of tasks that add others when they run."""
    _means: dict[str, float] = field(default_factory=dict)
    _asked_at: float = -MEASURED_SECONDS

    def of(self, job_ids: Collection[int]) -> dict[int, float]:
        """The seconds that are left of jobs that run; those of which nobody can say are not in."""
        if not job_ids:
            return {}
        means = self._measured()
        shares = self.store.shares_of(job_ids)
        found = {one: seconds_left(own, means, self.expanders) for one, own in shares.items()}
        return {job_id: left for job_id, left in found.items() if left is not None}

    def _measured(self) -> dict[str, float]:
        if time.monotonic() - self._asked_at >= MEASURED_SECONDS:
            done = [one for one in self.store.measured() if one.outcome == "done" and one.amount]
            self._means = {one.name: one.seconds / one.amount for one in done}
            self._asked_at = time.monotonic()
        return self._means
