"""Jobs that were under way when the tables were those of an older version, and finish on ours."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from adaptation.engine.engine import Pace
from adaptation.engine.migrations import HISTORY, VERSION, upgrade
from adaptation.engine.states import JobState
from adaptation.engine.store import Store
from engine_kit import broken_invariants, small_engine
from services import wait_until

THEN = int(time.time() * 1000) - 3_600_000
"""When all this happened, in milliseconds: an hour ago."""
PACE = Pace(heartbeat_seconds=0.1, sweep_seconds=0.1)
QUEUED, STARTED, JOINING, PAUSED, FAILED, COMPLETED = range(1, 7)
JSON_COLUMNS = {"parameters", "context", "farewell", "result", "error", "params", "detail", "body"}


class OldRows:
    """Writes rows as the engine of version 0001 left them, in SQL that knows no later column."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tasks = 0

    def insert(self, table: str, **row: Any) -> None:
        values = {
            name: json.dumps(value) if name in JSON_COLUMNS and value is not None else value
            for name, value in row.items()
        }
        places = ", ".join(f":{name}" for name in values)
        names = ", ".join(values)
        self._connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({places})"), values)

    def job(self, job_id: int, state: str, remaining: int, **facts: Any) -> None:
        row = {
            "main_task_id": f"client-{job_id}",
            "workflow": "line",
            "failed": False,
            "cancelling": False,
            "priority": 5,
            "run_no": 1,
            "parameters": {},
            "context": {"job": job_id},
            "farewell": {},
            "fingerprint": "",
            "permanent": False,
            "work": "kept",
            "created_at": THEN + job_id,
            "updated_at": THEN,
        }
        self.insert("job", **row | {"id": job_id, "state": state, "remaining": remaining} | facts)

    def task(self, job_id: int, name: str, state: str, *upstreams: int, **facts: Any) -> int:
        self._tasks += 1
        row = {
            "id": self._tasks,
            "job_id": job_id,
            "run_no": 1,
            "key": str(self._tasks),
            "name": name,
            "queue": "heavy" if name == "add_up" else "light",
            "state": state,
            "waits": 0,
            "joins": False,
            "attempt": int(state not in {"waiting", "ready"}),
            "losses": 0,
            "generation": int(state not in {"waiting", "ready"}),
            "not_before": 0,
            "priority": 5,
            "params": {},
            "progress": 0.0,
        }
        self.insert("task", **row | facts)
        for number, upstream in enumerate(upstreams):
            edge = {"task_id": self._tasks, "upstream_id": upstream, "position": f"{number:06d}"}
            self.insert("task_dependency", **edge)
        return self._tasks

    def done(self, job_id: int, name: str, result: dict[str, Any], *upstreams: int) -> int:
        task_id = self.task(job_id, name, "done", *upstreams, result=result, finished_at=THEN)
        self.attempt(task_id, "done")
        return task_id

    def running(self, job_id: int, name: str, *upstreams: int) -> int:
        """A task whose worker died with the old version."""
        held = {"worker_id": "dead", "lease_until": THEN, "started_at": THEN}
        task_id = self.task(job_id, name, "running", *upstreams, **held)
        self.attempt(task_id, None)
        return task_id

    def attempt(self, task_id: int, outcome: str | None) -> None:
        ended = THEN if outcome else None
        facts = {"started_at": THEN, "finished_at": ended, "outcome": outcome}
        self.insert("attempt", task_id=task_id, generation=1, worker_id="dead", **facts)

    def end(self, job_id: int) -> None:
        identity = f"{job_id}/run-1/end/0"
        message = {"kind": "job_end", "address": f"client-{job_id}", "body": {}}
        self.insert("outbox", job_id=job_id, identity=identity, created_at=THEN, **message)


