"""Looks at the database from outside, ten times a second: who works, who leads, how far it is."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import psycopg

from chaos.beside import beside

LOOK_SECONDS = 0.1
CONNECT_SECONDS = 2
WORKERS = "SELECT id, pid, host FROM worker"
LEADER = """
    SELECT holder FROM leader WHERE name = 'sweep'
    AND lease_until > EXTRACT(EPOCH FROM clock_timestamp()) * 1000"""
ENDED = "SELECT COUNT(*) FROM job WHERE finished_at IS NOT NULL"


@dataclass(frozen=True)
class Reign:
    """From when on somebody was seen to lead."""

    since: float
    """`time.time()`."""
    holder: str


@dataclass
class Observer:
    """What was seen so far; between two looks nothing is known."""

    url: str
    pids: dict[str, int] = field(default_factory=dict)
    """Process ids by the names that workers sign on with."""
    hosts: set[str] = field(default_factory=set)
    """All that were seen: one for each process, where the system lets them have one."""
    reigns: list[Reign] = field(default_factory=list)
    ended: int = 0
    """Jobs that have ended."""
    _over: threading.Event = field(default_factory=threading.Event)

    def running(self) -> AbstractContextManager[object]:
        """Look for the length of a block."""
        return beside(self._look_on, self._over)

    @property
    def leader_pid(self) -> int:
        """Who was last seen to lead; 0: nobody that is known."""
        return self.pids.get(self.reigns[-1].holder, 0) if self.reigns else 0

    def names_of(self, pid: int) -> list[str]:
        """The names that a process has signed on with."""
        return [name for name, known in list(self.pids.items()) if known == pid]

    def _look_on(self) -> None:
        while not self._over.is_set():
            try:
                with psycopg.connect(
                    self.url, autocommit=True, connect_timeout=CONNECT_SECONDS
                ) as connection:
                    while not self._over.wait(LOOK_SECONDS):
                        self._look(connection)
            except psycopg.OperationalError:
                # The database is away: that is what this is about.
                self._over.wait(LOOK_SECONDS)

    def _look(self, connection: psycopg.Connection) -> None:
        for name, pid, host in connection.execute(WORKERS).fetchall():
            self.pids[name] = pid
            self.hosts.add(host)
        leaders = connection.execute(LEADER).fetchall()
        if leaders and (not self.reigns or self.reigns[-1].holder != leaders[0][0]):
            self.reigns.append(Reign(time.time(), leaders[0][0]))
        self.ended = connection.execute(ENDED).fetchall()[0][0]
