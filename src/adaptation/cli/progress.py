"""How far a job is, worked out from its tasks: a share of each track, of all, and what is left."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from adaptation.engine.model import Task
from adaptation.engine.states import TaskState

ENCODING_SHARE = 0.9
"""Of a track's work; the rest is cutting, indexing and telling."""
SOUND_WEIGHT = 60_000
"""A sound track's work; that of a picture is its height squared plus what decoding costs."""
DECODING_WEIGHT = 160_000
HEVC_FACTOR = 4
RATE_WINDOW_SECONDS = 30.0
"""The time left is judged by the pace of so many seconds."""
TRANSCODES = ("transcode", "transcode_audio")


@dataclass(frozen=True)
class TrackProgress:
    """One rendition or sound track."""

    name: str
    stage: str
    """waiting, encoding, proving, packaging, done, failed or stopped."""
    fraction: float
    """0 to 1."""
    weight: float
    """Its work compared with the other tracks'."""
    detail: dict[str, Any]
    """`fps`, `speed` (times real time) and `eta_seconds` while it is encoding."""


@dataclass(frozen=True)
class JobProgress:
    """A job at one moment."""

    tracks: tuple[TrackProgress, ...]
    """Empty until the source has been read."""
    fraction: float
    """0 to 1."""

    @property
    def done(self) -> int:
        """How many tracks are ready to be published."""
        return sum(track.stage == "done" for track in self.tracks)

    @property
    def fps(self) -> float:
        """Frames encoded a second, over all tracks."""
        return sum(float(track.detail.get("fps") or 0) for track in self.tracks)


def survey(tasks: Sequence[Task]) -> JobProgress:
    """How far the tasks of one job are."""
    tracks = tuple(_track(name, list(group)) for name, group in _branches(tasks))
    weight = sum(track.weight for track in tracks)
    if tasks and all(task.state is TaskState.DONE for task in tasks):
        return JobProgress(tracks, 1.0)
    done = sum(track.weight * track.fraction for track in tracks)
    # What comes after the tracks takes no time to speak of, but is not done yet.
    return JobProgress(tracks, 0.99 * done / weight if weight else 0.0)


def track_names(tasks: Iterable[Task]) -> dict[int, str]:
    """The name of its track for each task that has one, by the task's id."""
    return {task.id: name for name, group in _branches(tasks) for task in group}


def _branches(tasks: Iterable[Task]) -> list[tuple[str, list[Task]]]:
    found = []
    for _, group in groupby(tasks, key=_branch):
        branch = list(group)
        name = branch[0].params.get("name")
        if name and any(task.name in TRANSCODES for task in branch):
            found.append((str(name), branch))
    return found


def _branch(task: Task) -> str:
    """A task's key without its number in the chain: `….1.2:chunk_hls` belongs to `….1`."""
    return task.key.rpartition(":")[0].rpartition(".")[0]


def _track(name: str, branch: list[Task]) -> TrackProgress:
    encoding = next(task for task in branch if task.name in TRANSCODES)
    others = [task for task in branch if task is not encoding]
    rest = sum(task.state is TaskState.DONE for task in others) / (len(others) or 1)
    fraction = ENCODING_SHARE * encoding.progress + (1 - ENCODING_SHARE) * rest
    running = encoding.state is TaskState.RUNNING
    detail = (encoding.detail or {}) if running else {}
    return TrackProgress(name, _stage(encoding, branch), fraction, _weight(branch[0]), detail)


def _stage(encoding: Task, branch: list[Task]) -> str:
    states = {task.state for task in branch}
    if states == {TaskState.DONE}:
        return "done"
    if TaskState.FAILED in states:
        return "failed"
    if states & {TaskState.CANCELLED, TaskState.SKIPPED}:
        return "stopped"
    if encoding.state is TaskState.DONE:
        return "packaging"
    if encoding.state is TaskState.RUNNING:
        return "proving" if encoding.progress >= 1 else "encoding"
    return "waiting"


def _weight(first: Task) -> float:
    height = int(first.params.get("height", 0))
    if not height:
        return SOUND_WEIGHT
    factor = HEVC_FACTOR if first.params.get("codec") == "hevc" else 1
    return DECODING_WEIGHT + factor * height**2


@dataclass
class Estimate:
    """The time left, judged by the pace of the last half minute."""

    _seen: deque[tuple[float, float]] = field(default_factory=deque)

    def seconds_left(self, now: float, fraction: float) -> float | None:
        """The time until `fraction` is 1; None while there is too little to go by.

        Args:
            now: seconds on any clock that does not jump.
            fraction: 0 to 1.
        """
        if self._seen and fraction < self._seen[-1][1]:
            self._seen.clear()  # a try began anew
        self._seen.append((now, fraction))
        while now - self._seen[0][0] > RATE_WINDOW_SECONDS and len(self._seen) > 2:
            self._seen.popleft()
        since, first = self._seen[0]
        if now - since < 1 or fraction - first < 0.01:
            return None
        return (1 - fraction) * (now - since) / (fraction - first)
