"""`adaptation serve` and `adaptation worker`: an engine that runs until somebody stops it."""

from __future__ import annotations

import logging
import time

import structlog

from adaptation.cli import output
from adaptation.cli.interruption import Interruption
from adaptation.cli.request import Slots
from adaptation.cli.store import verdict
from adaptation.engine.model import Job
from adaptation.engine.store import Store
from adaptation.errors import SettingsError
from adaptation.wiring import Deployment

POLL_SECONDS = 0.1
LOOK_SECONDS = 1.0
LOOKED_AT = 50
"""The newest jobs, whose changes are logged."""

logger = structlog.get_logger(__name__)


def serve(*, slots: Slots = None) -> None:
    """Run jobs in this process until it is stopped.

    Ctrl-C or SIGTERM stops it: what runs is handed back, and goes on at the next start.

    Args:
        slots: Tasks at the same time; as many as there are processors when not given.
    """
    # The front door's deployment: whoever takes messages must know Celery's task as well.
    from adaptation.commons import deployment

    _run(deployment, slots)


def worker(*, slots: Slots = None) -> None:
    """Take tasks from a broker until it is stopped.

    Args:
        slots: Tasks at the same time; as many as there are processors when not given.
    """
    from adaptation.commons import deployment

    if deployment.engine.dispatcher.local_only:
        raise SettingsError(
            "a worker takes its tasks from a broker, and none is set",
            code="broker_needed",
            hint="Set ADAPTATION_BROKER_URL, or run jobs on this machine: adaptation serve",
        )
    _run(deployment, slots)


def _run(deployment: Deployment, slots: int | None) -> None:
    output.begin_logs(logging.INFO)
    slots = deployment.settings.slots if slots is None else slots
    with Interruption() as interruption:
        with deployment.engine.running(slots):
            logger.info("ready", slots=slots, home=str(deployment.settings.home))
            jobs = _JobLog(deployment.store)
            while interruption.signal_number is None:
                jobs.look()
                time.sleep(POLL_SECONDS)
            logger.info("stopping: what runs is handed back")
        deployment.store.close()


class _JobLog:
    """Logs what becomes of the newest jobs."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known = {job.id: verdict(job) for job in store.jobs(limit=LOOKED_AT) if job.ended}
        self._looked = 0.0

    def look(self) -> None:
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        for job in reversed(self._store.jobs(limit=LOOKED_AT)):
            if self._known.get(job.id) != verdict(job):
                self._known[job.id] = verdict(job)
                _log(job)


def _log(job: Job) -> None:
    facts = {"job_id": job.id, "status": verdict(job), "output_folder": job.output}
    if job.ended and job.error:
        logger.warning("job", **facts, code=job.error["code"], error=job.error["message"])
    else:
        logger.info("job", **facts)
