"""Moments as places on a line, on which long rests between spells of work are left out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

Spell = tuple[datetime, datetime]

REST_SECONDS = 30.0
"""Shorter than this nothing is left out."""
REST_SHARE = 0.25
"""Of all the work: a rest that is shorter is shown as long as it was."""
GAP_SHARE = 0.03
"""Of the whole line, for each rest that is left out."""


@dataclass(frozen=True)
class Scale:
    """Where on a line a moment lies."""

    spells: tuple[Spell, ...]
    """Between which nothing is shown, oldest first."""
    gap_seconds: float
    """As long a rest is drawn."""
    seconds: float
    """Of the whole line."""

    wide = 1000
    """Units from its beginning to its end."""

    @property
    def begin(self) -> datetime | None:
        """Its first moment; None: there is nothing."""
        return self.spells[0][0] if self.spells else None

    @property
    def end(self) -> datetime | None:
        """Its last moment."""
        return self.spells[-1][1] if self.spells else None

    @property
    def rests(self) -> list[tuple[float, float]]:
        """Where the middle of each rest lies, and how many seconds it was."""
        half = self.gap_seconds / 2 / self.seconds * self.wide if self.spells else 0.0
        return [
            (self.x(before[1]) + half, (after[0] - before[1]).total_seconds())
            for before, after in zip(self.spells, self.spells[1:], strict=False)
        ]

    def x(self, moment: datetime) -> float:
        """The place of a moment, 0 to `wide`; what lies outside or in a rest is at its edge."""
        if not self.spells:
            return 0.0
        number = max(0, bisect_right([begin for begin, _ in self.spells], moment) - 1)
        past = sum((end - begin).total_seconds() for begin, end in self.spells[:number])
        begin, end = self.spells[number]
        inside = (min(max(moment, begin), end) - begin).total_seconds()
        return (past + number * self.gap_seconds + inside) / self.seconds * self.wide


def scale_of(worked: Iterable[Spell]) -> Scale:
    """A line for some spells of work, which may overlap."""
    joined = list[Spell]()
    for begin, end in sorted(worked):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    work = sum((end - begin).total_seconds() for begin, end in joined)
    longest = max(REST_SECONDS, REST_SHARE * work)
    spells = list[Spell]()
    for begin, end in joined:
        if spells and (begin - spells[-1][1]).total_seconds() <= longest:
            spells[-1] = (spells[-1][0], end)
        else:
            spells.append((begin, end))
    length = sum((end - begin).total_seconds() for begin, end in spells)
    gap = GAP_SHARE * length
    return Scale(tuple(spells), gap, max(length + gap * (len(spells) - 1), 0.001))