def leave_jobs(rows: OldRows) -> None:
    """One job of every kind that the old version could be stopped in."""
    rows.job(QUEUED, "queued", 2)
    first = rows.task(QUEUED, "count_one", "ready", sent_at=THEN)
    rows.task(QUEUED, "count_one", "waiting", first, waits=1)

    rows.job(STARTED, "started", 2, started_at=THEN)
    first = rows.done(STARTED, "count_one", {"n": 1, "width": 3})
    second = rows.running(STARTED, "fan_out", first)
    rows.task(STARTED, "count_one", "waiting", second, waits=1)

    rows.job(JOINING, "started", 3, started_at=THEN)
    left = rows.done(JOINING, "count_one", {"n": 1, "branch": 0})
    middle = rows.task(JOINING, "count_one", "ready", params={"branch": 1})
    right = rows.running(JOINING, "count_one")
    rows.task(JOINING, "add_up", "waiting", left, middle, waits=2, joins=True)
    edge = {"task_id": right + 1, "upstream_id": right, "position": None}
    rows.insert("task_dependency", **edge)

    rows.job(PAUSED, "paused", 1)
    first = rows.done(PAUSED, "count_one", {"n": 1})
    rows.task(PAUSED, "count_one", "ready", first)

    rows.job(FAILED, "completed", 0, failed=True, finished_at=THEN, error={"code": "disk_full"})
    first = rows.done(FAILED, "count_one", {"n": 1})
    second = rows.task(FAILED, "count_one", "failed", first, error={"code": "disk_full"})
    rows.attempt(second, "failed")
    rows.task(FAILED, "count_one", "skipped", second, waits=1)
    rows.end(FAILED)

    rows.job(COMPLETED, "completed", 0, finished_at=THEN, result={"n": 1}, work="removed")
    rows.done(COMPLETED, "count_one", {"n": 1})
    rows.end(COMPLETED)

    rows.insert(
        "worker",
        id="dead",
        host="gone",
        pid=1,
        process_started_at=THEN,
        slots=2,
        heartbeat_at=THEN,
    )
    rows.insert("log", job_id=STARTED, task_id=0, severity=20, progname="api", message="accepted",
                created_at=THEN)  # fmt: skip
    rows.insert("leader", name="sweep", holder="dead", lease_until=THEN)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A database that an older version left with jobs in flight, and knows no versions."""
    if request.param == "sqlite":
        store = Store(f"sqlite:///{tmp_path / 'engine.db'}")
    else:
        store = Store(request.getfixturevalue("bare_postgres_url"))
    with store.database.write() as connection:
        upgrade(connection, HISTORY[0])
        leave_jobs(OldRows(connection))
        if not store.database.is_sqlite:
            for table in ("job", "task", "log", "outbox"):
                sequence = f"pg_get_serial_sequence('{table}', 'id')"
                connection.execute(text(f"SELECT setval({sequence}, 1000)"))
        VERSION.drop(connection)
    yield store
    store.close()


def test_jobs_in_flight_finish_on_the_new_tables(store: Store, tmp_path: Path) -> None:
    assert store.migrate() == HISTORY[0]
    assert broken_invariants(store) == []
    assert [line.message for line in store.logs(STARTED)] == ["accepted"]
    assert store.processes() == [], "workers of the older version sign on anew"

    with small_engine(tmp_path, pace=PACE, store=store).running(slots=2):
        assert wait_until(lambda: all(store.job(job).ended for job in (QUEUED, STARTED, JOINING)))
        assert store.job(PAUSED).state is JobState.PAUSED, "nobody has resumed it"
        assert store.resume(PAUSED)
        assert store.retry(FAILED) == 2
        jobs = (PAUSED, FAILED)
        assert wait_until(lambda: all(store.job(job).ended for job in jobs))

    assert broken_invariants(store) == []
    assert {job.id: job.result for job in store.jobs()} == {
        QUEUED: {"n": 2, "job": QUEUED},
        STARTED: {"n": 7, "order": [0, 1, 2]},
        JOINING: {"n": 2, "order": [0, 1]},
        PAUSED: {"n": 2},
        FAILED: {"n": 3},
        COMPLETED: {"n": 1},
    }
    assert store.attempts(6) == [(1, "done")], "what was done is not done again"
