"""What holds up the whole queue: that somebody has paused it, that nobody works, no slots."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from adaptation.api.operations import SILENT_SECONDS
from adaptation.dashboard.session import Visitor
from adaptation.engine.rules import Rules
from adaptation.engine.setting import PAUSED
from adaptation.wiring import Deployment


@dataclass(frozen=True)
class Standing:
    """How the queue stands, whatever is in it."""

    paused: bool
    paused_by: str
    """Empty: not known, or not told to who looks."""
    paused_at: datetime | None
    workers: int
    """Those that run tasks and were heard lately."""
    resting: int
    """Of those, the ones that take nothing new."""
    shut: str
    """Why no slot is ever free; empty: there are some."""


def standing_of(engine: Deployment, visitor: Visitor) -> Standing:
    """How the queue stands, as somebody may know it."""
    store = engine.store
    rules, paused = store.rules(), bool(store.setting(PAUSED))
    change = store.last_changes().get(PAUSED) if paused else None
    live = [
        one.process
        for one in store.members()
        if one.process.slots and one.heard_seconds < SILENT_SECONDS
    ]
    return Standing(
        paused=paused,
        paused_by=change.by if change and visitor.is_admin else "",
        paused_at=change.at if change else None,
        workers=len(live),
        resting=sum(process.draining for process in live),
        shut=_shut(rules),
    )


def _shut(rules: Rules) -> str:
    if rules.max_jobs == 0:
        return "max_jobs is 0: no job is started."
    if rules.ordinary_slots == 0:
        most = max(1, rules.priority_threshold)
        return f"All slots are reserved: only jobs of priority 1 to {most} are started."
    return ""
