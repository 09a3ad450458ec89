"""The shapes that are compared: each turns the same source into the same ladder in its own way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import Command
from benchmarks.setup import Rung


def _nothing(_: Path) -> dict[str, float]:
    return {}


@dataclass(frozen=True)
class Shape:
    """One way to make the ladder."""

    title: str
    """For a person."""
    commands: Callable[[Path], list[Command]]
    """What is run one after another, to write into an empty folder."""
    playlist: Callable[[Path, Rung], Path] | None = None
    """Where a rendition's pictures are then; none where nothing playable is made."""
    served: tuple[str, ...] = (".",)
    """Folders that hold what would be served; the rest is left over."""
    facts: Callable[[Path], dict[str, float]] = _nothing
    """More figures to read from what was left."""
