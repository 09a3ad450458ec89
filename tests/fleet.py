"""A small fleet for tests: an engine that submits and looks, and workers that are processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adaptation.engine import brokers
from adaptation.engine.engine import Engine
from adaptation.engine.model import Job
from adaptation.engine.states import TaskState
from engine_kit import broken_invariants
from fleet_process import READY, executions, fleet_engine
from services import wait_until

RUNNER = Path(__file__).parent / "fleet_process.py"
RESTLESS = {"visibility_timeout": 1, "unacked_restore_interval": 1}
"""Redis forgets after a second who took a message."""
HASTY = RESTLESS | {"answer_seconds": 1, "socket_timeout": 1, "health_check_interval": 1}
"""A silent broker is noticed sooner."""


@dataclass
class Fleet:
    """What one test works with."""

    folder: Path
    database: str
    broker_url: str
    options: dict[str, Any] = field(default_factory=dict)
    """Of the transport, beside those of the product."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Celery's."""

    def __post_init__(self) -> None:
        usual = brokers.settings(self.broker_url).get("broker_transport_options", {})
        self.settings["broker_transport_options"] = usual | self.options
        self.engine: Engine = fleet_engine(
            self.folder, self.database, self.broker_url, self.settings
        )
        self.store = self.engine.store

    @contextmanager
    def worker(
        self, slots: int = 2, broker_url: str = "", status: int = 0
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A worker process; SIGTERM ends it, and it must end well, or as it is said."""
        ready = self.log.count(READY)
        # A fleet may serve several tests: it lives in nobody's home.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ADAPTATION_")}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        command = [sys.executable, str(RUNNER), str(self.folder), self.database]
        command += [broker_url or self.broker_url, str(slots), json.dumps(self.settings)]
        with (self.folder / "worker.log").open("ab") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        with process:
            try:
                assert wait_until(lambda: self.log.count(READY) > ready, 30), self.log
                yield process
            finally:
                process.terminate()
                try:
                    assert process.wait(timeout=20) == status, self.log
                finally:
                    process.kill()

    @property
    def log(self) -> str:
        """What the workers have said."""
        found = self.folder / "worker.log"
        return found.read_text() if found.exists() else ""

    def submit(self, workflow: str, **parameters: Any) -> Job:
        """Submit a job."""
        return self.engine.submit(workflow, parameters)

    def states(self, job: Job) -> list[TaskState]:
        """The states of a job's tasks."""
        return [task.state for task in self.store.tasks(job.id)]

    def runs(self, job: Job) -> bool:
        """Whether a task of a job is at work."""
        return TaskState.RUNNING in self.states(job)

    def ended(self, *jobs: Job, timeout_seconds: float = 20.0) -> list[Job]:
        """Wait until jobs have ended."""
        ids = [job.id for job in jobs]
        all_ended = wait_until(
            lambda: all(self.store.job(number).ended for number in ids), timeout_seconds
        )
        assert all_ended, ([self.store.tasks(number) for number in ids], self.log)
        return [self.store.job(number) for number in ids]

    def judge(self) -> None:
        """No invariant is broken, and every task that is done was committed once."""
        assert broken_invariants(self.store) == []

    @property
    def executed(self) -> dict[int, int]:
        """How often each task was executed, by its id."""
        return dict(executions(self.folder))
