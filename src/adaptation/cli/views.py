"""What a person or a program sees of a job while it runs: bars, plain lines, or JSON events."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from adaptation.cli import output
from adaptation.cli.output import clock, percent
from adaptation.cli.progress import JobProgress, TrackProgress, track_names
from adaptation.engine.model import Job, LogLine, Message, Task
from adaptation.engine.states import JobState, TaskState

SILENCE_SECONDS = 10.0
"""After this long without a line the plain view says how far it is."""
WARNING = 30
STEPS = {
    "download_file": "source is here",
    "get_video_size": "source is read",
    "copy_picture": "copied and proven",
    "encode_chunk": "encoded and proven",
    "transcode_audio": "encoded and proven",
    "chunk_hls": "packaged",
    "publish": "published",
}
"""Tasks worth a line when they are done."""


@dataclass(frozen=True)
class Look:
    """A job at one moment, and what is new since the last look."""

    job: Job
    tasks: list[Task]
    progress: JobProgress
    seconds_left: float | None
    lines: list[LogLine]
    """New lines of the job's log."""
    messages: list[Message]
    """New notifications."""
    watchable: Path | None = None
    """Where the growing asset lies, at the first look at which it can be watched."""


class View(Protocol):
    """One way to show a job."""

    def show(self, look: Look) -> None:
        """Show what has changed."""

    def close(self) -> None:
        """Leave the terminal as it was."""


@dataclass
class Events:
    """NDJSON on stdout: `task` and `progress` when they change, `notification` as they come."""

    _tasks: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    _percent: int = -1

    def show(self, look: Look) -> None:
        """Print an event for whatever has changed."""
        names = track_names(look.tasks)
        for task in look.tasks:
            self._show_task(task, names.get(task.id))
        if (percent := int(100 * look.progress.fraction)) != self._percent:
            self._percent = percent
            left = look.seconds_left
            output.event("progress", fraction=look.progress.fraction, eta_seconds=left)
        for message in look.messages:
            output.event("notification", message=message.body)
        if look.watchable:
            output.event("watchable", folder=str(look.watchable))

    def close(self) -> None:
        """Nothing to leave."""

    def _show_task(self, task: Task, track: str | None) -> None:
        facts = (task.state, task.attempt, task.progress)
        if self._tasks.get(task.id, (TaskState.WAITING, 0, 0.0)) == facts:
            return
        self._tasks[task.id] = facts
        output.event(
            "task",
            task_id=task.id,
            name=task.name,
            track=track,
            state=task.state,
            attempt=task.attempt,
            progress=task.progress,
            **(task.detail or {}),
        )


@dataclass
class Lines:
    """Plain lines on stderr: one for each finished step, and the state after a silence."""

    _done: set[int] = field(default_factory=set)
    _spoken: float = field(default_factory=time.monotonic)
    _begun: bool = False

    def show(self, look: Look) -> None:
        """Print a line for what has ended since the last look."""
        for line in [*warnings(look), *invitation(look), *self._finished(look)]:
            self._say(line)
        if time.monotonic() - self._spoken > SILENCE_SECONDS:
            self._say(summary(look))

    def close(self) -> None:
        """Nothing to leave."""

    def _finished(self, look: Look) -> Iterable[str]:
        names = track_names(look.tasks)
        done = [task for task in look.tasks if task.state is TaskState.DONE]
        new = [task for task in done if task.id not in self._done]
        self._done.update(task.id for task in new)
        # What an earlier run finished is not this run's news.
        shown = new if self._begun else []
        self._begun = True
        for task in sorted(shown, key=lambda task: task.finished_at or look.job.created_at):
            if task.name in STEPS and not (task.name == "download_file" and is_local(look.job)):
                track = f"{names[task.id]} " if task.id in names else ""
                yield f"{percent(look.progress.fraction)}  {track}{STEPS[task.name]}{_took(task)}"

    def _say(self, line: str) -> None:
        output.note(line)
        self._spoken = time.monotonic()


