"""The sweep: sends what is due, takes back what was lost, tidies what has ended."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

import structlog

from adaptation.engine.asides import AWAY, Asides
from adaptation.engine.process import host_identity, is_alive
from adaptation.engine.semaphores import Semaphores
from adaptation.engine.store import Store
from adaptation.engine.transport import Dispatcher

logger = structlog.get_logger(__name__)

LOOK_SECONDS = 0.5
"""Time between the leader's looks for tasks that another process made ready."""
RESEND_SECONDS = 5.0
"""Age at which the message of an unclaimed task is held to be lost."""
LEAD_SECONDS = 3.0
"""How long a leader leads after it last said so: with the others' looks, 5 s without one at most,
however seldom it sweeps."""
CANDIDATE_SECONDS = 1.0
"""Time between the looks of one who does not lead: a read of one row."""

TELL_SECONDS = 5.0
"""Time between looks for tasks that fit nowhere."""


@dataclass
class Controller:
    """Keeps the store and the queues in step. Any number may run; one at a time leads.

    Only the leader starts jobs, sends tasks and sweeps. Messages inside a process cannot come from
    another one: where there is no broker, each process sends its own.
    """

    store: Store
    dispatcher: Dispatcher
    holder: str
    tidy: Callable[[], None]
    """Deletes the pieces of jobs that are over."""
    sweep_scratch: Callable[[], object]
    """Deletes the scratch of attempts that are not running any more."""
    sweep_seconds: float = 2.0
    silent_seconds: float = 120.0
    """A worker that was not heard for so long is forgotten."""
    grace_seconds: float = 4.0
    """No lease runs out so soon after a time in which nobody looked: whoever could not look, as the
    database was away or the machine asleep, could not beat either, and does so first."""
    job_id: int | None = None
    """The only job it looks after; None: every job."""
    semaphores: Semaphores | None = None
    """Asks the addresses that scheduled jobs wait for; None: nobody does."""
    _asides: Asides = field(default_factory=Asides)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _leads: bool = False
    _next_claim: float = 0.0
    _next_sweep: float = 0.0
    _next_telling: float = 0.0
    _looked_at: float = 0.0
    _expires_from: float = 0.0

    def start(self) -> None:
        """Sweep now and then again and again, in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="controller", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop sweeping and let another controller lead at once; a second time is no error."""
        self._stop.set()
        if self._thread:
            self._thread.join()
            self._thread = None
            self._asides.join()
            if self.semaphores:
                self.semaphores.stop()
            self.store.step_down(self.holder)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except AWAY as error:
                # The database, the broker or a key is away: the next look may find it back.
                logger.warning("sweep failed", error=str(error))
            self._stop.wait(LOOK_SECONDS)

    def look(self) -> None:
        """Do what is due: lead or try to, sweep, send."""
        now = monotonic()
        self._see_gaps()
        sweeps = now >= self._next_sweep
        if sweeps:
            self._next_sweep = now + self.sweep_seconds
            # Before asking who leads: the dead may have led, and their lease would have to run out.
            self.bury_dead()
            # Scratch is this host's own: nobody else can sweep it.
            self._asides.begin("scratch", self.sweep_scratch)
        if sweeps or now >= self._next_claim:
            # Not all at the same moment: a whole fleet was perhaps started together.
            self._next_claim = now + CANDIDATE_SECONDS * random.uniform(0.8, 1.0)  # noqa: S311
            self._leads = self.lead()
        if self._leads and monotonic() >= self._expires_from:
            # At each look: a read of an index that holds what runs.
            self.store.expire(self.job_id)
        if self._leads and sweeps:
            self.sweep()
        if self._leads or self.dispatcher.local_only:
            self.dispatch()
        self._looked_at = time.time()

    def _see_gaps(self) -> None:
        # By the wall clock, which also counts while a machine sleeps.
        if time.time() - self._looked_at > LEAD_SECONDS:
            self._expires_from = monotonic() + self.grace_seconds

    def lead(self) -> bool:
        """Become or stay the leader, if nobody else is."""
        name = "sweep" if self.job_id is None else f"sweep-{self.job_id}"
        if not self._leads and not self.store.may_lead(name, self.holder):
            return False
        leads = self.store.lead(name, self.holder, LEAD_SECONDS)
        # Who looks after one job of its own leads nobody.
        if leads and not self._leads and self.job_id is None:
            logger.info("leading", holder=self.holder)
        return leads

    def dispatch(self) -> int:
        """Start jobs whose time has come and for which there is room, and send their tasks.

        Also other tasks that have no message under way.

        Returns:
            How many had none.
        """
        if self.job_id is None:
            self.store.queue_due()
        self.dispatcher.send(self.store.admit(self.job_id))
        if self.dispatcher.resting:
            return 0
        # What could not be sent while the broker was away is late enough.
        resend_seconds = 0.0 if self.dispatcher.missed else RESEND_SECONDS
        due = self.store.due(resend_seconds, self.job_id, self.dispatcher.limit)
        self.dispatcher.send(due)
        return len(due)

    def sweep(self) -> None:
        """Do everything that time, not an event, makes due, once for all processes."""
        self._asides.begin("tidying", self.tidy)
        if self.semaphores and self.job_id is None:
            self.semaphores.look()
        if not self.dispatcher.local_only:
            self.dispatcher.serve(self.store.slots(self.silent_seconds))
            self.publish()
        if self.job_id is None:
            self.bury_silent()
            if monotonic() >= self._next_telling:
                self._next_telling = monotonic() + TELL_SECONDS
                self.store.tell_unfit(self.silent_seconds)

    def bury_dead(self) -> None:
        """Take over from workers of this host whose process is gone, without waiting for leases."""
        for process in self.store.processes(host_identity()):
            if not is_alive(process):
                lost = self.store.bury(process.worker_id)
                logger.info("worker is dead", worker=process.worker_id, tasks_taken_back=lost)

    def bury_silent(self) -> None:
        """Forget workers of other hosts that were not heard for long."""
        for worker_id in self.store.silent(self.silent_seconds):
            lost = self.store.bury(worker_id)
            logger.info("worker is silent", worker=worker_id, tasks_taken_back=lost)

    def publish(self) -> None:
        """Hand notifications to the broker's queues."""
        if messages := self.store.unsent("notification"):
            self.store.mark_sent(self.dispatcher.notify(messages))
