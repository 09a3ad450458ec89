"""What will go wrong and when: made up front from a seed, so that the seed replays it."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

FIRST, LAST = 0.02, 0.95
"""Between which shares of the work faults are injected."""


class Kind(StrEnum):
    """The ways in which a fleet is hurt."""

    WORKER_KILLED = "worker killed"  # -9; its supervisor starts it again on the same host
    HOST_LOST = "host lost"  # -9 to all of its processes, disk gone; another host takes its place
    WORKER_STOPPED = "worker stopped"  # SIGSTOP past its leases, then SIGCONT
    WORKER_DRAINED = "worker drained"  # SIGTERM, and started again
    CONTROLLER_KILLED = "controller killed"
    LEADER_KILLED = "leader killed"  # whoever leads, controller or worker
    BROKER_FLUSHED = "broker flushed"
    BROKER_KILLED = "broker killed"  # -9, back under the same address
    DATABASE_RESTARTED = "database restarted"  # clients are cut off
    DATABASE_CRASHED = "database crashed"  # without a farewell: it has to recover
    CONNECTIONS_CUT = "connections cut"  # all sessions of the database
    SCRATCH_FILLED = "scratch filled"


SHARES = {
    Kind.WORKER_KILLED: 16,
    Kind.HOST_LOST: 10,
    Kind.WORKER_STOPPED: 3,
    Kind.WORKER_DRAINED: 16,
    Kind.CONTROLLER_KILLED: 10,
    Kind.LEADER_KILLED: 5,
    Kind.BROKER_FLUSHED: 10,
    Kind.BROKER_KILLED: 6,
    Kind.DATABASE_RESTARTED: 4,
    Kind.DATABASE_CRASHED: 4,
    Kind.CONNECTIONS_CUT: 8,
    Kind.SCRATCH_FILLED: 8,
}
"""Of a hundred faults. What takes long, or stops everybody, is rarer."""


@dataclass(frozen=True)
class Fault:
    """One entry of the plan."""

    at: float
    """Share of the work that is done by then."""
    kind: Kind
    victim: int
    """Which of those it may befall, counted round and round."""
    moment: float
    """0 to 1: how far between the shortest and the longest pause it lasts, where it lasts."""


def make_plan(seed: int, faults: int, impossible: Collection[Kind] = ()) -> list[Fault]:
    """The same plan for the same words.

    Args:
        seed: of all that is drawn.
        faults: how many.
        impossible: kinds that this machine does not allow.
    """
    chance = random.Random(f"faults {seed}")
    kinds = deal(faults, {kind: n for kind, n in SHARES.items() if kind not in impossible})
    chance.shuffle(kinds)
    times = sorted(chance.uniform(FIRST, LAST) for _ in kinds)
    return [
        Fault(at, kind, chance.randrange(60), chance.random())
        for at, kind in zip(times, kinds, strict=True)
    ]


def deal(faults: int, shares: dict[Kind, int]) -> list[Kind]:
    """So many kinds in their shares, each at least once as long as there are enough."""
    once = list(shares)[:faults]
    left = faults - len(once)
    total = sum(shares.values())
    wanted = {kind: left * share / total for kind, share in shares.items()}
    dealt = once + [kind for kind, number in wanted.items() for _ in range(int(number))]
    by_rest = sorted(shares, key=lambda kind: int(wanted[kind]) - wanted[kind])
    return dealt + by_rest[: faults - len(dealt)]
