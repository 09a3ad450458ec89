"""Tasks that are to be stored, with their edges: a canvas once it is lowered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Upstream:
    """What the next step of a canvas receives and waits for."""

    keys: tuple[str, ...] = ()
    """Tasks whose results it receives, in authoring order."""
    joins: bool = False
    """Whether it receives a list of results (after a group) or a single one."""
    after: tuple[str, ...] = ()
    """Tasks it only waits for: those before a fan-out that turned out empty."""


@dataclass(frozen=True)
class PlannedTask:
    """One task to be stored as a row."""

    key: str
    """Unique within the job: its path through the canvas and its name."""
    name: str
    params: dict[str, Any]
    """Keyword arguments given where the canvas was written."""
    upstream: Upstream
    urgency: int = 0
    """Celery's `priority` of its signature: of tasks that are ready at once, higher ones first."""
    scratch_bytes: int = 0
    """Its signature's option of that name: how much scratch it needs at most."""
    needs: tuple[str, ...] = ()
    """Its signature's option of that name: what its worker must be able to do."""


@dataclass
class Plan:
    """The tasks of a canvas and where it ends."""

    tasks: list[PlannedTask] = field(default_factory=list)
    exits: Upstream = field(default_factory=Upstream)
