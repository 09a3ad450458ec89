"""A worker as a process of its own, with a tiny registry; it runs until SIGTERM.

usage: python fleet_process.py FOLDER DATABASE BROKER SLOTS [SETTINGS]

Every execution of a task adds a line to FOLDER/executions. SETTINGS are Celery's, as JSON.
"""

from __future__ import annotations

import json
import logging
import random
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from celery import chain, chord

from adaptation.engine import intake
from adaptation.engine.engine import Engine, Pace
from adaptation.engine.model import Dispatch
from adaptation.engine.store import Store
from adaptation.engine.tasks import Expand, Registry, WorkflowDefinition, task
from adaptation.engine.transport import Dispatcher
from adaptation.engine.worker import RetryRule
from engine_kit import Run, small_engine

LEDGER = "executions"
READY = "takes messages\n"
"""What it says on stderr when it does."""
OURS = ("repeat", "look_seconds")
WAKE_SECONDS = 0.2
SUBMIT = "submit"
"""The Celery task by which any client submits: a workflow's name and its parameters."""
PACE = Pace(heartbeat_seconds=0.2, sweep_seconds=0.5, retry=RetryRule(3, 0.05))


@task("light")
def work(context: dict[str, Any], run: Run) -> dict[str, Any]:
    """Take `seconds`, note it, and count."""
    with (run.scratch / LEDGER).open("a") as ledger:
        ledger.write(f"{run.claim.task_id}\n")
    run.cancelled.wait(context.get("seconds", 0.0))
    run.check()
    return {**context, "n": context.get("n", 0) + 1}


@task("light")
def fail_at_first(context: dict[str, Any], run: Run) -> dict[str, Any]:
    """Fail for good in a job's first run."""
    if run.claim.run_no == 1:
        raise ValueError("not yet")
    return context


@task("light")
def spread(context: dict[str, Any], run: Run) -> Expand:
    """Expand to `width` tasks and their sum."""
    steps = [work.s(branch=number) for number in range(context["width"])]
    return Expand(context, chord(steps, gather.s()))


@task("heavy")
def gather(contexts: list[dict[str, Any]], run: Run) -> dict[str, Any]:
    """Join."""
    return {"n": sum(context["n"] for context in contexts), "seconds": contexts[0]["seconds"]}


def fleet_registry() -> Registry:
    """Workflows `work` (one task), `spread` (a fan-out of `width`), `stumble` (fails once)."""
    registry = Registry()
    registry.add_tasks(work, spread, gather, fail_at_first)
    author = {
        "work": lambda given: chain(work.s(**given)),
        "spread": lambda given: chain(spread.s(**{"seconds": 0.0, **given}), work.s()),
        "stumble": lambda given: chain(work.s(**given), fail_at_first.s()),
    }
    for name, canvas in author.items():
        registry.add_workflow(WorkflowDefinition(name, dict, canvas))
    return registry


class Repeating(Dispatcher):
    """Sends every message three times, in no order."""

    def send(self, ready: Iterable[Dispatch]) -> None:
        repeated = [item for item in ready for _ in range(3)]
        random.shuffle(repeated)
        super().send(repeated)


def fleet_engine(folder: Path, database: str, broker: str, settings: dict[str, Any]) -> Engine:
    """An engine of the fleet, in whatever role.

    Two settings are ours: `repeat` makes it repeat messages, `look_seconds` is that of free slots.
    """
    store = Store(database) if database else None
    engine = small_engine(folder, fleet_registry(), PACE, store, broker)
    if settings.get("repeat"):
        engine.dispatcher = Repeating(engine.app, local_only=False)
    intake.LOOK_SECONDS = settings.get("look_seconds", intake.LOOK_SECONDS)
    engine.app.conf.update({k: v for k, v in settings.items() if k not in OURS})

    @engine.app.task(name=SUBMIT, shared=False, acks_late=True)
    def submit(workflow: str, parameters: dict[str, Any]) -> None:
        engine.submit(workflow, parameters)

    return engine


def executions(folder: Path) -> Counter[int]:
    """How often each task was executed, by its id."""
    place = folder / LEDGER
    return Counter(map(int, place.read_text().split() if place.exists() else ()))


def main(folder: Path, database: str, broker: str, slots: int, settings: str = "{}") -> None:
    """Run tasks until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    engine = fleet_engine(folder, database, broker, json.loads(settings))
    with engine.running(slots):
        sys.stderr.write(READY)
        sys.stderr.flush()
        # A signal that another thread takes is seen by this one only when it wakes up.
        while not stop.wait(WAKE_SECONDS):
            pass
    engine.store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), *sys.argv[5:])
