"""Looks at the engine again and again beside the screen, and does what its keys ask for."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass, field

from adaptation.cli.top.scene import Act, Detail, Scene, Sight
from adaptation.errors import AdaptationError

DONE: dict[Act, str] = {
    "cancel": "is cancelled: what runs of it ends within seconds",
    "retry": "is tried again",
    "pause": "is paused",
    "resume": "goes on",
}
PATIENCE_SECONDS = 0.5
"""A look that is under way when nobody wants it any more is waited for so long."""


@dataclass
class Watcher:
    """The newest picture there is, whatever happens to where it comes from."""

    sight: Sight
    scene: Scene
    interval_seconds: float
    detail: Detail | None = None
    trouble: str = ""
    """Why the last look saw nothing; empty: it saw."""
    note: str = ""
    """What became of the last thing that was done."""
    seen_at: float = field(default_factory=time.monotonic)
    """When the last look was that saw something."""
    version: int = 0
    """Counts what is new."""
    _wanted: int | None = None
    _todo: queue.SimpleQueue[tuple[Act, int]] = field(default_factory=queue.SimpleQueue)
    _wake: threading.Event = field(default_factory=threading.Event)
    _over: bool = False
    _thread: threading.Thread | None = None

    def __enter__(self) -> Watcher:
        self._thread = threading.Thread(target=self._run, name="top", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(PATIENCE_SECONDS)

    def want(self, job_id: int | None) -> None:
        """Look at this job more closely, too; None: at none."""
        if job_id != self._wanted:
            self._wanted = job_id
            self._wake.set()

    def do(self, act: Act, job_id: int) -> None:
        """Do something to a job as soon as may be."""
        self._todo.put((act, job_id))
        self._wake.set()

    def _run(self) -> None:
        away: tuple[type[Exception], ...] = (AdaptationError, *self.sight.source.outages)
        while not self._over:
            self._wake.clear()
            try:
                self._act()
                self._look()
            except away as error:
                self.trouble = _in_a_line(error)
            self.version += 1
            self._wake.wait(self.interval_seconds)

    def _act(self) -> None:
        while not self._todo.empty():
            act, job_id = self._todo.get()
            try:
                self.sight.source.act(act, job_id)
            except AdaptationError as error:
                self.note = f"not done: {error.message}"
            else:
                self.note = f"Job {job_id} {DONE[act]}."

    def _look(self) -> None:
        self.scene = self.sight.look()
        wanted = self._wanted
        self.detail = None if wanted is None else self.sight.source.detail(wanted)
        self.trouble, self.seen_at = "", time.monotonic()


def _in_a_line(error: Exception) -> str:
    if isinstance(error, AdaptationError):
        return error.message
    lines = str(error.__cause__ or error).strip().splitlines()
    return f"the database does not answer: {lines[0] if lines else type(error).__name__}"