class Bars:
    """A bar for each track and one for all, on a terminal's stderr."""

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24, complete_style="cyan", finished_style="green"),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[facts]}"),
            console=Console(stderr=True),
            refresh_per_second=8,
        )
        self._ids: dict[str, TaskID] = {}
        self._bars.start()

    def show(self, look: Look) -> None:
        """Move the bars."""
        for line in [*warnings(look), *invitation(look)]:
            self._bars.console.print(line, markup=False, highlight=False)
        tracks = look.progress.tracks
        for track in tracks:
            self._set(track.name, track.fraction, _facts(track))
        running = [task for task in look.tasks if task.state is TaskState.RUNNING]
        if not tracks and running:
            self._set("source", running[0].progress, _doing(running[0]))
        if tracks:
            self._hide("source")
            self._set("total", look.progress.fraction, _total_facts(look))

    def close(self) -> None:
        """Leave the bars as they stand."""
        self._bars.stop()

    def _set(self, name: str, fraction: float, facts: str) -> None:
        if name not in self._ids:
            self._ids[name] = self._bars.add_task(f"{name:<10}", total=1.0, facts="")
        self._bars.update(self._ids[name], completed=fraction, facts=facts)

    def _hide(self, name: str) -> None:
        if name in self._ids:
            self._bars.update(self._ids[name], visible=False)


def is_local(job: Job) -> bool:
    """Whether the source needs no download."""
    return "://" not in str(job.parameters.get("url"))


def warnings(look: Look) -> list[str]:
    """New lines of the log that a person should see now; a job's end is told elsewhere."""
    if look.job.failed or look.job.cancelling:
        return []
    return [f"warning: {line.message}" for line in look.lines if line.severity >= WARNING]


def invitation(look: Look) -> list[str]:
    """How to watch what there is, said once."""
    if look.watchable is None or look.job.ended:
        return []
    return [
        f"It can be watched while it grows: adaptation play {shlex.quote(str(look.job.output))}"
    ]


def summary(look: Look) -> str:
    """A job in one line."""
    progress = look.progress
    if look.job.state is JobState.PAUSED:
        return f"paused; to go on: adaptation resume {look.job.id}"
    if not progress.tracks:
        running = [task for task in look.tasks if task.state is TaskState.RUNNING]
        return f"{percent(running[0].progress)}  {_doing(running[0])}" if running else "waiting"
    tracks = f"{progress.done} of {len(progress.tracks)} tracks"
    return f"{percent(progress.fraction)}  {tracks}  {_total_facts(look)}".rstrip()


def _facts(track: TrackProgress) -> str:
    if track.stage != "encoding" or not track.detail:
        return track.stage
    fps, speed, left = (track.detail.get(key) for key in ("fps", "speed", "eta_seconds"))
    parts = [f"{fps:.0f} fps" if fps else "", f"{speed:.2g}x" if speed else ""]
    parts.append(f"ETA {clock(left)}" if left is not None else "")
    return "  ".join(part for part in parts if part) or track.stage


def _total_facts(look: Look) -> str:
    if look.job.state is JobState.PAUSED:
        return "paused"
    if look.progress.fraction == 1:
        return "done"
    fps = f"{look.progress.fps:.0f} fps" if look.progress.fps else ""
    left = f"ETA {clock(look.seconds_left)}" if look.seconds_left is not None else ""
    return "  ".join(part for part in (fps, left) if part)


def _doing(task: Task) -> str:
    """A task before the tracks are known, with how much has come."""
    size_bytes = (task.detail or {}).get("bytes")
    size = f"  {size_bytes / 1e6:.1f} MB" if size_bytes else ""
    return f"{task.name.replace('_', ' ')}{size}"


def _took(task: Task) -> str:
    if task.started_at is None or task.finished_at is None:
        return ""
    return f" in {(task.finished_at - task.started_at).total_seconds():.1f} s"
