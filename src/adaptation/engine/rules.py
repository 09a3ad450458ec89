"""Which job is started next: limits, priorities, fairness and ageing, as a pure decision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

MS = 1000
ALL = 100_000
"""As many jobs as nobody starts at once."""
NOBODY: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True)
class Rules:
    """What the operator may change at any time; the defaults are the API's."""

    max_jobs: int = 2
    """Jobs that are started at once."""
    priority_slots: int = 0
    """Of those, how many only priority jobs may hold; never raises `max_jobs`."""
    priority_threshold: int = 5
    """A job of priority 1 to this is a priority job."""
    ageing_seconds: float = 1800.0
    """A job that has waited this long counts as one priority more urgent, and so on; 0: never."""
    most_running: int = ALL
    """Jobs of one client that are started at once, if it has no limit of its own."""

    queue_paused: int = 0
    """1: no job is started, whoever waits."""

    def is_ordinary(self, priority: int) -> bool:
        """Whether a job of this priority must leave the priority slots free."""
        return priority > max(1, self.priority_threshold)

    @property
    def ordinary_slots(self) -> int:
        """How many ordinary jobs may be started at once."""
        return max(0, self.max_jobs - max(0, self.priority_slots))


@dataclass(frozen=True)
class Waiting:
    """The first of one client's queued jobs of one priority."""

    job_id: int
    client: str
    priority: int
    queued_at: int
    """Milliseconds, as `now_ms`."""
    served_at: int = 0
    """When a job of this client and priority was last started; 0: never."""


@dataclass(frozen=True)
class Started:
    """A job that holds a slot."""

    client: str
    priority: int


def order(
    waiting: Iterable[Waiting],
    started: Sequence[Started],
    rules: Rules,
    now_ms: int,
    own: Mapping[str, int] = NOBODY,
) -> list[Waiting]:
    """The jobs that may be started now, the one whose turn it is first.

    Jobs of a client that has as many started as it may, by `own` or by the rules, are passed over:
    they hold up nobody.

    The more urgent comes first, after ageing; of equals the client that holds fewest slots, then
    the one that was served longest ago; of one client and priority first in, first out.
    """
    if rules.queue_paused or len(started) >= rules.max_jobs:
        return []
    ordinary = sum(rules.is_ordinary(job.priority) for job in started)
    room = ordinary < rules.ordinary_slots
    held = Counter(job.client for job in started)
    return sorted(
        (
            job
            for job in waiting
            if (room or not rules.is_ordinary(job.priority))
            and held[job.client] < own.get(job.client, rules.most_running)
        ),
        key=lambda job: (
            urgency(job, rules, now_ms),
            held[job.client],
            job.served_at,
            job.queued_at,
            job.job_id,
        ),
    )


def urgency(job: Waiting, rules: Rules, now_ms: int) -> int:
    """The priority after ageing, which may be less than 1: whatever waits comes first in the end.

    The wait counts since the client was last served at this priority: of a thousand jobs that are
    started one by one none ages, so they do not come before another client's one.
    """
    if rules.ageing_seconds <= 0:
        return job.priority
    waited_ms = now_ms - max(job.queued_at, job.served_at)
    return job.priority - max(0, int(waited_ms // (rules.ageing_seconds * MS)))
