"""The front door for Celery users: the app, the task `encoding_workflow`, and `Context`."""

from __future__ import annotations

import time
from typing import Any

import structlog
from celery import Task
from celery.exceptions import Reject
from celery.result import AsyncResult
from celery.signals import worker_init, worker_shutdown, worker_shutting_down
from celery.utils import uuid
from sqlalchemy.exc import OperationalError

from adaptation.context import Context
from adaptation.engine.node import Node
from adaptation.wiring import deploy
from adaptation.workflows.encoding import NAME

__all__ = ["Context", "app", "encoding_workflow"]

logger = structlog.get_logger(__name__)

REFUSED_SECONDS = 1.0
"""Pause before a submission that could not be stored goes back to its queue."""

deployment = deploy()
app = deployment.engine.app
app.conf.worker_concurrency = deployment.settings.slots
_nodes: list[Node] = []


class Submission(Task[Any, Any]):
    """A task whose call stores a job; without a broker it is stored at once."""

    def apply_async(  # type: ignore[override] # all of Celery's options are passed through
        self,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        task_id: str | None = None,
        **options: Any,
    ) -> AsyncResult[Any]:
        """Submit a job whose id for the client is the Celery task's id."""
        if not deployment.engine.dispatcher.local_only:
            return super().apply_async(args, kwargs, task_id=task_id, **options)
        main_task_id = task_id or uuid()
        parameters = dict(zip(("url",), args or (), strict=False)) | (kwargs or {})
        deployment.engine.submit(NAME, parameters, main_task_id=main_task_id)
        return AsyncResult(main_task_id, app=app)


# Acknowledged when the store has it: until then the broker alone knows of the job.
@app.task(base=Submission, bind=True, name=f"{__name__}.{NAME}", shared=False, acks_late=True)
def encoding_workflow(self: Submission, /, url: str, **parameters: Any) -> None:
    """Encode `url` to a ladder of renditions, as HLS and DASH over the same segments."""
    try:
        deployment.engine.submit_or_refuse(
            NAME, {"url": url, **parameters}, main_task_id=str(self.request.id)
        )
    except OperationalError as error:
        logger.warning("a submission waits for the database", error=str(error.orig).strip())
        time.sleep(REFUSED_SECONDS)
        raise Reject(error, requeue=True) from error


def _queues() -> list[str]:
    """What `celery worker -Q` names of our queues; empty: all of them."""
    known, wanted = deployment.registry.queues, app.amqp.queues.consume_from
    named = [name for name in known if name in wanted]
    return [] if len(named) == len(known) else named


@worker_init.connect
def _join(sender: Any, **_: Any) -> None:
    # `celery -A adaptation.commons worker`; our own commands have joined before they consume,
    # and Celery's signals tell of every app in the process.
    if sender.app is app and not deployment.engine.joined:
        node = deployment.engine.node(deployment.settings.slots, queues=_queues())
        node.start()
        _nodes.append(node)


@worker_shutting_down.connect
def _close(**_: Any) -> None:
    for node in _nodes:
        node.close()


@worker_shutdown.connect
def _leave(**_: Any) -> None:
    while _nodes:
        _nodes.pop().stop()
