"""Which tasks fit on no worker: their need of scratch against what workers have, as a decision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SCRATCH_NEEDED = "needs_scratch_bytes"
"""Name in the details of a task that fits on no worker."""
MOST_TOLD = 100
"""Tasks that are looked at in one go, those that need most first."""


@dataclass(frozen=True)
class Need:
    """A ready task that needs scratch, or something that not every worker can do."""

    task_id: int
    job_id: int
    name: str
    queue: str
    scratch_bytes: int
    needs: tuple[str, ...] = ()
    """What its worker must be able to do."""

    def sentence(self, most_bytes: int) -> str:
        """What the job's log says when it fits nowhere."""
        return (
            f"{self.name} waits: it needs {_size(self.scratch_bytes)} of scratch, and no worker"
            f" of the queue {self.queue} can give more than {_size(most_bytes)}"
        )


@dataclass(frozen=True)
class Room:
    """What a live worker has to give."""

    queues: Sequence[str]
    """Those it serves; empty: all."""
    job_id: int | None
    """The only job it serves."""
    free_bytes: int | None
    """What it has free; None: it did not tell."""
    given_bytes: int
    """What the tasks that it runs will give back."""
    abilities: Sequence[str] | None = None
    """What it can do; None: it did not tell."""

    def serves(self, need: Need) -> bool:
        """Whether it takes tasks of that queue and job."""
        in_queue = not self.queues or need.queue in self.queues
        return in_queue and self.job_id in {None, need.job_id}


def most_room(need: Need, rooms: Iterable[Room]) -> int | None:
    """The most scratch that any worker which may run a task can ever give; None: nobody knows."""
    most = None
    for room in rooms:
        if not room.serves(need):
            continue
        if room.free_bytes is None:
            return None
        most = max(most or 0, room.free_bytes + room.given_bytes)
    return most


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.2f} GB" if size_bytes >= 10_000_000 else f"{size_bytes:,} bytes"
