"""What Celery is told of each kind of broker. A message is a hint; the truth is in SQL.

So a message is acknowledged when a slot takes it: no broker's timeout, however short, sees a task
run. Lost work comes back by its lease, a lost message by the controller's next look.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import Any

from kombu import Exchange, Queue

from adaptation.engine import local, rabbitmq
from adaptation.errors import SettingsError

REDIS_SCHEMES = ("redis:", "rediss:", "redis+socket:")
SUBMIT_QUEUE = "celery"
"""Celery's own default queue: where a client's `encoding_workflow.delay()` arrives."""
CONNECT_SECONDS = 3.0
HEARTBEAT_SECONDS = 5
"""RabbitMQ: a connection that is silent for two of these is dead."""
HEALTH_SECONDS = 3
"""Redis: a consumer that is not answered for about two of these connects anew."""
POLL_SECONDS = 0.1
"""Redis: how long one wait for a message lasts, and so how soon a freed slot is heard of."""
SUBMISSION_SECONDS = 60
"""Redis: after this the submission that a dead worker had taken is taken by another."""
ONCE = {"max_retries": 0, "interval_start": 0.0, "interval_step": 0.0, "interval_max": 0.0}
"""Nobody who has a message waits for a broker that is away."""

REMOTE: dict[str, Any] = {
    "worker_pool": "adaptation.engine.intake:Slots",
    "worker_consumer": "adaptation.engine.intake:Intake",
    "broker_connection_timeout": CONNECT_SECONDS,
    "broker_connection_max_retries": None,
    "broker_channel_error_retry": True,
    "broker_heartbeat": HEARTBEAT_SECONDS,
    # What runs needs no broker: it goes on while the connection is made anew.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    # Messages are taken one at a time anyway, before and after a lost connection.
    "worker_enable_prefetch_count_reduction": False,
    "task_publish_retry_policy": ONCE,
}
RABBITMQ: dict[str, Any] = ONCE | {"confirm_publish": True}
REDIS: dict[str, Any] = ONCE | {
    "socket_timeout": rabbitmq.ANSWER_SECONDS,
    "socket_connect_timeout": CONNECT_SECONDS,
    "socket_keepalive": True,
    "health_check_interval": HEALTH_SECONDS,
    "polling_interval": POLL_SECONDS,
    # Of our own, so that our timeout does not bring back the long tasks of others on one Redis.
    "unacked_key": "adaptation:unacked",
    "unacked_index_key": "adaptation:unacked_index",
    "unacked_mutex_key": "adaptation:unacked_mutex",
    "visibility_timeout": SUBMISSION_SECONDS,
    "unacked_restore_throttle": 1,
}


def is_local(broker_url: str) -> bool:
    """Whether messages stay inside this process."""
    return broker_url.startswith("memory:")


def is_rabbitmq(broker_url: str) -> bool:
    """Whether the broker speaks AMQP."""
    return broker_url.partition(":")[0] in rabbitmq.SCHEMES


def settings(broker_url: str) -> dict[str, Any]:
    """Celery's settings for a broker, or several of one kind with `;` between their URLs.

    Raises:
        SettingsError: `broker_unknown`, or `broker_unavailable` for want of its driver.
    """
    if is_local(broker_url):
        return {"broker_url": f"{local.SCHEME}://localhost", "worker_pool": "threads"}
    if is_rabbitmq(broker_url):
        urls = ";".join(_bounded(url) for url in broker_url.split(";"))
        return REMOTE | {"broker_url": urls, "broker_transport_options": RABBITMQ}
    if not broker_url.startswith(REDIS_SCHEMES):
        scheme = broker_url.partition(":")[0]
        raise SettingsError(
            f"{scheme!r} is no kind of broker that can be used",
            code="broker_unknown",
            hint="ADAPTATION_BROKER_URL begins with amqp:// or amqps:// (RabbitMQ), redis:// or"
            " rediss:// (Redis), or is memory:// (none).",
        )
    if importlib.util.find_spec("redis") is None:
        raise SettingsError(
            "the driver of Redis is not installed",
            code="broker_unavailable",
            hint="Install it: pip install 'adaptation[redis]'",
        )
    return REMOTE | {"broker_url": broker_url, "broker_transport_options": REDIS}


def queues(broker_url: str, names: Iterable[str]) -> list[Queue]:
    """The queues of submissions and of tasks; each is reached by its name alone.

    No exchange of our own: a broker that was emptied has forgotten the bindings, and publishers
    that live long would not make them again.
    """
    kind = {"x-queue-type": "quorum"} if is_rabbitmq(broker_url) else None
    tasks = [_queue(name, kind) for name in names]
    # Declared as every Celery client declares it, or the first to come would refuse the others.
    return [_queue(SUBMIT_QUEUE, None), *tasks]


def notification_queue(address: str) -> Queue:
    """The durable queue that a consumer of a job's notifications reads, also after the end.

    As a plain client declares it. One a job is too many for quorum queues.
    """
    return Queue(address, durable=True, auto_delete=False)


def _queue(name: str, arguments: dict[str, str] | None) -> Queue:
    return Queue(name, Exchange(""), routing_key=name, queue_arguments=arguments, durable=True)


def _bounded(url: str) -> str:
    scheme, separator, rest = url.partition(":")
    return rabbitmq.SCHEMES.get(scheme, scheme) + separator + rest
