"""What past jobs took, and how many slots there are, as the store knows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from celery import chain
from sqlalchemy import text, update

from adaptation.engine import history
from adaptation.engine.schema import task as tasks
from adaptation.engine.store import Store
from adaptation.engine.tasks import TaskRun, WorkflowDefinition, task
from engine_kit import HandWorker, count_one


@task("light")
def foretell_it(context: dict[str, Any], run: TaskRun[Any]) -> dict[str, Any]:
    """Leave a forecast in the context, as a workflow does that wants to learn."""
    return {**context, history.PLANNED: {"work_seconds": context["work"]}}


def author(given: dict[str, Any]) -> Any:
    return chain(foretell_it.s(**given), count_one.s())


@pytest.fixture
def learner(worker: HandWorker) -> HandWorker:
    """A worker that also knows the workflow `learn`."""
    worker.registry.add_tasks(foretell_it)
    worker.registry.add_workflow(WorkflowDefinition("learn", dict, author))
    worker.queues["foretell_it"] = "light"
    return worker


def run(worker: HandWorker, kind: str, work: float = 4.0) -> int:
    job_id = worker.submit("learn", kind=kind, work=work)
    worker.run_all()
    return job_id


def test_completed_jobs_of_the_same_kind_are_remembered_newest_first(
    learner: HandWorker, store: Store
) -> None:
    first, second = run(learner, "slow"), run(learner, "slow", work=5.0)
    run(learner, "fast")
    learner.submit("line", length=1)
    learner.run_all()
    unfinished = learner.submit("learn", kind="slow", work=1.0)
    with store.database.write() as connection:
        took = {"started_at": 1_000, "finished_at": 3_500}
        connection.execute(update(tasks).where(tasks.c.job_id == second).values(took))

    found = store.past_jobs("learn", "kind", "slow")

    assert [job.id for job in found] == [second, first]
    assert unfinished not in {job.id for job in found}
    assert found[0].planned == {"work_seconds": 5.0}
    assert found[0].seconds == {"foretell_it": 2.5, "count_one": 2.5}
    assert store.past_jobs("learn", "kind", "slow", limit=1) == found[:1]
    assert store.past_jobs("learn", "sort", "slow") == []
    learner.run_all()


def test_only_the_newest_completed_jobs_are_looked_at(
    learner: HandWorker, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "LOOKED_AT", 2)
    run(learner, "slow")
    for _ in range(2):
        run(learner, "fast")

    assert store.past_jobs("learn", "kind", "slow") == []
    assert len(store.past_jobs("learn", "kind", "fast")) == 2


def test_past_jobs_are_found_by_an_index(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'indexed.db'}")
    store.create()
    statement = history._alike("learn", "kind", "slow", 50)
    with store.database.read() as connection:
        words = statement.compile(connection.engine, compile_kwargs={"literal_binds": True})
        plan = [row[3] for row in connection.execute(text(f"EXPLAIN QUERY PLAN {words}"))]

    store.close()
    assert not [line for line in plan if line.startswith("SCAN job")], plan
