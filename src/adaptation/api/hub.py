"""Looks at all watched jobs together, and tells those who listen what has happened."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from adaptation.api.channel import Channel, Line, Listener, News, line_event
from adaptation.engine.lists import JobQuery
from adaptation.engine.model import Job
from adaptation.engine.states import JobState
from adaptation.engine.store import Store
from adaptation.engine.watching import PAGE_LINES, Changes

logger = structlog.get_logger(__name__)

TICK_SECONDS = 0.5
"""Time between looks."""
AT_ONCE_SECONDS = 0.05
"""The first look at a job is taken so soon, together with others that come meanwhile."""
AWAY_SECONDS = 1.0
"""Time between tries while the database is away."""
PLACE_TICKS = 4
"""After so many looks the places in the queue are asked for again."""
MOST_LISTENERS = 1_000
"""Open streams of one process; each takes a connection and a few kilobytes."""
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class _Asked:
    """What one look asks for."""

    channels: tuple[Channel, ...]
    log_after: int
    since_ms: int
    task_after: int
    with_places: bool


class Hub:
    """The one place of a process that asks the store on behalf of those who listen.

    All but `close` is called in the event loop of the server; the store is asked in a thread,
    one question at a time.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._channels: dict[int, Channel] = {}
        self._listeners: set[Listener] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._beginning = asyncio.Lock()
        self._soon = asyncio.Event()
        self._settled: int | None = None
        self._since_ms = 0
        self._task_after = 0
        self._ticks = 0
        self._seen: deque[tuple[int, int]] = deque()
        self._closed = False

    @property
    def is_full(self) -> bool:
        """Whether nobody more may listen."""
        return len(self._listeners) >= MOST_LISTENERS

    async def listen(self, job_id: int, severity: int) -> Listener:
        """Begin to hear of a job: first all there is to say of it, then what changes."""
        async with self._beginning:
            if self._settled is None and not self._closed:
                # It raises only when the server stops: nobody is told anything then.
                with suppress(SQLAlchemyError):
                    self._settled = await self._patiently(self._store.last_settled_line)
        channel = self._channels.get(job_id) or Channel(job_id, self._settled or 0)
        listener = Listener(job_id, severity, channel.after)
        if self._closed:
            listener.close()
            return listener
        self._channels[job_id] = channel
        channel.listeners.add(listener)
        self._listeners.add(listener)
        listener.hear(News(states=tuple(channel.told.items())))
        self._soon.set()
        if self._ticking is None:
            self._loop = asyncio.get_running_loop()
            # In a context of its own: what it logs belongs to no request.
            self._ticking = self._loop.create_task(self._tick_on(), context=Context())
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
            if page:
                yield [line_event(line) for line in page]
            if len(page) < PAGE_LINES:
                return
            after = page[-1].id

    def close(self) -> None:
        """End all streams, from whatever thread; nobody hears any more afterwards."""
        self._closed = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._close_all)

    def _close_all(self) -> None:
        self._soon.set()
        for listener in self._listeners:
            listener.close()

    async def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        """An answer of the store, however long it is away."""
        while True:
            try:
                return await asyncio.to_thread(ask)
            except SQLAlchemyError:
                if self._closed:
                    raise
                await asyncio.sleep(AWAY_SECONDS)

    async def _tick_on(self) -> None:
        try:
            await self._tick_while_watched()
        except Exception:
            # Whoever listens shall not wait for ever: they ask anew, and begin with a new look.
            logger.exception("watched jobs cannot be told of")
            self._close_all()
            self._channels.clear()
        self._ticking = self._settled = None
        self._since_ms = self._task_after = 0
        self._seen.clear()

    async def _tick_while_watched(self) -> None:
        away = False
        while self._channels and not self._closed:
            self._soon.clear()
            try:
                await self._tick()
                away = False
            except SQLAlchemyError as error:
                if not away:
                    logger.warning("watched jobs cannot be looked at", error=str(error))
                away = True
            await self._rest(AWAY_SECONDS if away else TICK_SECONDS)

    async def _rest(self, seconds: float) -> None:
        await asyncio.sleep(AT_ONCE_SECONDS)
        try:
            await asyncio.wait_for(self._soon.wait(), seconds - AT_ONCE_SECONDS)
        except TimeoutError:
            return

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
        settled = self._settle(found)
        for channel in channels:
            channel.tell(news[channel.job_id], settled)
            gone = channel.job_id not in found.marks
            if gone:
                channel.close()
            if gone or news[channel.job_id].end:
                self._drop(channel)

    def _settle(self, found: Changes) -> int:
        """The line up to which no other can become visible any more."""
        self._seen.append((found.now_ms, found.last_line_id))
        while self._seen and self._seen[0][0] <= found.now_ms - self._store.late_ms:
            self._settled = max(self._settled or 0, self._seen.popleft()[1])
        return self._settled or 0

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
