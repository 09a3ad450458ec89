"""Models with one mistake each, to prove that the simulation would have found it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from adaptation.engine.messages import BATCH
from adaptation.engine.model import Claim, Dispatch
from adaptation.engine.plan import Plan
from adaptation.engine.rules import Rules
from adaptation.engine.states import TaskState
from simulation.model import Model
from simulation.world import Job, Task


class NoFence(Model):
    """A completion does not check the generation."""

    def holds(self, task: Task, generation: int) -> bool:  # noqa: ARG002
        return task.state is TaskState.RUNNING


class SameGeneration(Model):
    """A claim does not raise the generation."""

    def _claim(self, task: Task, worker_id: str, lease_seconds: float) -> Claim:
        claim = super()._claim(task, worker_id, lease_seconds)
        task.attempts = {1: None}
        task.generation = 1
        return replace(claim, generation=1)


class ClaimsAgain(Model):
    """A slot may take what another one is running."""

    def claim_next(
        self, queues: Sequence[str], worker_id: str, lease_seconds: float
    ) -> Claim | None:
        if claim := super().claim_next(queues, worker_id, lease_seconds):
            return claim
        for task in self.running.values():
            if task.queue in queues and task.worker_id != worker_id:
                return self._claim(task, worker_id, lease_seconds)
        return None


class HastyJoin(Model):
    """A join is released by the first of those it waits for."""

    def release(self, done: Task, added: int) -> list[Dispatch]:
        for task in done.dependants:
            task.waits = min(task.waits, 1)
        return super().release(done, added)


class NoLimit(Model):
    """Admission does not know `max_jobs`."""

    def __init__(self, rules: Rules) -> None:
        super().__init__(replace(rules, max_jobs=999))


class NoPrioritySlots(Model):
    """Admission does not keep slots free for priority jobs."""

    def __init__(self, rules: Rules) -> None:
        super().__init__(replace(rules, priority_slots=0))


class NeverResends(Model):
    """A message that was sent is held to have arrived."""

    def due(self, resend_seconds: float, *, each: int = BATCH) -> list[Dispatch]:  # noqa: ARG002
        return super().due(1e9, each=each)


class NeverExpires(Model):
    """Leases do not run out."""

    def expired(self) -> list[tuple[int, int]]:
        return []


class EternalLeader(Model):
    """Who led once leads for ever."""

    def lead(self, name: str, holder: str, lease_seconds: float) -> bool:
        return super().lead(name, holder, lease_seconds * 1e6)


class LooseHold(Model):
    """A pause does not keep what is ready from being claimed."""

    def hold(self, job: Job) -> None:
        """Nothing."""


class LostExpansion(Model):
    """What a task expands to beside a failure is forgotten, as it once was."""

    def expand(self, task: Task, plan: Plan, queues: Mapping[str, str]) -> list[Dispatch]:
        if not task.job.stopping:
            return super().expand(task, plan, queues)
        task.job.remaining -= len(plan.tasks)
        return []


class RetriesAll(Model):
    """A retry runs what is done once more."""

    def retry(self, job_id: int) -> int:
        left = super().retry(job_id)
        for task in self.jobs[job_id - 1].tasks:
            if task.state is TaskState.DONE and not task.upstream:
                task.state = TaskState.READY
                self.jobs[job_id - 1].remaining += 1
                self.list_task(task)
        return left


class ForgetsToCount(Model):
    """What is dropped by a cancel is still waited for."""

    def drop_unstarted(self, job: Job, state: TaskState) -> None:
        left = job.remaining
        super().drop_unstarted(job, state)
        if state is TaskState.CANCELLED:
            job.remaining = left


MUTANTS = (
    NoFence,
    SameGeneration,
    ClaimsAgain,
    HastyJoin,
    NoLimit,
    NoPrioritySlots,
    NeverResends,
    NeverExpires,
    EternalLeader,
    LooseHold,
    LostExpansion,
    RetriesAll,
    ForgetsToCount,
)
