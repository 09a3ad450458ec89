"""The sweep: sends what is due, takes back what was lost, tidies what has ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from kombu.exceptions import OperationalError
from sqlalchemy.exc import SQLAlchemyError

from adaptation.engine.process import host_identity, is_alive
from adaptation.engine.store import Store
from adaptation.engine.transport import Dispatcher

logger = structlog.get_logger(__name__)

LOOK_SECONDS = 0.5
"""Time between looks for tasks that another process made ready."""
RESEND_SECONDS = 5.0
"""Age at which the message of an unclaimed task is held to be lost."""
ALIVE_SECONDS = 60.0
"""A worker that has been silent for longer does not count."""


@dataclass
class Controller:
    """Keeps the store and the queues in step. Any number may run; one at a time sweeps."""

    store: Store
    dispatcher: Dispatcher
    holder: str
    tidy: Callable[[], None]
    """Deletes the pieces of jobs that are over."""
    sweep_scratch: Callable[[], object]
    """Deletes the scratch of attempts that are not running any more."""
    sweep_seconds: float = 2.0
    job_id: int | None = None
    """The only job it looks after; None: every job."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Sweep now and then again and again, in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="controller", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop sweeping and let another controller lead at once."""
        self._stop.set()
        if self._thread:
            self._thread.join()
            self.store.step_down(self.holder)

    def _run(self) -> None:
        looks_per_sweep = max(1, round(self.sweep_seconds / LOOK_SECONDS))
        look = 0
        while not self._stop.is_set():
            try:
                if look % looks_per_sweep == 0:
                    self.sweep()
                self.dispatch()
            except (SQLAlchemyError, OperationalError, OSError) as error:
                # The database or the broker is away: the next look may find it back.
                logger.warning("sweep failed", error=str(error))
            look += 1
            self._stop.wait(LOOK_SECONDS)

    def dispatch(self) -> int:
        """Start jobs for which there is room, and send the tasks that have no message under way.

        Returns:
            How many had none.
        """
        self.dispatcher.send(self.store.admit(self.job_id))
        if self.dispatcher.resting:
            return 0
        # What could not be sent while the broker was away is late enough.
        resend_seconds = 0.0 if self.dispatcher.missed else RESEND_SECONDS
        due = self.store.due(resend_seconds, self.job_id, self.dispatcher.limit)
        self.dispatcher.send(due)
        return len(due)

    def sweep(self) -> None:
        """Do everything that time, not an event, makes due."""
        # Before asking who leads: the dead may have led, and their lease would have to run out.
        self.bury_dead()
        name = "sweep" if self.job_id is None else f"sweep-{self.job_id}"
        if not self.store.lead(name, self.holder, self.sweep_seconds * 5):
            return
        self.store.expire(self.job_id)
        self.tidy()
        self.sweep_scratch()
        if not self.dispatcher.local_only:
            self.dispatcher.serve(self.store.slots(ALIVE_SECONDS))
            self.publish()

    def bury_dead(self) -> None:
        """Take over from workers of this host whose process is gone, without waiting for leases."""
        for process in self.store.processes(host_identity()):
            if not is_alive(process):
                lost = self.store.bury(process.worker_id)
                logger.info("worker is dead", worker=process.worker_id, tasks_taken_back=lost)

    def publish(self) -> None:
        """Hand notifications to the broker's queues."""
        if messages := self.store.unsent("notification"):
            self.store.mark_sent(self.dispatcher.notify(messages))
