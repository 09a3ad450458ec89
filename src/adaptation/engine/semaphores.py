"""Asking the addresses that scheduled jobs wait for, none delaying another."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import structlog
from sqlalchemy.exc import SQLAlchemyError

from adaptation.adapters.masking import masked
from adaptation.engine.store import Store
from adaptation.errors import SourceError

logger = structlog.get_logger(__name__)

AT_ONCE = 16
"""Addresses asked at the same time."""
OF_ONE_HOST = 4
"""Of those, how many of one host: one that hangs leaves room for the others."""

Answers = Callable[[str, threading.Event, Mapping[str, object] | None], bool]
"""(address, stop, a client's own limits) -> whether it answers well. It never takes long, and stops
when told to; it raises SourceError for an address that may not be asked."""


@dataclass
class Semaphores:
    """The threads that ask, and what waits for them."""

    store: Store
    answers: Answers
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stops: dict[str, threading.Event] = field(default_factory=dict)
    """By address: all that wait or are being asked."""
    _waiting: defaultdict[str, deque[str]] = field(default_factory=lambda: defaultdict(deque))
    """By host."""
    _asking: Counter[str] = field(default_factory=Counter)
    _pool: ThreadPoolExecutor | None = None

    def look(self) -> None:
        """Ask all of them, if it is time to; returns at once."""
        urls = self.store.semaphores()
        with self._lock:
            for url in urls:
                if url not in self._stops:
                    self._stops[url] = threading.Event()
                    self._waiting[_host(url)].append(url)
            for host in list(self._waiting):
                self._fill(host)

    def stop(self) -> None:
        """Ask nothing any more, and wait for those who ask."""
        with self._lock:
            self._waiting.clear()
            for stop in self._stops.values():
                stop.set()
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)
        self._stops.clear()
        self._asking.clear()

    def _fill(self, host: str) -> None:
        while self._waiting[host] and self._asking[host] < OF_ONE_HOST:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(AT_ONCE, "semaphore")
            self._asking[host] += 1
            self._pool.submit(self._ask, host, self._waiting[host].popleft())
        if not self._waiting[host]:
            del self._waiting[host]

    def _ask(self, host: str, url: str) -> None:
        try:
            self._ask_for_all(url, self._stops[url])
        except SQLAlchemyError as error:
            # The database is away: the address is asked again at the next turn.
            logger.warning("semaphore not passed", url=masked(url), error=str(error))
        finally:
            with self._lock:
                self._stops.pop(url, None)
                self._asking[host] -= 1
                if self._pool is not None and host in self._waiting:
                    self._fill(host)

    def _ask_for_all(self, url: str, stop: threading.Event) -> None:
        try:
            good = self.answers(url, stop, None)
            logger.debug("semaphore asked", url=masked(url), good=good)
            if good:
                self.store.pass_semaphore(url)
        except SourceError as error:
            self._ask_for_each(url, stop, error)

    def _ask_for_each(self, url: str, stop: threading.Event, error: SourceError) -> None:
        """Ask for the clients that may, and say in the logs of the others' jobs why they wait."""
        for client, limits in self.store.semaphore_clients(url).items():
            try:
                if self.answers(url, stop, limits):
                    self.store.pass_semaphore(url, client)
            except SourceError as own:
                why = f"{own.message}. {own.hint}"
                logger.warning("semaphore cannot be asked", url=masked(url), error=error.message)
                self.store.doubt_semaphore(url, client, why)


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]
