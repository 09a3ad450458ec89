"""Celery as the carrier of `(task id, generation)`: the app, its settings and the dispatcher."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from celery import Celery
from kombu import Connection, Exchange, Queue

from adaptation.engine import local
from adaptation.engine.model import Dispatch, Message

EXECUTE = "adaptation.execute"
"""Name of the one Celery task that runs tasks of the store."""
SUBMIT_QUEUE = "celery"
"""Celery's own default queue: where a client's `encoding_workflow.delay()` arrives."""


def make_app(broker_url: str, queues: Iterable[str]) -> Celery:
    """A Celery app that carries messages and keeps nothing.

    Args:
        broker_url: `memory://` for a worker inside this process, or a broker's URL.
        queues: the task queues there are.
    """
    app = Celery("adaptation", set_as_current=False)
    names = [SUBMIT_QUEUE, *queues]
    app.conf.update(
        broker_url=f"{local.SCHEME}://localhost" if is_local(broker_url) else broker_url,
        broker_connection_retry_on_startup=True,
        # A message is a hint that a task is ready; SQL decides, so nothing is kept elsewhere.
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_queues=[Queue(name, Exchange(name), routing_key=name) for name in names],
        task_default_queue=SUBMIT_QUEUE,
        # Acknowledged when a slot takes it: the lease, not the broker, brings back lost work.
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        # The work is child processes; limits, cancel and kill are ours, as threads have none.
        worker_pool="threads",
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    return app


def is_local(broker_url: str) -> bool:
    """Whether messages stay inside this process."""
    return broker_url.startswith("memory:")


class Dispatcher:
    """Sends ready tasks to their queues, and notifications to theirs."""

    def __init__(self, app: Celery, *, local_only: bool) -> None:
        self._app = app
        self._under_way: set[tuple[int, int]] = set()
        self._lock = threading.Lock()
        self.local_only = local_only

    def send(self, ready: Iterable[Dispatch]) -> None:
        """Publish a message for each task; within one process none is doubled."""
        for item in ready:
            key = (item.task_id, item.generation)
            if self.local_only:
                with self._lock:
                    if key in self._under_way:
                        continue
                    self._under_way.add(key)
            self._app.send_task(
                EXECUTE, args=key, queue=item.queue, priority=item.priority, ignore_result=True
            )

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
        with self._app.connection_for_write() as connection:
            producer: Any = connection.Producer(serializer="json")
            for message in messages:
                queue = notification_queue(connection, message.address)
                producer.publish(
                    message.body,
                    routing_key=queue.name,
                    exchange="",
                    declare=[queue],
                    retry=True,
                    delivery_mode="persistent",
                    message_id=message.identity,
                )
                sent.append(message.id)
        return sent


def notification_queue(connection: Connection, address: str) -> Queue:
    """The durable queue that a consumer of a job's notifications reads, also after the end."""
    return Queue(address, channel=connection.default_channel, durable=True, auto_delete=False)
