"""A small engine without media for tests: no-op tasks, a hand-driven worker, the invariants."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from celery import chain, chord
from sqlalchemy import text

from adaptation.engine.engine import Engine, Pace
from adaptation.engine.graph import lower
from adaptation.engine.model import Claim, Dispatch, NewJob
from adaptation.engine.plan import Plan, Upstream
from adaptation.engine.store import Store
from adaptation.engine.tasks import Expand, Registry, TaskRun, WorkflowDefinition, task
from services import HERE

Run = TaskRun[Any]
LEASE_SECONDS = 30.0


@task("light")
def count_one(context: dict[str, Any], run: Run) -> dict[str, Any]:
    """Add one to `n`."""
    return {**context, "n": context.get("n", 0) + 1}


@task("light")
def fan_out(context: dict[str, Any], run: Run) -> Expand:
    """Expand to `width` parallel counts and their sum."""
    steps = [count_one.s(branch=number) for number in range(context["width"])]
    return Expand(context, chord(steps, add_up.s()))


@task("heavy")
def add_up(contexts: list[dict[str, Any]], run: Run) -> dict[str, Any]:
    """Join: the sum of `n`, and the branches in the order they came."""
    order = [context["branch"] for context in contexts]
    return {"n": sum(context["n"] for context in contexts), "order": order}


def small_registry() -> Registry:
    """Workflows `fan` (a dynamic fan-out inside a chain) and `line` (a plain chain)."""
    registry = Registry()
    registry.add_tasks(count_one, fan_out, add_up)
    registry.add_workflow(
        WorkflowDefinition(
            "fan", dict, lambda given: chain(count_one.s(**given), fan_out.s(), count_one.s())
        )
    )
    registry.add_workflow(
        WorkflowDefinition(
            "line", dict, lambda given: chain(*[count_one.s() for _ in range(given["length"])])
        )
    )
    return registry


def small_engine(
    folder: Path,
    registry: Registry | None = None,
    pace: Pace | None = None,
    store: Store | None = None,
    broker_url: str = "memory://",
) -> Engine:
    """An engine with its scratch in `folder`, and its database too if none is given."""

    @contextmanager
    def scratch(job_id: int, task_id: int, generation: int) -> Iterator[Path]:
        yield folder

    store = store or Store(f"sqlite:///{folder / 'engine.db'}")
    store.create()
    return Engine(
        store=store,
        registry=registry or small_registry(),
        resources=None,
        scratch=scratch,
        remove_work=lambda _: None,
        policy=HERE,
        broker_url=broker_url,
        pace=pace,
    )


class HandWorker:
    """Runs tasks one move at a time, so that a test decides what happens between the moves."""

    def __init__(self, store: Store, registry: Registry, folder: Path) -> None:
        self.store = store
        self.registry = registry
        self.folder = folder
        self.queues = {name: known.queue for name, known in registry.tasks.items()}

    def submit(self, workflow: str, **parameters: Any) -> int:
        """Store a job and start it, whatever else runs."""
        new = NewJob(f"{workflow}-{uuid.uuid4().hex}", workflow, parameters)
        job_id = self.store_job(new)
        self.store.admit(job_id)
        return job_id

    def queue(self, workflow: str = "line", /, **facts: Any) -> int:
        """Store a job with one task that waits for its turn; `facts` are a `NewJob`'s."""
        facts = {"parameters": {"length": 1}, **facts}
        return self.store_job(NewJob(f"{workflow}-{uuid.uuid4().hex}", workflow, **facts))

    def plan(self, new: NewJob) -> Plan:
        return lower(self.registry.workflow(new.workflow).author(new.parameters))

    def store_job(self, new: NewJob) -> int:
        return self.store.submit(new, self.plan(new), self.queues)

    def ready(self) -> list[Dispatch]:
        """Start what may be started; all tasks that may be claimed."""
        self.store.admit()
        return self.store.due(resend_seconds=0)

    def claim(self, item: Dispatch, worker: str = "hand") -> Claim | None:
        return self.store.claim(item.task_id, item.generation, worker, LEASE_SECONDS)

    def work(self, claim: Claim) -> tuple[dict[str, Any], Plan | None]:
        payload = claim.payload
        if isinstance(payload, dict):
            payload = {**payload, **claim.params}
        outcome = self.registry.task(claim.name)(payload, TaskRun(claim, self.folder, None))
        if isinstance(outcome, Expand):
            upstream = Upstream(keys=(claim.key,))
            return outcome.context, lower(outcome.canvas, prefix=claim.key, upstream=upstream)
        return outcome, None

    def complete(self, claim: Claim) -> bool:
        """Do the work and commit it; whether it counted."""
        result, expansion = self.work(claim)
        moved = self.store.complete(claim, result, expansion=expansion, queues=self.queues)
        return moved is not None

    def run_all(self) -> None:
        """Run whatever is ready until nothing is."""
        while ready := self.ready():
            for item in ready:
                if claim := self.claim(item):
                    assert self.complete(claim)


