"""What a job told its end points: every callback with its tries, as far as the log knows them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from adaptation.api.callbacks import DeliveryRow
from adaptation.engine.callbacks import PENDING
from adaptation.engine.lines import LineQuery
from adaptation.engine.model import LogLine
from adaptation.engine.store import Store

MOST_LINES = 500
"""Of what the log says of callbacks, the newest."""
WORDS = {
    "pending": ("◷", "on its way"),
    "delivered": ("✓", "delivered"),
    "dead": ("✕", "given up"),
    "dropped": ("⊘", "not wanted"),
}
"""An icon and a word for each state."""


@dataclass(frozen=True)
class Reported:
    """A callback to one end point."""

    row: DeliveryRow
    icon: str
    word: str
    tries: tuple[LogLine, ...]
    """Those that went wrong, oldest first."""

    @property
    def may_go_again(self) -> bool:
        """Whether it can be sent once more."""
        return self.row.state != PENDING


def reported(store: Store, job_id: int, sent: Sequence[DeliveryRow]) -> list[Reported]:
    """Callbacks with what the log says of each."""
    asked = LineQuery(job_id, severity=logging.DEBUG, progname="callback", limit=MOST_LINES)
    lines = store.lines(asked) if sent else []
    return [
        Reported(
            one,
            *WORDS[one.state],
            tries=tuple(line for line in lines if _is_of(line, one)),
        )
        for one in sent
    ]


def _is_of(line: LogLine, one: DeliveryRow) -> bool:
    start = f"callback {one.event} to {one.url}: "
    return line.task_id == one.task_id and line.message.startswith(start)
