"""A broker that loses, doubles, delays and shuffles, is flushed, and is away for a while."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Protocol

from adaptation.engine.model import Dispatch
from adaptation.engine.transport import LEAST_WAITING, WAITING_PER_SLOT
from simulation.timeline import Timeline

HOPS_MS = (1, 20)
"""A message's way when all is well."""
LATE_MS = 40_000
"""And when it is held up, at most."""


class Consumer(Protocol):
    """Who takes messages."""

    queues: Sequence[str]

    @property
    def idle(self) -> bool:
        """Whether a slot is free for a message."""

    def deliver(self, item: Dispatch) -> None:
        """Take a message."""


class Network:
    """The queues of the fleet, none longer than the slots can make use of."""

    def __init__(self, time: Timeline, slots: int, *, faulty: bool) -> None:
        self.away = False
        self.limit = max(LEAST_WAITING, slots * WAITING_PER_SLOT)
        self.consumers: list[Consumer] = []
        self.sent = 0
        self._time = time
        self._faulty = faulty
        self._flushes = 0
        self._waiting: defaultdict[str, deque[Dispatch]] = defaultdict(deque)

    def send(self, items: Iterable[Dispatch]) -> bool:
        """Put messages on their way; False: the broker is away."""
        if self.away:
            return False
        chance = self._time.chance
        for item in items:
            if len(self._waiting[item.queue]) >= self.limit:
                continue
            self.sent += 1
            luck = chance.random() if self._faulty else 1.0
            copies = 0 if luck < 0.12 else (3 if luck < 0.16 else 1)
            for _ in range(copies):
                late = self._faulty and chance.random() < 0.1
                delay_ms = chance.uniform(*HOPS_MS) if not late else chance.uniform(0, LATE_MS)
                self._time.after(delay_ms, self._arrive, item, self._flushes)
        return True

    def _arrive(self, item: Dispatch, flushes: int) -> None:
        if self.away or flushes != self._flushes:
            return
        if taker := self._taker(item.queue):
            taker.deliver(item)
        else:
            self._waiting[item.queue].append(item)

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
        return sum(map(len, self._waiting.values()))

    def take(self, queues: Sequence[str]) -> Dispatch | None:
        """A message that was waiting in one of the queues."""
        if self.away:
            return None
        return next((self._waiting[name].popleft() for name in queues if self._waiting[name]), None)

    def flush(self) -> None:
        """Forget everything that waits or is under way."""
        self._flushes += 1
        self._waiting.clear()
