"""Does what the plan says to the fleet, the broker and the database, and writes it down."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from brokers import Broker
from chaos.observer import Observer
from chaos.plan import Fault, Kind
from chaos.supervisor import Member, Supervisor
from postgres import Postgres

SHORTEST_SECONDS, LONGEST_SECONDS = 0.2, 2.5
"""How long what is down stays down, and a disk full."""
OUTAGE_SECONDS = 8.0
"""How long the database stays down at most: longer than one call waits, but seldom."""
BEYOND_SECONDS = 2.0
"""How long a process that stands still does so beyond its leases, at least."""
BALLAST = "ballast"
BLOCK = bytes(65_536)
FAST, IMMEDIATE = 2, 3
"""PostgreSQL's SIGINT and SIGQUIT."""


@dataclass(frozen=True)
class Injected:
    """A fault that was injected."""

    fault: Fault
    at: float
    """`time.time()` just before."""
    pid: int = 0
    """The process it befell."""


@dataclass
class Director:
    """Starts each fault at its time; those that last go on in threads of their own."""

    fleet: Supervisor
    postgres: Postgres
    broker: Broker
    observer: Observer
    queues: Sequence[str]
    """Those of tasks, which the broker forgets when it is flushed."""
    lease_seconds: float
    injected: list[Injected] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    """What could not be done."""
    wiped: list[float] = field(default_factory=list)
    """`time.time()` whenever the broker had forgotten all."""
    _threads: list[threading.Thread] = field(default_factory=list)
    _broker_lock: threading.Lock = field(default_factory=threading.Lock)
    _database_lock: threading.Lock = field(default_factory=threading.Lock)

    def inject(self, fault: Fault) -> None:
        """Begin a fault."""
        deed = self._deeds()[fault.kind]
        thread = threading.Thread(target=self._guarded, args=(deed, fault), daemon=True)
        self._threads.append(thread)
        thread.start()

    def heal(self) -> None:
        """Wait until everything that was begun is over."""
        for thread in self._threads:
            thread.join()

    def _deeds(self) -> dict[Kind, Callable[[Fault], None]]:
        fleet = self.fleet
        return {
            Kind.WORKER_KILLED: lambda fault: self._hurt(fault, "worker", fleet.kill),
            Kind.HOST_LOST: lambda fault: self._hurt(fault, "worker", fleet.lose_host),
            Kind.WORKER_STOPPED: self._stop,
            Kind.WORKER_DRAINED: self._drain,
            Kind.CONTROLLER_KILLED: lambda fault: self._hurt(fault, "controller", fleet.kill),
            Kind.LEADER_KILLED: self._kill_leader,
            Kind.BROKER_FLUSHED: self._flush,
            Kind.BROKER_KILLED: self._kill_broker,
            Kind.DATABASE_RESTARTED: lambda fault: self._restart_database(fault, FAST),
            Kind.DATABASE_CRASHED: lambda fault: self._restart_database(fault, IMMEDIATE),
            Kind.CONNECTIONS_CUT: self._cut,
            Kind.SCRATCH_FILLED: self._fill,
        }

    def _is_at_work(self, member: Member) -> bool:
        """Whether a process has got so far that it minds signals and holds tasks."""
        return member.process is not None and bool(self.observer.names_of(member.process.pid))

    def _guarded(self, deed: Callable[[Fault], None], fault: Fault) -> None:
        try:
            deed(fault)
        except BaseException as error:  # noqa: BLE001 - pytest's own ends are such
            self.errors.append(f"{fault.kind}: {type(error).__name__}: {error}")

    def _note(self, fault: Fault, at: float, pid: int = 0) -> None:
        self.injected.append(Injected(fault, at, pid))

    def _hurt(self, fault: Fault, role: str, deed: Callable[[Member], int]) -> None:
        victim = self.fleet.pick(role, fault.victim)
        at = time.time()
        # It may have ended in this very moment, by another fault: so be it.
        with suppress(ProcessLookupError):
            self._note(fault, at, deed(victim))

    def _kill_leader(self, fault: Fault) -> None:
        victim = self.fleet.by_pid(self.observer.leader_pid)
        victim = victim or self.fleet.pick("controller", fault.victim)
        at = time.time()
        with suppress(ProcessLookupError):
            self._note(fault, at, self.fleet.kill(victim))

    def _drain(self, fault: Fault) -> None:
        victim = self.fleet.pick("worker", fault.victim, self._is_at_work)
        at = time.time()
        with suppress(ProcessLookupError):
            self._note(fault, at, self.fleet.drain(victim))

    def _stop(self, fault: Fault) -> None:
        victim = self.fleet.pick("worker", fault.victim, self._is_at_work)
        at = time.time()
        self._note(fault, at, self.fleet.stop(victim))
        time.sleep(self.lease_seconds + BEYOND_SECONDS + _pause(fault))
        self.fleet.go_on(victim)

    def _flush(self, fault: Fault) -> None:
        with self._broker_lock:
            self._note(fault, time.time())
            self.broker.forget(*self.queues)
            self.wiped.append(time.time())

    def _kill_broker(self, fault: Fault) -> None:
        with self._broker_lock:
            self._note(fault, time.time())
            self.broker.kill()
            self.wiped.append(time.time())
            time.sleep(_pause(fault))
            self.broker.start()

    def _restart_database(self, fault: Fault, signal_number: int) -> None:
        with self._database_lock:
            self._note(fault, time.time())
            self.postgres.stop(signal_number)
            time.sleep(SHORTEST_SECONDS + fault.moment**4 * OUTAGE_SECONDS)
            self.postgres.start()

    def _cut(self, fault: Fault) -> None:
        with self._database_lock:
            self._note(fault, time.time())
            self.postgres.cut_off()

    def _fill(self, fault: Fault) -> None:
        victim = self.fleet.pick("worker", fault.victim)
        scratch = self.fleet.scratch(victim.host)
        self._note(fault, time.time())
        try:
            _fill_up(scratch / BALLAST, self.fleet.scratch_bytes)
            time.sleep(_pause(fault))
        finally:
            (scratch / BALLAST).unlink(missing_ok=True)


def _pause(fault: Fault) -> float:
    return SHORTEST_SECONDS + fault.moment * (LONGEST_SECONDS - SHORTEST_SECONDS)


def _fill_up(place: Path, size_bytes: int) -> None:
    """Take all the room there is; the host may be lost meanwhile, with its disk."""
    with suppress(OSError):
        file = os.open(place, os.O_WRONLY | os.O_CREAT)
        try:
            # No more than the disk has: the place may just have become one on a larger disk.
            for _ in range(size_bytes // len(BLOCK) + 1):
                os.write(file, BLOCK)
        finally:
            os.close(file)
