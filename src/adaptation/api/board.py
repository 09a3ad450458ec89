"""Looks at what happens to all jobs, and tells each who listens of those it may see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from adaptation.api.channel import (
    Line,
    ListedEvent,
    Listener,
    News,
    event_of,
    line_event,
    told_of_error,
)
from adaptation.api.rows import job_row
from adaptation.api.ticking import Ticking
from adaptation.engine.lists import JobQuery
from adaptation.engine.model import Job
from adaptation.engine.overview import PAGE_IDS, Happenings, Standing
from adaptation.engine.states import JobState
from adaptation.engine.store import Store


@dataclass(frozen=True)
class Owned:
    """An event about a job of somebody."""

    client: str
    job_id: int
    event: bytes


@dataclass(eq=False)
class Onlooker(Listener):
    """One open stream of all jobs that a client may see."""

    client: str | None = None
    """Whose; None: everybody's."""
    is_new: bool = True
    """Whether it was told nothing before, and so wants to hear of what happens from now on."""
    newer: set[int] | None = field(default_factory=set)
    """Jobs it has been told of since it began, until it has heard how all stand."""

    def sees(self, owner: str) -> bool:
        """Whether what is this client's is told to it."""
        return self.client is None or self.client == owner


class Board(Ticking):
    """The one place of a process that asks the store on behalf of those who listen to all jobs."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._heard: set[int] = set()
        self._standing: dict[int, Standing] = {}

    @property
    def _is_watched(self) -> bool:
        return bool(self._listeners)

    def _forget(self) -> None:
        self._heard.clear()
        self._standing = {}

    async def listen(
        self, client: str | None, severity: int, *, known: frozenset[int] | None
    ) -> Onlooker:
        """Begin to hear of a client's jobs, or of all.

        Args:
            client: whose; None: everybody's.
            severity: the lowest that is told.
            known: lines that are not told, for a stream that is new; None: it goes on.
        """
        listener = Onlooker(
            0,
            severity,
            await self._begin(),
            known=known or frozenset(),
            client=client,
            is_new=known is not None,
        )
        if self._closed:
            listener.close()
            return listener
        self._listeners.add(listener)
        self._look_soon()
        return listener

    def leave(self, listener: Listener) -> None:
        """Forget one that hears no more."""
        self._listeners.discard(listener)

    async def past(self, listener: Listener, told: int) -> AsyncIterator[list[Line]]:
        """What was logged after a line, in pages; and then how all stand that may be of interest.

        Of interest are unfinished jobs, and those that have logged something meanwhile.
        """
        if not isinstance(listener, Onlooker):
            raise TypeError("a stream of one job listens to the hub")
        ask, touched, after = self._store, set[int](), told
        if not listener.is_new:
            after = await self._patiently(partial(ask.where_all_go_on, told))
        newest = await self._patiently(ask.newest_line)
        while after < newest and not self._closed:
            asked = partial(ask.log_page_of_all, listener.client, after, 0)
            page = await self._patiently(asked)
            touched.update(line.job_id for _, line in page)
            if lines := [line for _, line in page if line.severity >= listener.severity]:
                yield [line_event(line) for line in lines]
            after += PAGE_IDS
        states = await self._patiently(partial(self._all, listener.client, touched))
        # What was told meanwhile is newer than what was read here.
        newer, listener.newer = listener.newer or set(), None
        old = [one for one in states if one.job_id not in newer]
        listener.hear(News(states=[(one.job_id, one.event) for one in old]))

    async def _tick(self) -> None:
        after, heard = self._settled or 0, frozenset(self._heard)
        found, events = await asyncio.to_thread(self._look, after, heard, self._standing)
        new = [(owner, line_event(line)) for owner, line in found.lines if line.id not in heard]
        self._standing = found.standing
        settled = self._settle(found.now_ms, found.last_line_id)
        self._heard.update(line.id for _, line in new)
        self._heard = {line_id for line_id in self._heard if line_id > settled}
        for listener in self._listeners:
            if isinstance(listener, Onlooker):
                _tell(listener, new, events)

    def _look(
        self, after: int, heard: Collection[int], before: Mapping[int, Standing]
    ) -> tuple[Happenings, list[Owned]]:
        found = self._store.happenings(after, heard)
        changed = [job_id for job_id, now in found.standing.items() if before.get(job_id) != now]
        return found, self._events(changed, found.standing)

    def _all(self, client: str | None, touched: Collection[int]) -> list[Owned]:
        ids = sorted({*self._store.unfinished(client), *touched})
        return self._events(ids, self._store.standing_of(ids))

    def _events(self, ids: Collection[int], standing: Mapping[int, Standing]) -> list[Owned]:
        if not ids:
            return []
        query = JobQuery(job_ids=tuple(ids), limit=len(ids), ascending=True)
        jobs = [job for job in self._store.list_jobs(query) if job.id in standing]
        queued = [job.id for job in jobs if job.state is JobState.QUEUED]
        places = self._store.positions(queued) if queued else {}
        found = []
        for job in jobs:
            event = self._event(job, standing[job.id].progress, places.get(job.id))
            found.append(Owned(job.client, job.id, event))
        return found

    def _event(self, job: Job, progress: float, place: int | None) -> bytes:
        """A job as it is told."""
        facts = {"progress": progress, "error": told_of_error(job)}
        return event_of("job", ListedEvent.model_validate(job_row(job, place) | facts))


def _tell(listener: Onlooker, lines: Iterable[tuple[str, Line]], events: Iterable[Owned]) -> None:
    seen = [one for one in events if listener.sees(one.client)]
    if listener.newer is not None:
        listener.newer.update(one.job_id for one in seen)
    listener.hear(
        News(
            lines=[line for owner, line in lines if listener.sees(owner)],
            states=[(one.job_id, one.event) for one in seen],
        )
    )