def broken_invariants(store: Store) -> list[str]:
    """What the database says that it must never say; empty when all is well."""
    with store.database.read() as connection:
        return [
            f"{name}: {rows}"
            for name, query in INVARIANTS.items()
            if (rows := [tuple(row) for row in connection.execute(text(query))])
        ]


INVARIANTS = {
    "a job counts its unfinished tasks": """
        SELECT job.id, job.remaining, COUNT(task.id) FROM job LEFT JOIN task
        ON task.job_id = job.id AND task.state IN ('waiting', 'ready', 'running')
        GROUP BY job.id, job.remaining HAVING job.remaining <> COUNT(task.id)""",
    "a finished task was committed by one attempt": """
        SELECT task.id, COUNT(attempt.task_id) FROM task LEFT JOIN attempt
        ON attempt.task_id = task.id AND attempt.outcome = 'done'
        WHERE task.state = 'done' GROUP BY task.id HAVING COUNT(attempt.task_id) <> 1""",
    "an unfinished task was never committed": """
        SELECT task.id FROM task JOIN attempt ON attempt.task_id = task.id
        WHERE attempt.outcome = 'done' AND task.state <> 'done'""",
    "a run of a job ends once": """
        SELECT job.id, job.run_no, COUNT(outbox.id) FROM job LEFT JOIN outbox
        ON outbox.job_id = job.id AND outbox.kind = 'job_end'
        AND outbox.identity = job.id || '/run-' || job.run_no || '/end/0'
        GROUP BY job.id, job.run_no
        HAVING COUNT(outbox.id) <> MAX(CASE WHEN job.finished_at IS NULL THEN 0 ELSE 1 END)""",
    "an ended job has nothing left": """
        SELECT job.id, task.id, task.state FROM job JOIN task ON task.job_id = job.id
        WHERE job.finished_at IS NOT NULL AND task.state IN ('waiting', 'ready', 'running')""",
    "a task waits for its unfinished upstreams": """
        SELECT task.id, task.waits, COUNT(up.id) FROM task
        LEFT JOIN task_dependency edge ON edge.task_id = task.id
        LEFT JOIN task up ON up.id = edge.upstream_id AND up.state <> 'done'
        WHERE task.state IN ('waiting', 'ready', 'running', 'done')
        GROUP BY task.id, task.waits HAVING task.waits <> COUNT(up.id)""",
    "a task waits exactly while it waits for something": """
        SELECT id, state, waits FROM task
        WHERE (state = 'waiting' AND waits = 0)
        OR (state IN ('ready', 'running', 'done') AND waits <> 0)""",
    "what has not started is held exactly while its job is not started": """
        SELECT task.id FROM task JOIN job ON job.id = task.job_id
        WHERE task.state IN ('waiting', 'ready') AND task.held <> (job.state <> 'started')""",
    "ended jobs are counted": """
        SELECT kind, SUM(amount) FROM (
            SELECT kind, amount FROM tally WHERE kind NOT LIKE '+%' UNION ALL
            SELECT CASE WHEN state = 'broken' THEN 'broken' WHEN failed THEN 'failed'
            ELSE 'completed' END, -1 FROM job WHERE finished_at IS NOT NULL) AS counted
        GROUP BY kind HAVING SUM(amount) <> 0""",
    "callbacks that have ended are counted": """
        SELECT kind, SUM(amount) FROM (
            SELECT kind, amount FROM tally WHERE kind IN ('+delivered', '+dead', '+dropped')
            UNION ALL
            SELECT '+' || state, -1 FROM delivery WHERE state IN ('delivered', 'dead', 'dropped')
        ) AS counted GROUP BY kind HAVING SUM(amount) < 0""",
    "a running task has a lease, others have none": """
        SELECT id, state FROM task WHERE (state = 'running') <> (lease_until IS NOT NULL)""",
    "a running task has one open attempt": """
        SELECT task.id FROM task JOIN attempt ON attempt.task_id = task.id
        AND attempt.outcome IS NULL
        WHERE task.state <> 'running' OR attempt.generation <> task.generation""",
}
"""Design rules as queries for the rows that break them."""
