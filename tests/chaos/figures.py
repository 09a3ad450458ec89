"""What a run has cost: figures for people, made of the evidence and of what was injected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from chaos.director import Injected
from chaos.observer import Reign
from chaos.oracle import Attempt, Evidence, forgotten
from chaos.plan import Kind

DEADLY = {Kind.WORKER_KILLED, Kind.HOST_LOST}
REGICIDES = {*DEADLY, Kind.CONTROLLER_KILLED, Kind.LEADER_KILLED}


@dataclass(frozen=True)
class Spread:
    """Some durations in seconds."""

    values: tuple[float, ...]

    def at(self, share: float) -> float:
        """The smallest value that at least so large a share does not exceed."""
        return sorted(self.values)[max(0, ceil(share * len(self.values)) - 1)]

    def __str__(self) -> str:
        if not self.values:
            return "none"
        return (
            f"{len(self.values)}: p50 {self.at(0.5):.1f} s, p95 {self.at(0.95):.1f} s,"
            f" max {max(self.values):.1f} s"
        )


@dataclass(frozen=True)
class Cost:
    """The figures of one run."""

    wall_seconds: float
    """From the first order to the end of the last job."""
    executions: int
    """Attempts that were run."""
    tasks: int
    """Of those as many were needed."""
    repeats: int
    """Orders that the client sent again."""
    forgotten: int
    """Notifications that were lost with the broker's memory."""
    faults: dict[str, int]
    """How many were injected, by kind."""
    takeovers: dict[str, Spread]
    """By kind of fault: from the kill of a worker to the next claim of each task it held."""
    taken_back: Spread
    """From the kill of a worker until each task it held was ready again."""
    leaderless: Spread
    """From the kill of whoever led to the next one that was seen to lead."""

    def rows(self) -> list[tuple[str, str]]:
        """What is printed."""
        every = Spread(tuple(v for spread in self.takeovers.values() for v in spread.values))
        return [
            ("wall", f"{self.wall_seconds:.0f} s"),
            ("tasks", f"{self.tasks}, run {self.executions} times"),
            ("orders sent again", str(self.repeats)),
            ("notifications lost with the broker", str(self.forgotten)),
            *((f"fault: {kind}", str(number)) for kind, number in self.faults.items()),
            ("tasks of killed workers ready again", str(self.taken_back)),
            ("takeover after any kill of a worker", str(every)),
            *((f"takeover: {kind}", str(spread)) for kind, spread in self.takeovers.items()),
            ("without a leader", str(self.leaderless)),
        ]


def cost(
    evidence: Evidence,
    *,
    began: float,
    repeats: int,
    injected: Sequence[Injected],
    names: dict[int, list[str]],
    reigns: Sequence[Reign],
) -> Cost:
    """Reckon what a run has cost.

    Args:
        evidence: of the run.
        began: `time.time()` before the first order.
        repeats: orders that were sent again.
        injected: the faults.
        names: the names of workers by process.
        reigns: who was seen to lead, in order.
    """
    runs = [entry for entry in evidence.ledger if entry.deed == "executed"]
    ends = [job.ended_at for job in evidence.jobs.values() if job.ended_at is not None]
    return Cost(
        wall_seconds=max(ends, default=began) - began,
        executions=len(runs),
        tasks=len({entry.task_id for entry in runs}),
        repeats=repeats,
        forgotten=forgotten(evidence),
        faults={str(k): n for k, n in Counter(one.fault.kind for one in injected).items()},
        takeovers={
            str(kind): Spread(tuple(_takeovers(evidence, _of_kind(injected, kind), names)))
            for kind in sorted(DEADLY)
        },
        taken_back=Spread(tuple(until - at for at, until, _ in _held(evidence, injected, names))),
        leaderless=Spread(tuple(_leaderless(injected, names, reigns))),
    )


def _of_kind(injected: Sequence[Injected], kind: Kind) -> list[Injected]:
    return [one for one in injected if one.fault.kind is kind]


def _takeovers(
    evidence: Evidence, injected: Sequence[Injected], names: dict[int, list[str]]
) -> Iterator[float]:
    claimed = {(one.task_id, one.generation): one.started_at / 1000 for one in evidence.attempts}
    for at, _, held in _held(evidence, injected, names):
        again = claimed.get((held.task_id, held.generation + 1))
        if again is not None:
            yield again - at


def _held(
    evidence: Evidence, injected: Sequence[Injected], names: dict[int, list[str]]
) -> Iterator[tuple[float, float, Attempt]]:
    """When a worker was killed, when a task of its was taken back, and the attempt it was at."""
    for one in injected:
        if one.fault.kind not in DEADLY:
            continue
        for held in evidence.attempts:
            until = (held.finished_at or 0) / 1000
            was_held = held.started_at / 1000 <= one.at <= until and held.outcome == "lost"
            if was_held and held.worker_id in names.get(one.pid, ()):
                yield one.at, until, held


def _leaderless(
    injected: Sequence[Injected], names: dict[int, list[str]], reigns: Sequence[Reign]
) -> list[float]:
    gaps = []
    for one in injected:
        if one.fault.kind not in REGICIDES:
            continue
        before = [reign for reign in reigns if reign.since <= one.at]
        after = [reign for reign in reigns if reign.since > one.at]
        if before and before[-1].holder in names.get(one.pid, ()) and after:
            gaps.append(after[0].since - one.at)
    return gaps
