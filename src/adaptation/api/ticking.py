"""What all have in common that look at the store again and again for those who listen."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from contextvars import Context
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from adaptation.api.channel import Line, Listener
from adaptation.engine.store import Store

logger = structlog.get_logger(__name__)

TICK_SECONDS = 0.5
"""Time between looks."""
AT_ONCE_SECONDS = 0.05
"""The first look is taken so soon, together with others that come meanwhile."""
AWAY_SECONDS = 1.0
"""Time between tries while the database is away."""
MOST_LISTENERS = 1_000
"""Open streams of each kind in one process; each takes a connection and a few kilobytes."""
Answer = TypeVar("Answer")


class Ticking(ABC):
    """Looks at the store on behalf of those who listen, while anybody does.

    All but `close` is called in the event loop of the server; the store is asked in a thread,
    one question at a time.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listeners: set[Listener] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._beginning = asyncio.Lock()
        self._soon = asyncio.Event()
        self._settled: int | None = None
        self._seen: deque[tuple[int, int]] = deque()
        self._closed = False

    @property
    def is_full(self) -> bool:
        """Whether nobody more may listen."""
        return len(self._listeners) >= MOST_LISTENERS

    @abstractmethod
    def past(self, listener: Listener, told: int) -> AsyncIterator[list[Line]]:
        """What was logged after a line, in pages; until then its news wait."""

    @abstractmethod
    def leave(self, listener: Listener) -> None:
        """Forget one that hears no more."""

    @property
    @abstractmethod
    def _is_watched(self) -> bool:
        """Whether there is anything to look at."""

    @abstractmethod
    async def _tick(self) -> None:
        """Look once, and tell."""

    @abstractmethod
    def _forget(self) -> None:
        """Know nothing any more of what was seen."""

    def close(self) -> None:
        """End all streams, from whatever thread; nobody hears any more afterwards."""
        self._closed = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._close_all)

    async def _begin(self) -> int:
        """The line up to which no other can become visible any more, asked for once."""
        async with self._beginning:
            if self._settled is None and not self._closed:
                # It raises only when the server stops: nobody is told anything then.
                with suppress(SQLAlchemyError):
                    self._settled = await self._patiently(self._store.last_settled_line)
        return self._settled or 0

    def _look_soon(self) -> None:
        self._soon.set()
        if self._ticking is None:
            self._loop = asyncio.get_running_loop()
            # In a context of its own: what it logs belongs to no request.
            self._ticking = self._loop.create_task(self._tick_on(), context=Context())

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
        self._ticking = self._settled = None
        self._seen.clear()
        self._forget()

    async def _tick_while_watched(self) -> None:
        away = False
        while self._is_watched and not self._closed:
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

    def _settle(self, now_ms: int, last_line_id: int) -> int:
        """The line up to which no other can become visible any more, after one more look."""
        self._seen.append((now_ms, last_line_id))
        while self._seen and self._seen[0][0] <= now_ms - self._store.late_ms:
            self._settled = max(self._settled or 0, self._seen.popleft()[1])
        return self._settled or 0
