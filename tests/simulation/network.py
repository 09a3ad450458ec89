"""A broker that loses, doubles, delays and shuffles, is flushed, and is away for a while."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Protocol

from adaptation.engine.model import Dispatch
from simulation.timeline import Timeline

HOPS_MS = (1, 20)
"""A message's way when all is well."""
LATE_MS = 40_000
"""And when it is held up, at most."""


class BrokerAway(Exception):
    """Nobody answers: what should be sent is not."""


class Consumer(Protocol):
    """Who takes messages."""

    queues: Sequence[str]

    @property
    def idle(self) -> bool:
        """Whether a slot is free for a message."""

    def deliver(self) -> None:
        """Take a message: there is something to do."""


class Network:
    """The queues of the fleet. A message only says that there is something to do."""

    def __init__(self, time: Timeline, *, faulty: bool) -> None:
        self.away = False
        self.consumers: list[Consumer] = []
        self.sent = 0
        self._time = time
        self._faulty = faulty
        self._flushes = 0
        self._waiting: defaultdict[str, int] = defaultdict(int)

    def send(self, items: Iterable[Dispatch]) -> None:
        """Put messages on their way.

        Raises:
            BrokerAway: with none or some of them sent.
        """
        chance = self._time.chance
        for item in items:
            if self.away:
                raise BrokerAway
            self.sent += 1
            luck = chance.random() if self._faulty else 1.0
            copies = 0 if luck < 0.04 else (3 if luck < 0.08 else 1)
            for _ in range(copies):
                late = self._faulty and chance.random() < 0.1
                delay_ms = chance.uniform(*HOPS_MS) if not late else chance.uniform(0, LATE_MS)
                self._time.after(delay_ms, self._arrive, item.queue, self._flushes)

    def _arrive(self, queue: str, flushes: int) -> None:
        if self.away or flushes != self._flushes:
            return
        if taker := self._taker(queue):
            taker.deliver()
        else:
            self._waiting[queue] += 1

    def _taker(self, queue: str) -> Consumer | None:
        # Where messages wait nobody is idle: who is asks for them first.
        if self._waiting[queue] or not self.consumers:
            return None
        first = self._time.chance.randrange(len(self.consumers))
        for taker in chain(self.consumers[first:], self.consumers[:first]):
            if queue in taker.queues and taker.idle:
                return taker
        return None

    @property
    def waiting(self) -> int:
        """Messages that no slot has had time for."""
        return sum(self._waiting.values())

    def take(self, queues: Sequence[str]) -> bool:
        """Whether a message was waiting in one of the queues; it is taken."""
        if self.away:
            return False
        for queue in queues:
            if self._waiting[queue]:
                self._waiting[queue] -= 1
                return True
        return False

    def flush(self) -> None:
        """Forget everything that waits or is under way."""
        self._flushes += 1
        self._waiting.clear()
