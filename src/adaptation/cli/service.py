"""`adaptation serve`, `api`, `worker` and `controller`: what runs until somebody stops it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from adaptation.cli import output
from adaptation.cli.interruption import Interruption
from adaptation.cli.request import Slots
from adaptation.cli.shift import POLL_SECONDS, Shift
from adaptation.engine.deliverer import QUEUE as CALLBACKS
from adaptation.engine.engine import Engine
from adaptation.errors import SettingsError
from adaptation.wiring import Deployment

Seconds = Annotated[float | None, Parameter(validator=Number(gte=0))]
Host = str | None
Port = Annotated[int | None, Parameter(validator=Number(gte=0, lte=65_535))]
Count = Annotated[int | None, Parameter(validator=Number(gte=1))]

WORKER_DRAIN_SECONDS = 20.0
"""Enough for short tasks, and less than the 30 s after which Kubernetes kills."""
SERVE_DRAIN_SECONDS = 0.0
"""Whoever presses Ctrl-C is waiting, and what is handed back goes on at the next start."""


def serve(
    *,
    host: Host = None,
    port: Port = None,
    slots: Slots = None,
    drain_seconds: Seconds = None,
) -> None:
    """Run jobs in this process until it is stopped: API, controller and worker in one.

    Ctrl-C or SIGTERM stops it: what runs is handed back, and goes on at the next start.

    Args:
        host: Address to listen on: 127.0.0.1, which only this machine reaches, when not given.
        port: TCP port, 8020 when not given; 0 takes any that is free.
        slots: Tasks at the same time; as many as there are processors when not given.
        drain_seconds: How long what runs may go on when it is stopped; 0 when not given.
    """
    # The front door's deployment: whoever takes messages must know Celery's task as well.
    from adaptation.commons import deployment

    output.begin_logs(logging.INFO)
    shift = Shift(deployment, _patience(deployment, drain_seconds, SERVE_DRAIN_SECONDS))
    with _serving(deployment, host, port):
        shift.work(slots)


def api(*, host: Host = None, port: Port = None) -> None:
    """Answer the API's requests until it is stopped; jobs are run by workers elsewhere.

    Any number may run beside each other.

    Args:
        host: Address to listen on: 127.0.0.1, which only this machine reaches, when not given.
        port: TCP port, 8020 when not given; 0 takes any that is free.
    """
    from adaptation.wiring import deploy

    output.begin_logs(logging.INFO)
    deployment = deploy()
    with Interruption() as interruption, _serving(deployment, host, port):
        while not interruption.count:
            time.sleep(POLL_SECONDS)
    deployment.store.close()


def worker(
    *,
    queues: str = "",
    slots: Slots = None,
    exit_when_idle: bool = False,
    max_tasks: Count = None,
    drain_seconds: Seconds = None,
) -> None:
    """Take tasks from a broker until it is stopped.

    SIGTERM or Ctrl-C drains it: it takes no more tasks, and what runs may end; what is left after
    --drain-seconds is handed back without being charged a try. A second signal hands back at once.

    Args:
        queues: Names with commas between them, such as transcode,package; all when not given.
            Whoever serves `callback` sends callbacks; nothing else needs no broker.
        slots: Tasks at the same time; as many as there are processors when not given.
        exit_when_idle: Leave when nothing is ready or runs in its queues for a few seconds.
        max_tasks: Leave when so many tasks were run.
        drain_seconds: How long what runs may go on when it is stopped; 20 when not given.
    """
    from adaptation.commons import deployment

    output.begin_logs(logging.INFO)
    wanted = tuple(name.strip() for name in queues.split(",") if name.strip())
    # A name that is wrong is told before anything else that may be wrong.
    deployment.engine.check_queues(wanted)
    if set(wanted) == {CALLBACKS}:
        # Nothing travels on this queue: who sends callbacks looks at the database.
        Shift(deployment, 0.0).deliver()
        return
    _need_broker(deployment.engine, "a worker takes its tasks from a broker")
    shift = Shift(deployment, _patience(deployment, drain_seconds, WORKER_DRAIN_SECONDS))
    shift.work(slots, queues=wanted, max_tasks=max_tasks, exit_when_idle=exit_when_idle)


def controller() -> None:
    """Start jobs, send tasks and take back what was lost, until it is stopped; run no task.

    Any number may run, and one leads. A fleet without one works, too: its workers take turns.
    """
    from adaptation.commons import deployment

    output.begin_logs(logging.INFO)
    _need_broker(deployment.engine, "a controller sends tasks through a broker")
    Shift(deployment, 0.0).lead()


@contextmanager
def _serving(deployment: Deployment, host: str | None, port: int | None) -> Iterator[None]:
    from adaptation.api.server import serving
    from adaptation.dashboard.mounting import mount

    settings = deployment.settings
    deployment.engine.prepare()
    host, port = host or settings.host, settings.port if port is None else port
    with serving(deployment, host, port, mount=mount):
        yield


def _need_broker(engine: Engine, why: str) -> None:
    if engine.dispatcher.local_only:
        raise SettingsError(
            f"{why}, and none is set",
            code="broker_needed",
            hint="Set ADAPTATION_BROKER_URL, or run jobs on this machine: adaptation serve",
        )


def _patience(deployment: Deployment, given: float | None, usual: float) -> float:
    """How long what runs may go on: as the command line says, the settings, or as usual."""
    wanted = deployment.settings.drain_seconds if given is None else given
    return usual if wanted is None else wanted
