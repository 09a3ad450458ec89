"""How a worker takes messages from a broker: a hint only for a free slot, a submission at once.

Celery's own consumer takes as many messages again as it has slots, and keeps them. On RabbitMQ
what waits so for longer than the consumer timeout closes the channel; everywhere it is hidden
from workers that are idle, and a submission would wait until some slot finds nothing to do.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from time import monotonic
from typing import Any

import structlog
from celery.concurrency.base import apply_target
from celery.concurrency.thread import TaskPool
from celery.worker import consumer
from celery.worker.state import maybe_shutdown
from kombu import Queue

from adaptation.engine.brokers import SUBMIT_QUEUE

logger = structlog.get_logger(__name__)

EXECUTE = "adaptation.execute"
"""Name of the one Celery task that runs tasks of the store."""
LONGEST_WAIT_SECONDS = 5
"""Between two tries to reach a broker that is away; and what is ready meanwhile waits so long."""
LOOK_SECONDS = 10.0
"""Between looks of free slots that get no messages: a broker may be full, or have lost a queue."""
RETRY_SECONDS = 1.0
"""Pause after a connection that could not be used."""
BRIEF_SECONDS = 0.1
"""When all slots have been taken for so long, the worker stops listening."""
UNNEEDED = {"without_mingle": True, "without_gossip": True, "without_heartbeat": True}
"""Workers talk to each other through the store, never through the broker."""
DELAYED_DELIVERY = "celery.worker.consumer.delayed_delivery:DelayedDelivery"
"""Makes 28 queues on RabbitMQ, for a delay that we never ask for."""


class Slots(TaskPool):
    """Threads that run tasks, and one beside them that stores submissions."""

    limit: int
    executor: ThreadPoolExecutor

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._door = ThreadPoolExecutor(1, "submissions")
        self._busy = 0
        self._resting = False
        self._lock = threading.Lock()
        self.on_freed: Callable[[], object] = bool
        """Called by the thread that is free again."""

    @property
    def full(self) -> bool:
        """Whether every slot has something to do, or no more is taken."""
        return self._resting or self._busy >= self.limit

    def rest(self) -> None:
        """Take no more hints, so that others get them; submissions are stored all the same."""
        self._resting = True
        self.on_freed()

    def go_on(self) -> None:
        """Take hints again."""
        self._resting = False
        self.on_freed()

    def on_apply(  # type: ignore[override] # the stub knows no callbacks
        self,
        target: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        callback: Callable[..., Any] | None = None,
        accept_callback: Callable[..., Any] | None = None,
        **_: Any,
    ) -> Future[Any]:
        """Run a message's task: `args` starts with its name."""
        run = partial(apply_target, target, args, kwargs, callback, accept_callback)
        return self._take(run) if args[0] == EXECUTE else self._door.submit(run)

    def wake(self, look: Callable[[], object]) -> None:
        """Let every free slot look for something to do, as if each had got a message."""
        for _ in range(self.limit):
            if self.full:
                return
            self._take(look)

    def on_stop(self) -> None:
        """Start nothing any more, and wait for what runs."""
        self._door.shutdown(cancel_futures=True)
        super().on_stop()

    def _take(self, run: Callable[[], object]) -> Future[Any]:
        with self._lock:
            self._busy += 1
        taken = self.executor.submit(run)
        taken.add_done_callback(self._free)
        return taken

    def _free(self, _: Future[Any]) -> None:
        with self._lock:
            self._busy -= 1
        self.on_freed()


