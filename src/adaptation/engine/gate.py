"""What a worker may still claim: everything, so many tasks, or nothing because it is leaving."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

Claimed = TypeVar("Claimed")


class Gate:
    """Counts what a worker claims and runs; any thread may ask, count, close or open it."""

    def __init__(self, max_tasks: int | None = None) -> None:
        """Open it.

        Args:
            max_tasks: as many claims in all; None: no end.
        """
        self._max_tasks = max_tasks
        self._claims = 0
        self._trying = 0
        self._running = 0
        self._closed = False
        self._lock = threading.Lock()

    def claim(self, look: Callable[[], Claimed | None]) -> Claimed | None:
        """Claim by `look` if that is allowed; whoever gets something says `done` afterwards."""
        with self._lock:
            if self._closed or self._has_enough(self._claims + self._trying):
                return None
            self._trying += 1
        found = None
        try:
            found = look()
        finally:
            with self._lock:
                self._trying -= 1
                self._claims += found is not None
                self._running += found is not None
        return found

    def done(self) -> None:
        """Say that something which was claimed has ended."""
        with self._lock:
            self._running -= 1

    def close(self) -> None:
        """Allow no more claims; what runs is not touched."""
        with self._lock:
            self._closed = True

    def open(self) -> None:
        """Allow claims again, up to as many as there may be."""
        with self._lock:
            self._closed = False

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is claimed, whatever there is."""
        return self._closed or self.is_spent

    @property
    def is_spent(self) -> bool:
        """Whether all was claimed that may be."""
        return self._has_enough(self._claims)

    @property
    def busy(self) -> int:
        """How many tasks run, or are just being claimed."""
        with self._lock:
            return self._running + self._trying

    def _has_enough(self, claims: int) -> bool:
        return self._max_tasks is not None and claims >= self._max_tasks
