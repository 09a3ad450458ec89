"""One job as it is told to all who watch it: written once, however many they are."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi.sse import format_sse_event
from pydantic import BaseModel, Field

from adaptation.api.rows import job_row, log_row, task_rows
from adaptation.api.schemas import JobRow, LogRow, OneJob, TaskRow
from adaptation.engine.model import Job, LogLine, Task
from adaptation.engine.watching import Mark

MOST_WAITING = 2_000
"""Log lines that wait for a slow listener; with one more its stream ends, and it asks anew."""
TOLD_OF_AN_ERROR = ("code", "message", "hint", "task", "task_id")


class ListedEvent(JobRow):
    """A job among all that are watched."""

    progress: float = Field(ge=0, le=1, description="Mean of its tasks.")
    error: dict[str, Any] | None = Field(
        description="code, message, hint, task and task_id of the first failure."
    )


class JobEvent(OneJob):
    """A job while it is watched."""

    progress: float = Field(ge=0, le=1, description="Mean of its tasks.")
    error: dict[str, Any] | None = Field(
        description="code, message, hint, task and task_id of the first failure."
    )


@dataclass(frozen=True)
class Line:
    """A log line, ready to be sent."""

    id: int
    severity: int
    event: bytes
    task_id: int = 0
    """0 for the job itself."""
    text: str = ""
    """The message, where listeners look for words."""


def anything(line: Line) -> bool:  # noqa: ARG001
    """What somebody wants to hear who has not said what."""
    return True


@dataclass(frozen=True)
class News:
    """What has become of one job since the last look."""

    lines: Sequence[Line] = ()
    states: Sequence[tuple[object, bytes]] = ()
    """Events by what they are about: a newer one takes the place of an older one."""
    end: bytes = b""
    """The last event; empty: the job goes on."""


@dataclass(eq=False)
class Listener:
    """One open stream, and what waits to be sent to it."""

    job_id: int
    severity: int
    """The lowest that it is told."""
    settled: int
    """Log lines with a higher id come from the hub; with a lower one only out of the past."""
    known: frozenset[int] = frozenset()
    """Lines that it is not told, as they were there before it."""
    wants: Callable[[Line], bool] = anything
    """Which lines of that severity it is told."""
    lines: deque[Line] = field(default_factory=deque)
    states: dict[object, bytes] = field(default_factory=dict)
    last: bytes = b""
    over: bool = False
    """Whether nothing more will come."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, news: News) -> None:
        """Take news; what is not sent yet of an older state is forgotten."""
        if self.over:
            return
        self.lines.extend(self.fitting(news.lines))
        for about, event in news.states:
            self.states.pop(about, None)
            self.states[about] = event
        if len(self.lines) > MOST_WAITING:
            self.lines.clear()
            self.close()
        elif news.end:
            self.last = news.end
            self.close()
        self.wake.set()

    def fitting(self, lines: Iterable[Line]) -> list[Line]:
        """Those of some lines that it is told."""
        return [line for line in lines if line.severity >= self.severity and self.wants(line)]

    def close(self) -> None:
        """Let the stream end as soon as what waits has been sent."""
        self.over = True
        self.wake.set()

    def take(self) -> tuple[list[Line], list[bytes]]:
        """All that waits: log lines, and then states."""
        lines, states = list(self.lines), list(self.states.values())
        if self.last:
            states.append(self.last)
        self.lines.clear()
        self.states.clear()
        self.last = b""
        self.wake.clear()
        return lines, states


@dataclass(eq=False)
class Channel:
    """What is known of a job that is watched."""

    job_id: int
    after: int
    """Log lines up to this one have been told, or are out of the past."""
    listeners: set[Listener] = field(default_factory=set)
    mark: Mark | None = None
    job: Job | None = None
    place: int | None = None
    edges: list[tuple[int, int]] = field(default_factory=list)
    heard: set[int] = field(default_factory=set)
    """Lines after `after` that have been told."""
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    """The tasks as they were told last."""
    told: dict[object, bytes] = field(default_factory=dict)
    """The newest event about each thing, for those who come later."""
    _job_event: bytes = b""

    def news(self, tasks: Iterable[Task], lines: Iterable[LogLine]) -> News:
        """What of this is new."""
        states = list(self._changed(tasks))
        if self.job is None:
            return News(states=states)
        body = job_event(self.job, self.place, self.rows.values())
        if (event := event_of("job", body)) != self._job_event:
            self._job_event = event
            states.append(("job", event))
        end = event_of("end", body) if self.job.ended else b""
        return News(list(self._unheard(lines)), states, end)

    def tell(self, news: News, settled: int) -> None:
        """Pass news on to all, and forget what can be asked for no more.

        Args:
            settled: the hub has seen all log lines up to this one.
        """
        self.told.update(news.states)
        self.after = settled
        self.heard = {line_id for line_id in self.heard if line_id > settled}
        for listener in self.listeners:
            listener.hear(news)

    def close(self) -> None:
        """Let all streams end."""
        for listener in self.listeners:
            listener.close()

    def turned(self, mark: Mark) -> bool:
        """Whether so much has changed that any task may have."""
        return self.mark is not None and self.mark.phase != mark.phase

    def _changed(self, tasks: Iterable[Task]) -> Iterable[tuple[object, bytes]]:
        for row in task_rows(tasks, self.edges):
            if self.rows.get(row["id"]) != row:
                self.rows[row["id"]] = row
                yield row["id"], event_of("task", TaskRow.model_validate(row))

    def _unheard(self, lines: Iterable[LogLine]) -> Iterable[Line]:
        for line in lines:
            if line.id > self.after and line.id not in self.heard:
                self.heard.add(line.id)
                yield self._line(line)

    def _line(self, line: LogLine) -> Line:
        return line_event(line)


def job_event(job: Job, place: int | None, tasks: Iterable[dict[str, Any]]) -> JobEvent:
    """A job with how far it is, and why it failed."""
    shares = [task["progress"] for task in tasks]
    progress = sum(shares) / len(shares) if shares else 0.0
    facts = {"progress": progress, "error": told_of_error(job)}
    return JobEvent.model_validate(job_row(job, place) | facts)


def told_of_error(job: Job) -> dict[str, Any] | None:
    """Why a job failed, as events tell it."""
    return job.error and {name: job.error.get(name) for name in TOLD_OF_AN_ERROR}


def line_event(line: LogLine) -> Line:
    """A log line as it is sent."""
    return Line(line.id, line.severity, event_of("log", LogRow.model_validate(log_row(line))))


def numbered(event: bytes, last_line: int) -> bytes:
    """An event with the id from which a stream goes on after it."""
    return b"%sid: %d\n\n" % (event, last_line)


def event_of(name: str, row: BaseModel) -> bytes:
    """An event without the empty line that ends it, so that each stream can number it."""
    return format_sse_event(event=name, data_str=row.model_dump_json())[:-1]
