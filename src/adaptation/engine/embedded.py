"""A Celery worker inside this process, for one machine and for `celery worker` alike."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from celery import Celery
from celery.worker import WorkController, state

from adaptation.engine.intake import Slots
from adaptation.engine.local import forget_messages
from adaptation.errors import SettingsError

START_TIMEOUT_SECONDS = 30.0

_only_one = threading.Lock()
"""Celery's stop flag belongs to the whole process, and so does an embedded worker."""


class EmbeddedWorker:
    """Celery's own consumer and thread pool, run in a thread and stopped without signals."""

    def __init__(self, app: Celery, queues: Iterable[str], slots: int) -> None:
        self._app = app
        self._queues = tuple(queues)
        self._slots = slots
        self._settled = threading.Event()
        self._consuming = False
        self._controller: WorkController | None = None
        self._thread = threading.Thread(target=self._consume, name="consumer", daemon=True)

    def start(self) -> None:
        """Consume in the background; returns when messages are being taken.

        Raises:
            SettingsError: `broker_unavailable`, the broker did not answer in time.
        """
        if not _only_one.acquire(blocking=False):
            raise SettingsError(
                "this process already runs a worker",
                code="worker_running",
                hint="Start the second one as a process of its own: `adaptation worker`.",
            )
        # Without this, tasks run in pool threads look for a default app and vanish silently.
        self._app.set_default()
        self._thread.start()
        self._settled.wait(START_TIMEOUT_SECONDS)
        if not self._consuming:
            self.stop()
            raise SettingsError(
                f"the broker {self._app.connection().as_uri()} does not answer",
                code="broker_unavailable",
                hint="Start it, or set ADAPTATION_BROKER_URL; memory:// needs no broker.",
            )

    def rest(self) -> None:
        """Leave the tasks of the broker to other workers; inside a process there are none."""
        if pool := self._pool:
            pool.rest()

    def go_on(self) -> None:
        """Take tasks of the broker again."""
        if pool := self._pool:
            pool.go_on()

    @property
    def _pool(self) -> Slots | None:
        pool = getattr(self._controller, "pool", None)
        return pool if isinstance(pool, Slots) else None

    def stop(self) -> None:
        """Take no more messages and wait for the slots to be free."""
        state.should_stop = 0  # type: ignore[assignment] # an exit status; the stub knows None
        self._thread.join()
        state.should_stop = None
        forget_messages()
        _only_one.release()

    def _consume(self) -> None:
        try:
            self._run_celery()
        finally:
            self._consuming = False
            self._settled.set()

    def _say_ready(self, _: object) -> None:
        self._consuming = True
        self._settled.set()

    def _run_celery(self) -> None:
        self._controller = WorkController(
            app=self._app,
            queues=list(self._queues),
            concurrency=self._slots,
            loglevel="WARNING",
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            ready_callback=self._say_ready,
        )
        self._controller.start()