class Intake(consumer.Consumer):
    """Celery's consumer, which listens to the queues of tasks only while a slot is free."""

    pool: Slots
    hub: Any
    task_consumer: Any

    class Blueprint(consumer.Consumer.Blueprint):  # type: ignore[misc,valid-type] # a class
        """The steps that are needed."""

        default_steps = [  # noqa: RUF012 - as in the parent
            step for step in consumer.Consumer.Blueprint.default_steps if step != DELAYED_DELIVERY
        ]

    def __init__(self, *args: Any, **options: Any) -> None:
        options["worker_options"] = (options.get("worker_options") or {}) | UNNEEDED
        super().__init__(*args, **options)
        # Whatever goes wrong between the broker and us: connect anew. A worker never ends by it.
        self.connection_errors = (Exception,)
        self.initial_prefetch_count = 1
        queues = self.app.amqp.queues.consume_from.values()
        self._task_queues: list[Queue] = [q for q in queues if q.name != SUBMIT_QUEUE]
        self._held: list[Any] = []
        self._handle: Callable[[Any], object] = bool
        self._full_since: float | None = None
        self._looked = 0.0
        self._listened = False
        self.pool.on_freed = lambda: self.call_soon(bool)  # ends the wait for a message

    def connection_for_read(self, heartbeat: float | None = None) -> Any:
        """Connect, however long it takes."""
        connection: Any = self.app.connection_for_read(heartbeat=heartbeat)
        self.first_connection_attempt = False
        return connection.ensure_connection(
            self._is_away, None, 1, 1, LONGEST_WAIT_SECONDS, callback=maybe_shutdown
        )

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Wait a little: the broker answers, and cannot be worked with."""
        self._is_away(exc, RETRY_SECONDS)
        time.sleep(RETRY_SECONDS)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """The same where it came so far as to be connected, but not to listen."""
        super().on_connection_error_after_connected(exc)
        if not self._listened:
            self.on_connection_error_before_connected(exc)
        self._listened = False

    def _is_away(self, error: Exception, wait_seconds: float) -> None:
        logger.warning("the broker is away", error=str(error), next_try_in_seconds=wait_seconds)
        self._looked = 0.0
        self._wake()

    def _wake(self) -> None:
        if monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = monotonic()
            self.pool.wake(self._look)

    def _look(self) -> None:
        try:
            self.app.tasks[EXECUTE](0, 0)
        except Exception as error:  # noqa: BLE001 - here a task ends, as far as Celery knows
            logger.warning("cannot look for tasks", error=str(error))

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], None]:
        """What is done with each message of a new connection."""
        handle = super().create_task_handler(*args, **options)
        self._looked = 0.0  # what was sent while there was no connection may be lost
        self._wake()
        self._handle = handle
        self._held.clear()

        def on_message(message: Any) -> None:
            if self.pool.full and message.headers.get("task") == EXECUTE:
                self._held.append(message)
            else:
                handle(message)

        return on_message

    def register_with_event_loop(self, hub: Any) -> None:
        """Listen or not, as slots are free, before each wait for messages."""
        super().register_with_event_loop(hub)
        hub.on_tick.add(self._listen)

    def perform_pending_operations(self) -> None:
        """The same where there is no event loop, as on Windows."""
        super().perform_pending_operations()
        if not self.hub:
            self._listen()

    def _listen(self) -> None:
        if self.task_consumer is None or self.connection is None:
            return
        self._listened = True
        if not self.pool.full:
            self._full_since = None
            self._wake()
            self._resume()
        elif self._full_since is None:
            self._full_since = monotonic()
            self.timer.call_after(BRIEF_SECONDS, bool)  # ends the wait for a message
        elif monotonic() - self._full_since >= BRIEF_SECONDS:
            self._pause()

    def _resume(self) -> None:
        while self._held and not self.pool.full:
            self._handle(self._held.pop())
        for queue in self._task_queues:
            if not self.task_consumer.consuming_from(queue.name):
                # Declares it as well: somebody may have deleted it.
                self.task_consumer.add_queue(queue)
                self.task_consumer.consume()

    def _pause(self) -> None:
        for queue in self._task_queues:
            self.task_consumer.cancel_by_queue(queue.name)
        while self._held:
            # It came before the broker knew, and is for somebody else.
            self._held.pop().reject(requeue=True)
