"""The engine as one object: take jobs in, and run them here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from celery import Celery
from sqlalchemy.exc import SQLAlchemyError

from adaptation.adapters.addresses import PUBLIC_ONLY, AddressPolicy
from adaptation.adapters.webhook import Sender
from adaptation.engine.acceptance import Acceptance
from adaptation.engine.controller import Controller
from adaptation.engine.deliverer import QUEUE as CALLBACKS
from adaptation.engine.deliverer import SCHEDULE_SECONDS, Deliverer
from adaptation.engine.embedded import EmbeddedWorker
from adaptation.engine.gate import Gate
from adaptation.engine.lease import Heart
from adaptation.engine.model import Claim
from adaptation.engine.node import Node
from adaptation.engine.process import this_process
from adaptation.engine.semaphores import Answers, Semaphores
from adaptation.engine.store import Store
from adaptation.engine.tasks import Registry
from adaptation.engine.transport import EXECUTE, SUBMIT_QUEUE, Dispatcher, is_local, make_app
from adaptation.engine.worker import (
    Boundless,
    RetryRule,
    ScratchFactory,
    ScratchRoom,
    Worker,
)
from adaptation.errors import SettingsError

logger = structlog.get_logger(__name__)

SILENT_LEASES = 4
"""A worker that was not heard for so many leases is forgotten."""
GRACE_BEATS = 2
"""Heartbeats that are waited for after an outage, before a lease is held to have run out."""


@dataclass(frozen=True)
class Pace:
    """The clocks of workers and controllers, in seconds."""

    lease_seconds: float = 30.0
    heartbeat_seconds: float = 2.0
    sweep_seconds: float = 2.0
    keep_failed_seconds: float = 7 * 86_400.0
    retry: RetryRule = field(default_factory=RetryRule)


class Engine(Acceptance):
    """Jobs in, tasks run: the same object in every role a process may have."""

    def __init__(  # noqa: PLR0913 - the composition root gives each part once
        self,
        *,
        store: Store,
        registry: Registry,
        resources: object,
        scratch: ScratchFactory,
        remove_work: Callable[[int], None],
        sweep_scratch: Callable[[], object] = lambda: None,
        answers: Answers = lambda *_: False,
        policy: AddressPolicy = PUBLIC_ONLY,
        room: ScratchRoom | None = None,
        discard: Callable[[Claim], None] = lambda claim: None,  # noqa: ARG005
        describe: Callable[[], Mapping[str, Any]] = dict,
        load: Callable[[], Mapping[str, Any]] = dict,
        broker_url: str = "memory://",
        pace: Pace | None = None,
        schedule_seconds: tuple[float, ...] = SCHEDULE_SECONDS,
    ) -> None:
        self.store = store
        self.registry = registry
        self.pace = pace or Pace()
        self.schedule_seconds = schedule_seconds
        self.policy = policy
        self.sender: Callable[[], Sender] = lambda: Sender(policy=policy)
        """Makes who sends callbacks."""
        self.app: Celery = make_app(broker_url, registry.queues)
        self.dispatcher = Dispatcher(self.app, local_only=is_local(broker_url))
        self._resources = resources
        self._scratch = scratch
        self._remove_work = remove_work
        self._sweep_scratch = sweep_scratch
        self._answers = answers
        self._room = room or Boundless()
        self._discard = discard
        self._describe = describe
        self._load = load
        self._prepared = False
        self._worker: Worker | None = None
        # Not shared: Celery would put this engine's task into every other app of the process.
        self.app.task(name=EXECUTE, shared=False)(self._execute)
        self._running = False
        self._executed = threading.Event()
        self.joined = False
        """Whether this process already runs a node."""

    def _execute(self, task_id: int, generation: int) -> None:
        # A message that comes before the node is there is lost; the store sends it again.
        if self._worker is None:
            return
        try:
            self._worker.execute(task_id, generation)
        except (SQLAlchemyError, SettingsError) as error:
            # Away for longer than a call waits, or the key is missing that opens what is there.
            # What was held is taken back when its lease is over.
            logger.warning("a slot cannot work with the database", error=str(error))
        self._executed.set()

    def wait(self, seconds: float) -> None:
        """Wait until a task of this process has ended, but no longer than this."""
        self._executed.wait(seconds)
        self._executed.clear()

    def prepare(self) -> None:
        """Make the tables that are missing, once."""
        if not self._prepared:
            self.store.create()
            self._prepared = True

    def tidy(self) -> None:
        """Delete the pieces of ended jobs that nobody can use any more, and then the old jobs."""
        for job_id in self.store.give_up_work(self.pace.keep_failed_seconds):
            self._remove_work(job_id)
            self.store.mark_work_removed(job_id)
        self.store.clean_up()
        self.store.add_up()
        self.store.add_up_attempts()

    @property
    def can_send(self) -> bool:
        """Whether a message sent from here reaches a worker."""
        return self._running or not self.dispatcher.local_only

    def check_queues(self, queues: Sequence[str]) -> None:
        """See that queues exist.

        Raises:
            SettingsError: `queue_unknown`.
        """
        for name in queues:
            if name not in {*self.registry.queues, CALLBACKS}:
                raise SettingsError(
                    f"there is no queue {name!r}",
                    code="queue_unknown",
                    hint=f"Known queues: {', '.join([*self.registry.queues, CALLBACKS])}.",
                )

    def node(
        self,
        slots: int,
        job_id: int | None = None,
        *,
        queues: Sequence[str] = (),
        max_tasks: int | None = None,
    ) -> Node:
        """The parts that run tasks in this process, not started yet.

        Args:
            slots: tasks at the same time; 0: it only leads, or waits to.
            job_id: run only this job's tasks; None: every job's.
            queues: those it serves; none: all there are.
            max_tasks: as many tasks in all; None: no end.

        Raises:
            SettingsError: `queue_unknown`.
        """
        self.prepare()
        self.check_queues(queues)
        process = this_process(slots, job_id, queues)
        heart = Heart(
            self.store,
            process,
            self.pace.lease_seconds,
            self.pace.heartbeat_seconds,
            self._room.free_bytes,
            self._load,
        )
        worker = Worker(
            worker_id=process.worker_id,
            store=self.store,
            registry=self.registry,
            resources=self._resources,
            scratch=self._scratch,
            dispatcher=self.dispatcher,
            heart=heart,
            retry=self.pace.retry,
            queues=tuple(name for name in queues or self.registry.queues if name != CALLBACKS),
            job_id=job_id,
            room=self._room,
            gate=Gate(max_tasks),
            # Where there are no others, an error says more than waiting for them.
            choosy=job_id is None and not self.dispatcher.local_only,
            discard=self._discard,
        )
        controller = Controller(
            store=self.store,
            dispatcher=self.dispatcher,
            holder=process.worker_id,
            tidy=self.tidy,
            sweep_scratch=self._sweep_scratch,
            semaphores=Semaphores(self.store, self._answers),
            sweep_seconds=self.pace.sweep_seconds,
            silent_seconds=self.pace.lease_seconds * SILENT_LEASES,
            grace_seconds=self.pace.heartbeat_seconds * GRACE_BEATS,
            job_id=job_id,
        )
        self._worker = worker
        deliverer = None
        if CALLBACKS in queues or (slots and not queues):
            deliverer = Deliverer(
                self.store,
                self.registry,
                self.schedule_seconds,
                job_id,
                process.worker_id,
                self.sender,
            )
        return Node(process, worker, heart, controller, self.store, self._describe, deliverer)

    @contextmanager
    def running(
        self,
        slots: int,
        job_id: int | None = None,
        *,
        queues: Sequence[str] = (),
        max_tasks: int | None = None,
    ) -> Iterator[Node]:
        """Run tasks in this process, in the background, until the block ends; see `node`.

        What still runs at the end is stopped and handed back without being charged a try.
        """
        node = self.node(slots, job_id, queues=queues, max_tasks=max_tasks)
        consumer = EmbeddedWorker(self.app, [SUBMIT_QUEUE, *node.worker.queues], slots)
        node = replace(node, rest=consumer.rest, go_on=consumer.go_on)
        self.joined = True
        try:
            # Before the broker answers: its predecessor is buried, whatever else is away.
            node.start()
            consumer.start()
        except BaseException:
            self.joined = False
            node.close()
            node.stop()
            raise
        self._running = True
        try:
            yield node
        finally:
            self._running = self.joined = False
            node.close()
            consumer.stop()
            self.dispatcher.forget()
            node.stop()

    @contextmanager
    def controlling(self) -> Iterator[Node]:
        """Lead the fleet, or wait to, until the block ends; no task is run here."""
        node = self.node(0)
        node.start()
        try:
            yield node
        finally:
            node.close()
            node.stop()

    @contextmanager
    def delivering(self) -> Iterator[Node]:
        """Send callbacks until the block ends; no task is run here, and nobody is led."""
        node = replace(self.node(0, queues=(CALLBACKS,)), leads=False)
        node.start()
        try:
            yield node
        finally:
            node.close()
            node.stop()
