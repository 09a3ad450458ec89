"""Tells on stderr what is being measured and how long the rest may take."""

from __future__ import annotations

import sys
import time


class Progress:
    """Counts steps of about equal cost."""

    def __init__(self, name: str, steps: int) -> None:
        self._name = name
        self._steps = steps
        self._done = 0
        self._began = time.monotonic()

    def step(self, what: str) -> None:
        """Say what begins now."""
        left = ""
        if self._done:
            seconds = (time.monotonic() - self._began) / self._done * (self._steps - self._done)
            left = f", about {_spoken(seconds)} left"
        self._done += 1
        note(f"{self._name} {self._done}/{self._steps}: {what}{left}")


def note(line: str) -> None:
    """Tell a person something about the run."""
    print(f"# {line}", file=sys.stderr, flush=True)


def _spoken(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
