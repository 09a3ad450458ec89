"""What must be true of a fleet at every moment and at the end, whatever happens to it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from adaptation.engine.model import Claim, Moved, NewJob
from adaptation.engine.rules import Rules
from adaptation.engine.states import JOB_ENDS, JobState
from adaptation.engine.verdicts import LOSS_LIMIT
from simulation.model import Model
from simulation.pieces import UNFINISHED, UNSTARTED
from simulation.timeline import Timeline
from simulation.workload import QUEUES, perform, plan_of
from simulation.world import DONE, RUNNING, WAITING, Job, Task

if TYPE_CHECKING:
    from simulation.machines import Machine


COUNTING = UNFINISHED | {DONE}
"""States in which a task's waits are kept up; what was dropped is counted anew by a retry."""


class Broken(AssertionError):
    """Something happened that must never happen."""


def demand(truth: object, *words: object) -> None:
    """Let the simulation fail unless `truth` holds."""
    if not truth:
        raise Broken(" ".join(map(str, words)))


class Oracle:
    """Sees every move from outside, and judges."""

    def __init__(self, time: Timeline, model: Model, rules: Rules, takeover_ms: int) -> None:
        self.time, self.model, self.rules = time, model, rules
        self.open: set[int] = set()
        """Jobs that have not ended."""
        self.cancelled: set[int] = set()
        """Jobs a user has cancelled and not retried since."""
        self.transitions = 0
        self.committed: dict[int, tuple[str, int]] = {}
        self.controllers: list[Machine] = []
        self.ended: list[Job] = []
        """Jobs that ended since somebody last emptied this."""
        self._takeover_ms = takeover_ms
        self._started: set[int] = set()
        self._blamed: set[tuple[int, int]] = set()

    # What machines report

    def claimed(self, claim: Claim) -> None:
        self.transitions += 1
        demand(claim.task_id not in self.committed, "task", claim.task_id, "is done again")

    def completed(self, worker: str, claim: Claim, moved: Moved | None) -> None:
        self.transitions += 1
        if moved is not None:
            by = worker, claim.generation
            first = self.committed.setdefault(claim.task_id, by)
            demand(first == by, "task", claim.task_id, "is committed by", first, "and", by)

    def failed(self, claim: Claim, moved: Moved | None, *, for_good: bool) -> None:
        self.transitions += 1
        if moved is not None and for_good:
            self._blamed.add((claim.job_id, claim.run_no))

    def expect_back(self, machine: Machine, runs: list[tuple[int, int]]) -> None:
        """A worker is dead: others must have its tasks within a lease and a sweep."""
        if runs:
            self.time.after(self._takeover_ms, self._must_be_back, machine.name, runs)

    def _must_be_back(self, worker: str, runs: list[tuple[int, int]]) -> None:
        since = self.time.now - self._takeover_ms
        if any(c.alive and not c.frozen and c.up_since <= since for c in self.controllers):
            for task_id, generation in runs:
                task = self.model.tasks[task_id - 1]
                left = task.state is RUNNING and task.generation == generation
                demand(not left, "task", task_id, "was left with", worker, "that is dead")

    # What is true after every event

    def judge(self) -> None:
        """Look at whatever has just changed."""
        for job in self.model.touched:
            self._judge_job(job)
        self.model.touched.clear()
        started, known = self.model.started, self._started
        if started.keys() == known:
            return
        demand(len(started) <= self.rules.max_jobs, len(started), "jobs are started")
        if any(self.rules.is_ordinary(started[new].priority) for new in started.keys() - known):
            ordinary = sum(self.rules.is_ordinary(job.priority) for job in started.values())
            demand(ordinary <= self.rules.ordinary_slots, ordinary, "ordinary jobs are started")
        self._started = set(started)

    def _judge_job(self, job: Job) -> None:
        unfinished = 0
        held = job.state is not JobState.STARTED
        for task in job.tasks:
            if odd := oddity(task, held):
                raise Broken(f"task {task.id} is {task.state} and {odd}")
            if task.state in UNFINISHED:
                unfinished += 1
        ended = job.state in JOB_ENDS
        run = f"{job.id}/run-{job.run_no}/end/0"
        if not (
            unfinished == job.remaining
            and ended == (not unfinished) == (job.finished_at is not None)
            and ended == (run in self.model.outbox)
        ):
            demand(unfinished == job.remaining, "job", job.id, "counts", job.remaining)
            demand(ended == (not unfinished), "job", job.id, "is", job.state, "with", unfinished)
            demand(ended == (job.finished_at is not None), "job", job.id, "has a wrong end")
            raise Broken(f"the end of {run} is told wrongly")
        if not ended:
            self.open.add(job.id)
        elif job.id in self.open:
            self.open.discard(job.id)
            self.ended.append(job)
            self._judge_end(job)

    def _judge_end(self, job: Job) -> None:
        """The job has a result equal to that of a run without faults, or a reason."""
        self.time.note("ends", job.id, job.run_no, str(job.state), job.failed)
        if job.cancelling:
            demand(job.id in self.cancelled, "job", job.id, "was cancelled by nobody")
        elif job.failed:
            reason = (job.id, job.run_no) in self._blamed
            reason |= any(task.losses >= LOSS_LIMIT for task in job.tasks)
            demand(reason, "job", job.id, "failed without a reason")
        else:
            expected = faultless_result(job.new.workflow)
            demand(job.result == expected, "job", job.id, "gave", job.result, "not", expected)
        for task in job.tasks:
            commits = list(task.attempts.values()).count("done")
            done = task.state is DONE
            demand(commits == done, "task", task.id, "has", commits, "commits")
            demand(None not in task.attempts.values(), "task", task.id, "has an open attempt")


def oddity(task: Task, held: bool) -> str | None:
    """What about a task cannot be; asked more often than anything else, so in few steps.

    Args:
        task: Any task.
        held: Whether its job holds what has not started.
    """
    state = task.state
    if (state is RUNNING) != (task.lease_until is not None):
        return f"has the lease {task.lease_until}"
    if state not in COUNTING:
        return None
    waits = 0
    for up in task.upstream:
        if up.state is not DONE:
            waits += 1
    if waits != task.waits or (state is WAITING) != (waits > 0):
        return f"waits for {task.waits} where {waits} are left"
    if state in UNSTARTED and task.held is not held:
        return f"held: {task.held}, though its job is {task.job.state}"
    return None


@lru_cache
def faultless_result(shape: str) -> object:
    """What a job of this shape gives when one worker runs it and nothing goes wrong."""
    model = Model(Rules())
    model.submit(NewJob(shape, shape, {}, {"n": 0}), plan_of(shape), QUEUES)
    model.admit()
    while claim := model.claim_next(("light", "heavy"), "only", 30.0):
        result, expansion = perform(claim)
        model.complete(claim, result, expansion=expansion, queues=QUEUES)
    return model.jobs[0].result
