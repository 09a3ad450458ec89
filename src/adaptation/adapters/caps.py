"""How much, how long and how slowly something may be fetched."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from adaptation.adapters.answers import Interrupted
from adaptation.adapters.masking import masked
from adaptation.errors import SourceError, Transient

LEAST_BYTES_PER_SECOND = 1_000
"""Whoever sends less is asked anew, and then given up: a slot is not held by drops."""
PACE_SECONDS = 60.0
"""The time over which that is measured."""
TOTAL_SECONDS = 21_600.0
"""How long one attempt may take in all."""


@dataclass(frozen=True)
class Caps:
    """The limits of one fetch."""

    most_bytes: int | None = None
    """Of the whole file; None: whatever fits on the disk."""
    total_seconds: float = TOTAL_SECONDS
    """Of all its tries."""
    least_bytes_per_second: float = LEAST_BYTES_PER_SECOND
    """Over each stretch of `PACE_SECONDS`; 0: as slow as it likes."""

    def refuse_size(self, url: str, size_bytes: int | None) -> None:
        """Refuse what is, or says it is, larger than allowed.

        Raises:
            SourceError: `source_too_large`.
        """
        if self.most_bytes is None or size_bytes is None or size_bytes <= self.most_bytes:
            return
        raise SourceError(
            f"{masked(url)} is larger than the {self.most_bytes:,} bytes that a source may have",
            code="source_too_large",
            hint="Give a smaller file, or let an operator raise the limit source_bytes.",
        )


class Clock:
    """Watches one fetch: the time of all its tries, and the pace of the one under way."""

    def __init__(self, url: str, caps: Caps, now: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._caps = caps
        self._now = now
        self.ends_at = now() + caps.total_seconds
        """The moment, monotonic, at which there must be an end."""
        self._since, self._gained = now(), 0

    def start(self) -> None:
        """Begin to measure a try."""
        self._since, self._gained = self._now(), 0

    def tick(self, gained_bytes: int) -> None:
        """Count bytes that have come.

        Raises:
            Transient: `fetch_too_slow`; `Interrupted` if another try may be faster.
        """
        self.refuse_the_end()
        moment = self._now()
        self._gained += gained_bytes
        passed = moment - self._since
        if passed < PACE_SECONDS:
            return
        if self._gained < self._caps.least_bytes_per_second * passed:
            raise Interrupted(
                f"{masked(self._url)} sent {self._gained:,} bytes in {passed:.0f} s",
                code="fetch_too_slow",
                hint="Check the server and the way to it; the next try goes on from there.",
            )
        self._since, self._gained = moment, 0

    def refuse_the_end(self) -> None:
        """Go no further once the time is up.

        Raises:
            Transient: `fetch_too_slow`.
        """
        if self._now() < self.ends_at:
            return
        raise Transient(
            f"{masked(self._url)} was not here after {self._caps.total_seconds:,.0f} s",
            code="fetch_too_slow",
            hint="Check the server's speed, or raise ADAPTATION_FETCH_SECONDS; "
            "the next try goes on from there.",
        )
