"""The working life of a service: it starts, works, and leaves as it was told to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from adaptation.cli.interruption import Interruption
from adaptation.cli.store import verdict
from adaptation.engine.model import Job
from adaptation.engine.node import Node
from adaptation.engine.store import Store
from adaptation.wiring import Deployment

POLL_SECONDS = 0.1
LOOK_SECONDS = 1.0
LOOKED_AT = 50
"""The newest jobs, whose changes are logged."""
IDLE_SECONDS = 3.0
"""How long nothing is to be done before a worker leaves for that reason."""
SIGNALS = 2
"""The first drains, the second hands back; the third ends the process on the spot."""

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Shift:
    """One process at work."""

    deployment: Deployment
    drain_seconds: float
    """How long what runs may go on once it was told to leave."""

    def work(
        self,
        slots: int | None,
        *,
        queues: Sequence[str] = (),
        max_tasks: int | None = None,
        exit_when_idle: bool = False,
    ) -> None:
        """Run tasks, as `Engine.running` does, until there is a reason to leave."""
        engine, store = self.deployment.engine, self.deployment.store
        slots = self.deployment.settings.slots if slots is None else slots
        with Interruption(SIGNALS) as interruption:
            with engine.running(slots, queues=queues, max_tasks=max_tasks) as node:
                named = list(node.worker.queues)
                home = str(self.deployment.settings.home)
                logger.info("ready", slots=slots, queues=named, home=home)
                idleness = _Idleness(node) if exit_when_idle else None
                reason = _watch(node, interruption, _JobLog(store), idleness)
                self._drain(node, interruption, reason)
            store.close()

    def lead(self) -> None:
        """Lead the fleet, or wait to, until there is a reason to leave."""
        store = self.deployment.store
        with Interruption(SIGNALS) as interruption:
            with self.deployment.engine.controlling() as node:
                logger.info("ready", home=str(self.deployment.settings.home))
                reason = _watch(node, interruption, _JobLog(store), None)
                logger.info("stopping", reason=reason)
            store.close()

    def deliver(self) -> None:
        """Send callbacks until there is a reason to leave."""
        store = self.deployment.store
        with Interruption(SIGNALS) as interruption:
            with self.deployment.engine.delivering() as node:
                logger.info("ready", queues=["callback"], home=str(self.deployment.settings.home))
                reason = _watch(node, interruption, _JobLog(store), None)
                logger.info("stopping", reason=reason)
            store.close()

    def _drain(self, node: Node, interruption: Interruption, reason: str) -> None:
        # What was promised to be run is run: only signals set a time.
        patience = self.drain_seconds if interruption.count else None
        node.drain()
        if node.worker.gate.busy:
            facts = {"running": node.worker.gate.busy, "patience_seconds": patience}
            logger.info("draining", reason=reason, **facts)
        begun = time.monotonic()
        while node.worker.gate.busy and interruption.count < SIGNALS:
            if interruption.count and patience is None:
                begun, patience = time.monotonic(), self.drain_seconds
            if patience is not None and time.monotonic() - begun >= patience:
                break
            time.sleep(POLL_SECONDS)
        if left := node.worker.gate.busy:
            logger.info("stopping: what runs is handed back", reason=reason, tasks=left)
        else:
            logger.info("stopping", reason=reason)


def _watch(
    node: Node, interruption: Interruption, jobs: _JobLog, idleness: _Idleness | None
) -> str:
    """Wait for a reason to leave; returns it."""
    while True:
        if interruption.count:
            return "a signal"
        if node.worker.gate.is_spent:
            return "it has run as many tasks as it was to"
        if node.is_to_leave:
            return "somebody wants it to leave"
        if idleness is not None and idleness.lasts():
            return "nothing is left to do in its queues"
        jobs.look()
        time.sleep(POLL_SECONDS)


class _Idleness:
    """Notes since when a worker has nothing to do."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._since: float | None = None
        self._looked = 0.0

    def lasts(self) -> bool:
        """Whether nothing was to be done for `IDLE_SECONDS`; asks the store once in a while."""
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            if not self._is_idle():
                self._since = None
            elif self._since is None:
                self._since = now
        return self._since is not None and now - self._since >= IDLE_SECONDS

    def _is_idle(self) -> bool:
        worker = self._node.worker
        try:
            return not worker.gate.busy and self._node.store.is_idle(worker.queues)
        except SQLAlchemyError:  # nobody can tell
            return False


class _JobLog:
    """Logs what becomes of the newest jobs."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[int, str] | None = None
        self._looked = 0.0

    def look(self) -> None:
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        try:
            newest = self._store.jobs(limit=LOOKED_AT)
        except SQLAlchemyError:  # it is away: what has changed is told when it is back
            return
        if self._known is None:  # what had ended before is no news
            self._known = {job.id: verdict(job) for job in newest if job.ended}
        for job in reversed(newest):
            if self._known.get(job.id) != verdict(job):
                self._known[job.id] = verdict(job)
                _log(job)


def _log(job: Job) -> None:
    facts = {"job_id": job.id, "status": verdict(job), "output_folder": job.output}
    if job.ended and job.error:
        logger.warning("job", **facts, code=job.error["code"], error=job.error["message"])
    else:
        logger.info("job", **facts)
