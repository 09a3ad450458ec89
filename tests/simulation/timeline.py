"""Virtual time: what happens next, and a record of what has happened."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

Deed = Callable[..., None]


class Timeline:
    """Deeds in the order of their moments, and in the order they were planned within one."""

    def __init__(self, seed: int, tell: Callable[[int], None]) -> None:
        """Begin at zero; `tell` is told the time whenever it changes."""
        self.tell = tell
        self.chance = random.Random(seed)
        self.now = 0
        """Milliseconds."""
        self.log: list[tuple[Any, ...]] = []
        self._deeds: list[tuple[int, int, Deed, tuple[Any, ...]]] = []
        self._planned = 0

    def after(self, delay_ms: float, deed: Deed, *words: Any) -> None:
        """Plan a deed."""
        self._planned += 1
        heappush(self._deeds, (self.now + int(delay_ms), self._planned, deed, words))

    def note(self, *words: Any) -> None:
        """Put a line into the record."""
        self.log.append((self.now, *words))

    def step(self) -> bool:
        """Let the next thing happen; False: nothing is planned any more."""
        if not self._deeds:
            return False
        now, _, deed, words = heappop(self._deeds)
        if now != self.now:
            self.now = now
            self.tell(now)
        deed(*words)
        return True

    def fingerprint(self) -> str:
        """A hash of the record: equal for runs in which the same happened."""
        return hashlib.sha256(repr(self.log).encode()).hexdigest()
