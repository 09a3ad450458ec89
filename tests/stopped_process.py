"""A worker whose task takes as long as a test wants; made to be stopped in the middle.

Usage: python stopped_process.py DATABASE_URL FOLDER. It runs until it is told to end. The first
attempt of the task goes on when FOLDER/go is there.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adaptation.adapters.storage import LocalStorage
from adaptation.cli.interruption import Interruption
from adaptation.engine.engine import Engine, Pace
from adaptation.engine.model import Claim
from adaptation.engine.store import Store
from adaptation.engine.tasks import Registry, TaskRun, WorkflowDefinition, area_of, task

PACE = Pace(lease_seconds=1.5, heartbeat_seconds=0.3, sweep_seconds=0.3)


@task("light")
def write_twice(context: dict[str, Any], run: TaskRun[LocalStorage]) -> dict[str, Any]:
    """Write a file early and one late, whatever a heartbeat says in between."""
    generation = run.claim.generation
    run.resources.put_bytes(b"early", f"{run.area}/early")
    while generation == 1 and not (run.resources.root / "go").exists():
        time.sleep(0.01)
    run.resources.put_bytes(b"late", f"{run.area}/late")
    return {**context, "by": generation}


def make_engine(url: str, folder: Path) -> Engine:
    """An engine with one workflow, `write`, and its work area in a folder."""
    registry = Registry()
    registry.add_tasks(write_twice)
    registry.add_workflow(WorkflowDefinition("write", dict, lambda _: write_twice.s()))
    work = LocalStorage(folder)

    @contextmanager
    def scratch(job_id: int, task_id: int, generation: int) -> Iterator[Path]:
        yield folder

    def discard(claim: Claim) -> None:
        work.delete_prefix(area_of(claim))

    return Engine(
        store=Store(url),
        registry=registry,
        resources=work,
        scratch=scratch,
        remove_work=lambda _: None,
        discard=discard,
        pace=PACE,
    )


def main(url: str, folder: Path) -> None:
    """Work until a signal comes."""
    engine = make_engine(url, folder)
    with Interruption() as interruption, engine.running(slots=1):
        while not interruption.count:
            time.sleep(0.05)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
