"""How far a job is, worked out from its tasks: a share of each track, of all, and what is left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from adaptation.engine.model import Task
from adaptation.engine.states import TaskState

ENCODING_SHARE = 0.9
"""Of a track's work; the rest is cutting, indexing and telling."""
SOUND_WEIGHT = 60_000
"""A sound track's work; that of a picture is its height squared plus what decoding costs."""
DECODING_WEIGHT = 160_000
HEVC_FACTOR = 4
CHUNK, COPY, SOUND = "encode_chunk", "copy_picture", "transcode_audio"
"""The tasks that take the time."""
COPY_WEIGHT = 60_000
"""The work of a picture that is copied."""


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
    branches = _branches(tasks)
    makers = [task for task in tasks if task.name in (COPY, CHUNK)]
    pictures = [
        _picture(rung, makers, branches.get(str(rung["name"]), [])) for rung in _ladder(makers)
    ]
    sounds = [_sound(name, branch) for name, branch in branches.items() if _is_sound(branch)]
    tracks = (*pictures, *sounds)
    weight = sum(track.weight for track in tracks)
    if tasks and all(task.state is TaskState.DONE for task in tasks):
        return JobProgress(tracks, 1.0)
    done = sum(track.weight * track.fraction for track in tracks)
    # What comes after the tracks takes no time to speak of, but is not done yet.
    return JobProgress(tracks, 0.99 * done / weight if weight else 0.0)


def track_names(tasks: Iterable[Task]) -> dict[int, str]:
    """What each task works on, by its id: a track, or a chunk of all renditions."""
    tasks = list(tasks)
    chunks = [task for task in tasks if task.name == CHUNK]
    names = {
        task.id: f"chunk {number} of {len(chunks)}" for number, task in enumerate(chunks, start=1)
    }
    names |= {task.id: _copied(task) for task in tasks if task.name == COPY}
    return names | {task.id: name for name, branch in _branches(tasks).items() for task in branch}


def _branches(tasks: Iterable[Task]) -> dict[str, list[Task]]:
    """The tasks that belong to one track alone, by its name."""
    found = dict[str, list[Task]]()
    for task in tasks:
        found.setdefault(_branch(task), []).append(task)
    named = ((str(branch[0].params.get("name", "")), branch) for branch in found.values())
    return {name: branch for name, branch in named if name}


def _branch(task: Task) -> str:
    """A task's key without its number in the chain: `….1.2:chunk_hls` belongs to `….1`."""
    return task.key.rpartition(":")[0].rpartition(".")[0]


def _ladder(makers: Sequence[Task]) -> list[dict[str, Any]]:
    """The renditions that the tasks that make pictures make together."""
    return list(makers[0].params["ladder"]) if makers else []


def _copied(task: Task) -> str:
    """The name of the rendition that a task copies; empty for others."""
    return str(task.params["copied"]) if task.name == COPY else ""


def _is_sound(branch: Sequence[Task]) -> bool:
    return any(task.name == SOUND for task in branch)


def _picture(rung: dict[str, Any], makers: Sequence[Task], branch: Sequence[Task]) -> TrackProgress:
    name = str(rung["name"])
    if copies := [task for task in makers if _copied(task) == name]:
        return _track(name, copies, copies[0].progress, branch, COPY_WEIGHT)
    chunks = [task for task in makers if task.name == CHUNK]
    lengths = [_frames(chunk) for chunk in chunks]
    encoded = sum(chunk.progress * n for chunk, n in zip(chunks, lengths, strict=True))
    return _track(name, chunks, encoded / sum(lengths), branch, _weight(rung))


def _sound(name: str, branch: Sequence[Task]) -> TrackProgress:
    encoding = [task for task in branch if task.name == SOUND]
    others = [task for task in branch if task.name != SOUND]
    return _track(name, encoding, encoding[0].progress, others, SOUND_WEIGHT)


def _frames(chunk: Task) -> int:
    facts = chunk.params["chunk"]
    return int(facts["end_frame"]) - int(facts["first_frame"])


def _track(
    name: str, encodings: Sequence[Task], encoded: float, others: Sequence[Task], weight: float
) -> TrackProgress:
    rest = sum(task.state is TaskState.DONE for task in others) / (len(others) or 1)
    fraction = ENCODING_SHARE * encoded + (1 - ENCODING_SHARE) * rest
    details = [task.detail for task in encodings if task.state is TaskState.RUNNING and task.detail]
    return TrackProgress(name, _stage(encodings, others), fraction, weight, _together(details))


def _together(details: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What tasks that run side by side say of themselves, as one."""
    if not details:
        return {}
    lefts = [detail["eta_seconds"] for detail in details if detail.get("eta_seconds") is not None]
    return {
        "fps": sum(float(detail.get("fps") or 0) for detail in details),
        "speed": sum(float(detail.get("speed") or 0) for detail in details),
        "eta_seconds": max(lefts, default=None),
    }


def _stage(encodings: Sequence[Task], others: Sequence[Task]) -> str:
    states = {task.state for task in (*encodings, *others)}
    if states == {TaskState.DONE} and others:
        return "done"
    if TaskState.FAILED in states:
        return "failed"
    if states & {TaskState.CANCELLED, TaskState.SKIPPED}:
        return "stopped"
    running = [task for task in encodings if task.state is TaskState.RUNNING]
    if running:
        return "proving" if all(task.progress >= 1 for task in running) else "encoding"
    return "packaging" if {task.state for task in encodings} == {TaskState.DONE} else "waiting"


def _weight(rung: dict[str, Any]) -> float:
    factor = HEVC_FACTOR if rung.get("codec") == "hevc" else 1
    return DECODING_WEIGHT + factor * int(rung["height"]) ** 2
