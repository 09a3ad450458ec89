"""A process that runs the jobs of a database until all have ended; made to be killed.

Usage: python engine_process.py FOLDER JOBS WIDTH. It submits what is missing of JOBS jobs first,
under ids of their own, so that a killed submission is repeated without a second job.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from celery import chain, chord

from adaptation.engine.engine import Pace
from adaptation.engine.tasks import Expand, Registry, WorkflowDefinition, task
from engine_kit import Run, add_up, count_one, small_engine

WORK_SECONDS = 0.05


@task("light")
def slow_count(context: dict[str, Any], run: Run) -> dict[str, Any]:
    """Count like `count_one`, taking its time and noting each execution."""
    time.sleep(WORK_SECONDS)
    with (run.scratch / "executions").open("a") as ledger:
        ledger.write(f"{run.claim.task_id} {run.claim.generation}\n")
    return count_one(context, run)  # type: ignore[return-value]


@task("light")
def slow_fan_out(context: dict[str, Any], run: Run) -> Expand:
    """Expand to slow counts."""
    steps = [slow_count.s(branch=number) for number in range(context["width"])]
    return Expand(context, chord(steps, add_up.s()))


def registry() -> Registry:
    """The one workflow, `slow`."""
    known = Registry()
    known.add_tasks(slow_count, slow_fan_out, add_up)
    known.add_workflow(
        WorkflowDefinition(
            "slow", dict, lambda given: chain(slow_fan_out.s(**given), slow_count.s())
        )
    )
    return known


def main(folder: Path, jobs: int, width: int) -> None:
    """Submit and run until every job has ended."""
    engine = small_engine(folder, registry(), Pace(heartbeat_seconds=0.2, sweep_seconds=0.2))
    with engine.running(slots=4):
        ids = [
            engine.submit("slow", {"width": width}, main_task_id=f"job-{number}").id
            for number in range(jobs)
        ]
        while not all(engine.store.job(job_id).ended for job_id in ids):
            time.sleep(0.05)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
