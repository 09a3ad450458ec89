"""Celery as the carrier of `(task id, generation)`: the app and the dispatcher."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from adaptation.engine import brokers
from adaptation.engine.brokers import SUBMIT_QUEUE, is_local, notification_queue
from adaptation.engine.intake import EXECUTE
from adaptation.engine.model import Dispatch, Message

__all__ = ["EXECUTE", "SUBMIT_QUEUE", "Dispatcher", "is_local", "make_app"]

LEAST_WAITING = 64
"""Messages that may wait in one queue, however few slots are known."""
WAITING_PER_SLOT = 4
COUNT_SECONDS = 0.5
"""How long a queue's length is held to be known."""
REACH_SECONDS = 3
"""How long an answer of the broker is waited for by who wants to know whether it is well."""
REST_SECONDS = 2.0
"""After a failure nobody waits for the broker for so long."""
QUICKLY_SECONDS = 1.0
"""A failure that took longer is no stale connection: somebody has waited for nothing."""

logger = structlog.get_logger(__name__)


def make_app(broker_url: str, queues: Iterable[str]) -> Celery:
    """A Celery app that carries messages and keeps nothing.

    Args:
        broker_url: `memory://` for a worker inside this process, or a broker's URL.
        queues: the task queues there are.
    """
    app = Celery("adaptation", set_as_current=False)
    app.conf.update(
        broker_connection_retry_on_startup=True,
        # A message is a hint that a task is ready; SQL decides, so nothing is kept elsewhere.
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_queues=brokers.queues(broker_url, queues),
        task_default_queue=SUBMIT_QUEUE,
        task_default_exchange="",
        task_default_delivery_mode="persistent",
        # Acknowledged when a slot takes it: the lease, not the broker, brings back lost work.
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        # The work is child processes; limits, cancel and kill are ours, as threads have none.
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        **brokers.settings(broker_url),
    )
    return app


class Dispatcher:
    """Sends hints of ready tasks to their queues, and notifications to theirs.

    A slot that has got one goes on until nothing is ready, so a queue needs no more hints than
    there are slots: what a longer queue would get is dropped. No method waits for long, or fails,
    because the broker is away.
    """

    def __init__(self, app: Celery, *, local_only: bool) -> None:
        self._app = app
        self._under_way: set[tuple[int, int]] = set()
        self._room: dict[str, tuple[int, float]] = {}
        self._rest_until = 0.0
        self._lock = threading.Lock()
        self.local_only = local_only
        self.limit = LEAST_WAITING
        """Messages that may wait in one queue."""
        self.missed = False
        """Whether something could not be sent, since the broker was last seen."""

    def serve(self, slots: int) -> None:
        """Tell how many slots there are, in all workers."""
        self.limit = max(LEAST_WAITING, slots * WAITING_PER_SLOT)

    def reach(self) -> None:
        """See that the broker answers.

        Raises:
            OperationalError, OSError: it does not.
        """
        if self.local_only:
            return
        with self._app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=REACH_SECONDS)

    @property
    def resting(self) -> bool:
        """Whether the broker is away, and it is too early to look again."""
        return monotonic() < self._rest_until

    def send(self, ready: Iterable[Dispatch]) -> None:
        """Publish hints of tasks; within one process none is doubled."""
        by_queue: dict[str, list[Dispatch]] = defaultdict(list)
        for item in ready:
            by_queue[item.queue].append(item)
        if self.local_only:
            for name, items in by_queue.items():
                for item in self._new(items):
                    self._publish(None, name, item)
        elif by_queue:
            self._try(lambda producer: self._fill(producer, by_queue))

    def taken(self, task_id: int, generation: int) -> None:
        """Note that a message has arrived, so that the task may be sent again if need be."""
        with self._lock:
            self._under_way.discard((task_id, generation))

    def forget(self) -> None:
        """Forget what is under way, because the queues inside this process are gone."""
        with self._lock:
            self._under_way.clear()

    def notify(self, messages: Iterable[Message]) -> list[int]:
        """Put messages into durable broker queues named by their addresses.

        Returns:
            The ids of those the broker has taken.
        """
        sent: list[int] = []
        self._try(lambda producer: _tell(producer, messages, sent))
        return sent

    def _try(self, publish: Callable[[Any], None]) -> None:
        """Do something with the broker, or note that it is away."""
        with self._lock:
            if self.resting:
                self.missed = True
                return
            if self.missed:  # one looks whether it is back, and the others need not wait for it
                self._rest_until = monotonic() + REST_SECONDS
        began = monotonic()
        try:
            try:
                self._publish_with(publish)
            except self._errors():
                # A connection that the broker has closed since fails at once, a new one may not.
                if monotonic() - began > QUICKLY_SECONDS:
                    raise
                self._publish_with(publish)
        except self._errors() as error:
            self._rest_until = monotonic() + REST_SECONDS
            self.missed = True
            logger.warning("the broker takes no messages", error=str(error))
        else:
            self._rest_until = 0.0
            self.missed = False

    def _publish_with(self, publish: Callable[[Any], None]) -> None:
        with self._app.producer_or_acquire() as producer:
            publish(producer)

    def _errors(self) -> tuple[type[BaseException], ...]:
        connection = self._app.connection_for_write()
        return (
            OperationalError,
            OSError,
            *connection.connection_errors,
            *connection.channel_errors,
        )

    def _new(self, items: Iterable[Dispatch]) -> list[Dispatch]:
        with self._lock:
            known = self._under_way
            fresh = [item for item in items if (item.task_id, item.generation) not in known]
            known.update((item.task_id, item.generation) for item in fresh)
        return fresh

    def _fill(self, producer: Any, by_queue: dict[str, list[Dispatch]]) -> None:
        for name, items in by_queue.items():
            for item in items[: self._reserve(producer, name, len(items))]:
                self._publish(producer, name, item)

    def _publish(self, producer: Any, name: str, item: Dispatch) -> None:
        key = (item.task_id, item.generation)
        self._app.send_task(
            EXECUTE, args=key, queue=name, producer=producer, retry=False, ignore_result=True
        )

    def _reserve(self, producer: Any, name: str, wanted: int) -> int:
        """How many of the messages wanted have room in a queue; the room is taken."""
        with self._lock:
            room, until = self._room.get(name, (0, 0.0))
        if monotonic() >= until:
            room, until = self.limit - self._waiting(producer, name), monotonic() + COUNT_SECONDS
        taken = max(0, min(room, wanted))
        with self._lock:
            self._room[name] = (room - taken, until)
        return taken

    def _waiting(self, producer: Any, name: str) -> int:
        """How many messages wait in a queue, which is made if somebody has deleted it."""
        queue: Any = self._app.amqp.queues[name]
        return int(queue(producer.channel).queue_declare().message_count)


def _tell(producer: Any, messages: Iterable[Message], sent: list[int]) -> None:
    for message in messages:
        queue = notification_queue(message.address)
        producer.publish(
            message.body,
            serializer="json",
            routing_key=queue.name,
            exchange="",
            declare=[queue],
            delivery_mode="persistent",
            message_id=message.identity,
        )
        sent.append(message.id)
