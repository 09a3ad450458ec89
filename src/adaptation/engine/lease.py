"""The heartbeat of a worker: keeps leases alive and passes on orders to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from adaptation.engine.model import Process
from adaptation.engine.moves import Beat
from adaptation.engine.states import Order, Wish
from adaptation.engine.store import Store
from adaptation.engine.tasks import TaskRun

logger = structlog.get_logger(__name__)


@dataclass
class Heart:
    """One thread that beats for all tasks a worker runs, on its own connection."""

    store: Store
    process: Process
    lease_seconds: float
    heartbeat_seconds: float
    scratch_free: Callable[[], int | None] = lambda: None
    """Bytes that may be promised to tasks."""
    load: Callable[[], Mapping[str, Any]] = dict
    """How busy the machine is; see `adapters.machine`."""
    draining: bool = False
    """Whether this worker takes no new tasks."""
    wish: Wish = Wish.WORK
    """What somebody wants of this worker, as of the last heartbeat."""
    obey: Callable[[Wish], None] = lambda wish: None  # noqa: ARG005
    """Called by the heart's thread when the wish has changed."""
    _runs: dict[tuple[int, int], TaskRun[Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _closing: bool = False
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to beat."""
        self._thread = threading.Thread(target=self._beat_on, name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop beating; leases that are still held run out by themselves."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def waits_for_its_end(self, seconds: float) -> bool:
        """Wait until it is stopped, but no longer than this; whether it is."""
        return self._stop.wait(seconds)

    def add(self, run: TaskRun[Any]) -> None:
        """Beat for a task from now on."""
        with self._lock:
            self._runs[run.claim.task_id, run.claim.generation] = run
            if self._closing:
                run.cancelled.set()

    def remove(self, run: TaskRun[Any]) -> None:
        """Stop beating for a task."""
        with self._lock:
            self._runs.pop((run.claim.task_id, run.claim.generation), None)

    def stop_all(self) -> None:
        """Ask every running task to stop and be handed back."""
        with self._lock:
            self._closing = True
            for run in self._runs.values():
                run.cancelled.set()

    @property
    def busy(self) -> int:
        """How many tasks run now."""
        return len(self._runs)

    def _beat_on(self) -> None:
        while not self._stop.wait(self.heartbeat_seconds):
            try:
                self.beat()
                self.hear()
            except SQLAlchemyError as error:
                # Not fatal: the next beat may pass, and a lease that runs out is taken over.
                logger.warning("heartbeat failed", error=str(error))

    def beat(self) -> None:
        """Send one heartbeat for everything that runs, and obey the answers."""
        with self._lock:
            runs = list(self._runs.values())
        beats = [_beat(run) for run in runs]
        me = self.standing()
        orders = self.store.heartbeat(me.worker_id, beats, self.lease_seconds, me)
        for run in runs:
            order = orders[run.claim.task_id]
            # One that has ended while its heartbeat was under way has nothing to stop.
            if order is not Order.RUN and self._holds(run):
                logger.info("task told to stop", task_id=run.claim.task_id, order=order)
                run.cancelled.set()

    def hear(self) -> None:
        """Learn what somebody wants of this worker, and do it."""
        wish = self.store.wish_of(self.process.worker_id)
        # One that is not known just now has its last wish: with it, it signs on again.
        if wish is None or wish is self.wish:
            return
        logger.info("told what to do", wish=wish)
        self.wish = wish
        self.obey(wish)

    def standing(self) -> Process:
        """How the worker stands now."""
        return replace(
            self.process,
            scratch_free=self._room(),
            draining=self.draining,
            wish=self.wish,
            load=dict(self.load()),
        )

    def _room(self) -> int | None:
        try:
            return self.scratch_free()
        except OSError:  # nothing that a heartbeat should stop for
            return None

    def _holds(self, run: TaskRun[Any]) -> bool:
        with self._lock:
            return (run.claim.task_id, run.claim.generation) in self._runs


def _beat(run: TaskRun[Any]) -> Beat:
    return Beat(
        task_id=run.claim.task_id,
        generation=run.claim.generation,
        job_id=run.claim.job_id,
        progress=run.fraction,
        detail=run.detail or None,
        lines=run.take_lines(),
    )
