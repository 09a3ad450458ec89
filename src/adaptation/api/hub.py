"""Looks at all watched jobs together, and tells those who listen what has happened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial

from adaptation.api.channel import Channel, Line, Listener, News, anything, line_event
from adaptation.api.ticking import Ticking
from adaptation.engine.lists import JobQuery
from adaptation.engine.model import Job, LogLine
from adaptation.engine.states import JobState
from adaptation.engine.store import Store
from adaptation.engine.watching import PAGE_LINES, Changes

PLACE_TICKS = 4
"""After so many looks the places in the queue are asked for again."""


@dataclass(frozen=True)
class _Asked:
    """What one look asks for."""

    channels: tuple[Channel, ...]
    log_after: int
    since_ms: int
    task_after: int
    with_places: bool


class Hub(Ticking):
    """The one place of a process that asks the store on behalf of those who listen to one job."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._channels: dict[int, Channel] = {}
        self._since_ms = 0
        self._task_after = 0
        self._ticks = 0

    @property
    def _is_watched(self) -> bool:
        return bool(self._channels)

    def _forget(self) -> None:
        self._channels.clear()
        self._since_ms = self._task_after = 0

    async def listen(
        self, job_id: int, severity: int, wants: Callable[[Line], bool] = anything
    ) -> Listener:
        """Begin to hear of a job: first all there is to say of it, then what changes.

        Args:
            job_id: of the job.
            severity: the lowest of log lines.
            wants: which of these lines.
        """
        settled = await self._begin()
        channel = self._channels.get(job_id) or self._channel(job_id, settled)
        listener = Listener(job_id, severity, channel.after, wants=wants)
        if self._closed:
            listener.close()
            return listener
        self._channels[job_id] = channel
        channel.listeners.add(listener)
        self._listeners.add(listener)
        listener.hear(News(states=tuple(channel.told.items())))
        self._look_soon()
        return listener

    def leave(self, listener: Listener) -> None:
        """Forget one that hears no more."""
        self._listeners.discard(listener)
        channel = self._channels.get(listener.job_id)
        if channel is not None:
            channel.listeners.discard(listener)
            if not channel.listeners:
                self._drop(channel)

    async def past(self, listener: Listener, told: int) -> AsyncIterator[list[Line]]:
        """What was logged after a line, in pages; until then the hub's own lines wait."""
        ask = self._store
        after = await self._patiently(partial(ask.where_to_go_on, listener.job_id, told))
        while not self._closed:
            asked = partial(ask.log_page, listener.job_id, after, listener.severity)
            page = await self._patiently(asked)
            if lines := listener.fitting(self._line(line) for line in page):
                yield lines
            if len(page) < PAGE_LINES:
                return
            after = page[-1].id

    async def _tick(self) -> None:
        channels = tuple(self._channels.values())
        asked = _Asked(
            channels=channels,
            log_after=min(channel.after for channel in channels),
            since_ms=self._since_ms,
            task_after=self._task_after,
            with_places=self._ticks % PLACE_TICKS == 0,
        )
        found, news = await asyncio.to_thread(self._look, asked)
        self._ticks += 1
        self._since_ms = found.now_ms
        self._task_after = max(self._task_after, *(one.id for one in found.tasks), 0)
        settled = self._settle(found.now_ms, found.last_line_id)
        for channel in channels:
            channel.tell(news[channel.job_id], settled)
            gone = channel.job_id not in found.marks
            if gone:
                channel.close()
            if gone or news[channel.job_id].end:
                self._drop(channel)

    def _channel(self, job_id: int, after: int) -> Channel:
        """What is told of one job, and in which words."""
        return Channel(job_id, after)

    def _line(self, line: LogLine) -> Line:
        """A line of a log in the same words."""
        return line_event(line)

    def _drop(self, channel: Channel) -> None:
        # Whoever listened and left may have made room for a new channel of the same job.
        if self._channels.get(channel.job_id) is channel:
            del self._channels[channel.job_id]

    def _look(self, asked: _Asked) -> tuple[Changes, dict[int, News]]:
        """Ask the store; first everything, so that what breaks off has changed nothing."""
        channels = {channel.job_id: channel for channel in asked.channels}
        found = self._changes(asked, [one.job_id for one in asked.channels if one.mark is None])
        turned = [job_id for job_id, mark in found.marks.items() if channels[job_id].turned(mark)]
        if turned:
            found = self._changes(asked, turned)
        jobs = self._jobs(channels, found)
        edges = {job_id: self._store.edges(job_id) for job_id in _grown(channels, found)}
        queued = [job_id for job_id, mark in found.marks.items() if mark.state == JobState.QUEUED]
        ask_places = queued and (jobs or asked.with_places)
        places = self._store.positions(queued) if ask_places else None
        for job_id, mark in found.marks.items():
            channel = channels[job_id]
            channel.mark, channel.job = mark, jobs.get(job_id, channel.job)
            channel.edges = edges.get(job_id, channel.edges)
            if places is not None or mark.state != JobState.QUEUED:
                channel.place = (places or {}).get(job_id)
        return found, {
            job_id: channel.news(
                [one for one in found.tasks if one.job_id == job_id],
                [one for one in found.lines if one.job_id == job_id],
            )
            for job_id, channel in channels.items()
        }

    def _changes(self, asked: _Asked, whole: list[int]) -> Changes:
        return self._store.changes_of(
            [channel.job_id for channel in asked.channels],
            log_after=asked.log_after,
            since_ms=asked.since_ms,
            task_after=asked.task_after,
            whole=whole,
        )

    def _jobs(self, channels: dict[int, Channel], found: Changes) -> dict[int, Job]:
        """The jobs whose rows have changed."""
        ids = tuple(
            job_id
            for job_id, mark in found.marks.items()
            if (known := channels[job_id].mark) is None or known.facts != mark.facts
        )
        query = JobQuery(job_ids=ids, limit=len(ids))
        return {job.id: job for job in self._store.list_jobs(query)} if ids else {}


def _grown(channels: dict[int, Channel], found: Changes) -> set[int]:
    """The jobs that have got tasks that were not known."""
    return {one.job_id for one in found.tasks if one.id not in channels[one.job_id].rows}
