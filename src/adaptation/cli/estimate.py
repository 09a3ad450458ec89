"""How long something will take yet, judged by how it went lately."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

RATE_WINDOW_SECONDS = 30.0
"""The time left is judged by the pace of so many seconds."""


@dataclass
class Estimate:
    """The time left, judged by the pace of the last half minute."""

    _seen: deque[tuple[float, float]] = field(default_factory=deque)

    def seconds_left(self, now: float, fraction: float) -> float | None:
        """The time until `fraction` is 1; None while there is too little to go by.

        Args:
            now: seconds on any clock that does not jump.
            fraction: 0 to 1.
        """
        if self._seen and fraction < self._seen[-1][1]:
            self._seen.clear()  # a try began anew
        self._seen.append((now, fraction))
        while now - self._seen[0][0] > RATE_WINDOW_SECONDS and len(self._seen) > 2:
            self._seen.popleft()
        since, first = self._seen[0]
        if now - since < 1 or fraction - first < 0.01:
            return None
        return (1 - fraction) * (now - since) / (fraction - first)
