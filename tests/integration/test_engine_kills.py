"""kill -9 at any moment: every job still ends once, and nothing finished is done again."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from adaptation.engine.store import Store
from engine_kit import broken_invariants
from services import wait_until

JOBS, WIDTH = 12, 6
KILLS = 5
RUNNER = Path(__file__).parent.parent / "engine_process.py"


STARTING_SECONDS = 30


def start(folder: Path) -> subprocess.Popen[bytes]:
    paths = os.pathsep.join(path for path in sys.path if path)
    command = [sys.executable, str(RUNNER), str(folder), str(JOBS), str(WIDTH)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": paths})


def at_work(process: subprocess.Popen[bytes], ledger: Path) -> Callable[[], bool]:
    """Whether the process has noted an execution of its own, or has ended."""

    def size_bytes() -> int:
        return ledger.stat().st_size if ledger.exists() else 0

    before = size_bytes()
    return lambda: size_bytes() > before or process.poll() is not None


@pytest.mark.crash
def test_jobs_with_fan_out_survive_random_kills(tmp_path: Path) -> None:
    chance = random.Random(25)
    kills = 0
    while True:
        process = start(tmp_path)
        assert wait_until(at_work(process, tmp_path / "executions"), STARTING_SECONDS)
        try:
            code = process.wait(timeout=chance.uniform(0.0, 0.3) if kills < KILLS else 60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
            continue
        assert code == 0
        break

    store = Store(f"sqlite:///{tmp_path / 'engine.db'}")
    assert kills >= 3, "the storm was too calm to prove anything"
    assert broken_invariants(store) == []
    jobs = store.jobs(limit=100)
    assert len(jobs) == JOBS
    assert {str(job.result) for job in jobs} == {str({"n": WIDTH + 1, "order": list(range(WIDTH))})}
    executions = Counter(
        tuple(line.split()) for line in (tmp_path / "executions").read_text().splitlines()
    )
    assert max(executions.values()) == 1, "one generation ran twice"
    outcomes = [
        outcome
        for job in jobs
        for task in store.tasks(job.id)
        for _, outcome in store.attempts(task.id)
    ]
    assert outcomes.count("done") == JOBS * (WIDTH + 3)
    assert outcomes.count("lost") >= 1
    store.close()
