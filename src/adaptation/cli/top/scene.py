"""What `top` shows, wherever it comes from: the engine at one moment, and one of its jobs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from adaptation.cli.estimate import Estimate
from adaptation.client import JobAtWork, LogLine, Overview, Task, Worker

Act = Literal["cancel", "retry", "pause", "resume"]
LEAST_SHARE, LEAST_SECONDS = 0.03, 3.0
"""Before so much is done nobody can say when a job will end."""
LAST_LINES = 60
"""Of a job's log."""


@dataclass(frozen=True)
class Scene:
    """The engine at one moment."""

    overview: Overview
    workers: list[Worker]
    eta_seconds: dict[int, float]
    """Of jobs that run, where somebody can say."""

    @property
    def jobs(self) -> list[JobAtWork]:
        """All that are shown: what runs and waits, and what failed last."""
        return [*self.overview.jobs, *self.overview.failures]


@dataclass(frozen=True)
class Detail:
    """One job more closely."""

    job_id: int
    tasks: list[Task]
    lines: list[LogLine]
    """The last of its log, oldest first."""


class Source(Protocol):
    """Where it comes from: this machine's database, or a server."""

    name: str
    """As people call it."""
    outages: tuple[type[Exception], ...]
    """What is raised, beside errors of the product, while it is away."""

    def overview(self) -> Overview:
        """How the jobs are."""

    def workers(self) -> list[Worker]:
        """Who works."""

    def detail(self, job_id: int) -> Detail:
        """One job more closely."""

    def act(self, act: Act, job_id: int) -> None:
        """Do something to a job.

        Raises:
            AdaptationError: its state, or one's rights, forbid it.
        """


@dataclass
class Sight:
    """Looks at a source, and learns how fast jobs get on."""

    source: Source
    _paces: dict[int, Estimate] = field(default_factory=dict)

    def look(self) -> Scene:
        """The engine now."""
        overview = self.source.overview()
        running = [job for job in overview.jobs if job.queue_state == "started"]
        return Scene(overview, self.source.workers(), self._etas(overview, running))

    def _etas(self, overview: Overview, running: Iterable[JobAtWork]) -> dict[int, float]:
        self._paces = {job.id: self._paces.get(job.id, Estimate()) for job in running}
        found = {}
        for job in running:
            left = self._paces[job.id].seconds_left(time.monotonic(), job.progress)
            if left is None:
                left = _on_the_whole(overview, job)
            if left is not None:
                found[job.id] = left
        return found


def speed_of(job: JobAtWork) -> float | None:
    """In times real time, over all that runs of it; None: nothing tells."""
    told = [task.speed for task in job.running if task.speed is not None]
    return sum(told) if told else None


def why(job: JobAtWork) -> str:
    """Why a job failed, what it waits for, or what runs of it."""
    if job.error:
        task, message = job.error.get("task"), str(job.error.get("message") or "")
        return f"{task}: {message}" if task else message
    if job.waits_for and not job.running:
        return f"waits for a worker with {job.waits_for}"
    names = list(dict.fromkeys(task.name for task in job.running))
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return ", ".join(name.replace("_", " ") for name in names[:2]) + more


def state_of(job: JobAtWork) -> str:
    """A job's state in a word."""
    words = {"started": "running", "completed": "done", "broken": "cancelled"}
    return "failed" if job.failed else words.get(job.queue_state, job.queue_state)


def readable(text: object) -> str:
    """Words of others, without signs that would move the cursor or turn letters around."""
    return "".join(sign if sign.isprintable() else "\N{MIDDLE DOT}" for sign in str(text))


def _on_the_whole(overview: Overview, job: JobAtWork) -> float | None:
    """By the pace since the start: all there is to go by at the first look."""
    if job.started_at is None:
        return None
    took = (overview.now_at - job.started_at).total_seconds()
    if job.progress < LEAST_SHARE or took < LEAST_SECONDS:
        return None
    return took * (1 - job.progress) / job.progress
