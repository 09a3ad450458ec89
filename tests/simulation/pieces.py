"""What the model's moves have in common: plans and edges, waits and counts, failures and ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adaptation.engine.model import Dispatch, Outgoing
from adaptation.engine.plan import Plan, Upstream
from adaptation.engine.states import JobState, TaskState
from adaptation.engine.verdicts import ending
from simulation.world import READY, RUNNING, WAITING, Job, Place, Task, World

MS = 1000
UNSTARTED = frozenset({WAITING, READY})
UNFINISHED = UNSTARTED | {RUNNING}


class Pieces(World):
    """Parts of moves, each leaving the world as the move that uses it needs it."""

    def holds(self, task: Task, generation: int) -> bool:
        """Whether an attempt is the one that counts."""
        return task.state is RUNNING and task.generation == generation

    def leave(self, task: Task, state: TaskState, outcome: str) -> None:
        task.attempts[task.generation] = outcome
        task.worker_id = task.lease_until = None
        self.move(task, state)

    def put_back(self, task: Task, delay_ms: int) -> None:
        task.not_before, task.sent_at = self.now + delay_ms, None

    def release(self, done: Task, added: int) -> list[Dispatch]:
        ready = []
        for task in done.dependants:
            if task.state is WAITING:
                task.waits += added - 1
                task.sent_at = None if task.waits else self.now
                if not task.waits:
                    self.move(task, READY)
                    ready += [] if task.held else [dispatch(task)]
        return ready

    def expand(self, task: Task, plan: Plan, queues: Mapping[str, str]) -> list[Dispatch]:
        edges = [(after, after.upstream.pop(task)) for after in task.dependants]
        task.dependants = []
        known = {task.key: task}
        ready = self.store(task.job, plan, known, queues)
        for after, place in edges:
            link(after, plan.exits, known, place)
            after.joins |= plan.exits.joins
        if not task.job.stopping:
            return ready
        cancelling = task.job.cancelling
        self.drop_unstarted(task.job, TaskState.CANCELLED if cancelling else TaskState.SKIPPED)
        return []

    def store(
        self, job: Job, plan: Plan, known: dict[str, Task], queues: Mapping[str, str]
    ) -> list[Dispatch]:
        finished, ready = set(known), []
        held = job.state is not JobState.STARTED
        for new in plan.tasks:
            names = new.key, new.name, queues[new.name], new.params
            facts = job.priority, new.upstream.joins, held
            task = Task(len(self.tasks) + 1, job, *names, *facts)
            self.tasks.append(task)
            job.tasks.append(task)
            known[new.key] = task
            link(task, new.upstream, known, ())
            task.waits = sum(up.key not in finished for up in task.upstream)
            if not task.waits:
                task.sent_at = None if held else self.now
                self.move(task, READY)
                ready += [] if held else [dispatch(task)]
        return ready

    def hold(self, job: Job) -> None:
        for task in job.tasks:
            task.held = True
            self.list_task(task)

    def fail_job(self, job: Job, *, permanent: bool) -> None:
        if not job.failed:
            job.failed, job.permanent = True, permanent
        self.drop_unstarted(job, TaskState.SKIPPED)

    def drop_unstarted(self, job: Job, state: TaskState) -> None:
        for task in job.tasks:
            if task.state in UNSTARTED:
                self.move(task, state)
                job.remaining -= 1

    def count_off(self, job: Job, ended: int, result: Any) -> bool:
        job.remaining -= ended
        self.touched[job] = None
        if job.remaining:
            return False
        state, verdict = ending(failed=job.failed, cancelling=job.cancelling)
        job.finished_at = self.now
        job.result = result if verdict == "completed" else None
        self.move_job(job, state)
        told_of = [Outgoing("job_end", job.new.main_task_id, {"status": verdict})]
        if verdict != "completed":
            told_of.append(Outgoing("notification", job.new.main_task_id, {"status": verdict}))
        self.post(f"{job.id}/run-{job.run_no}/end", told_of)
        return True


def link(task: Task, upstream: Upstream, known: Mapping[str, Task], place: Place) -> None:
    for number, key in enumerate(upstream.keys):
        task.upstream[known[key]] = None if place is None else (*place, number)
    for key in upstream.after:
        task.upstream[known[key]] = None
    for key in (*upstream.keys, *upstream.after):
        known[key].dependants.append(task)


def dispatch(task: Task) -> Dispatch:
    return Dispatch(task.id, task.generation, task.queue, task.priority)
