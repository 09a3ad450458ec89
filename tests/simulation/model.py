"""The engine's decisions without SQL, threads or time: what `Store` does, as a specification.

Every move has the name and the meaning of the store's; each is one transaction there and one call
here. What is decided without SQL is the product's own code: rules, verdicts, legal moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush, nsmallest
from operator import itemgetter
from typing import Any

from adaptation.engine.changes import Change
from adaptation.engine.control import StateForbids
from adaptation.engine.messages import BATCH
from adaptation.engine.model import Claim, Dispatch, Moved, NewJob, Outgoing, Process
from adaptation.engine.moves import Beat
from adaptation.engine.plan import Plan
from adaptation.engine.rules import Rules, Started, Waiting, order
from adaptation.engine.states import JOB_ENDS, JobState, Order, TaskState, Work, job_sources
from adaptation.engine.verdicts import (
    after_error,
    after_loss,
    after_stop,
    told,
    waits_added,
)
from simulation.pieces import MS, UNFINISHED, Pieces, dispatch
from simulation.world import DONE, READY, RUNNING, WAITING, Job, Task, turn


class Model(Pieces):
    """The store's moves on a world in memory."""

    def __init__(self, rules: Rules) -> None:
        super().__init__()
        self.rules = rules

    # Submission and admission

    def submit(self, new: NewJob, plan: Plan, queues: Mapping[str, str]) -> int:
        if new.main_task_id in self.known:
            return self.known[new.main_task_id].id
        waits = new.waits_outside
        job = Job(
            id=len(self.jobs) + 1,
            new=new,
            state=JobState.SCHEDULED if waits else JobState.QUEUED,
            priority=new.priority,
            remaining=len(plan.tasks),
            run_at=new.run_at,
            queued_at=None if waits else self.now,
        )
        self.jobs.append(job)
        self.known[new.main_task_id] = job
        self.list_job(job)
        self.store(job, plan, {}, queues)
        return job.id

    def queue_due(self) -> int:
        waiting = self.scheduled.values()
        due = [job for job in waiting if job.run_at is None or job.run_at <= self.now]
        for job in due:
            job.queued_at = self.now
            self.move_job(job, JobState.QUEUED)
        return len(due)

    def admit(self) -> tuple[Dispatch, ...]:
        if self.all_wait:
            return ()
        ready: list[Dispatch] = []
        while chosen := self._choose():
            ready += self._start(self.jobs[chosen.job_id - 1])
        # Time decides who is first of those that may be started, never whether one may be.
        self.all_wait = True
        return tuple(ready)

    def _choose(self) -> Waiting | None:
        if not self.queued or len(self.started) >= self.rules.max_jobs:
            return None
        heads: dict[tuple[str, int], tuple[int, int]] = {}
        for job in self.queued.values():
            line, place = (job.new.client, job.priority), (job.queued_at or 0, job.id)
            heads[line] = min(place, heads.get(line, place))
        waiting = [
            Waiting(job_id, *line, queued_at, self.served.get(line, 0))
            for line, (queued_at, job_id) in heads.items()
        ]
        started = [Started(job.new.client, job.priority) for job in self.started.values()]
        return next(iter(order(waiting, started, self.rules, self.now)), None)

    def _start(self, job: Job) -> list[Dispatch]:
        self.move_job(job, JobState.STARTED)
        if job.started_at is None:
            job.started_at = self.now
        self._serve(job)
        sent = []
        for task in job.tasks:
            if task.state in UNFINISHED:
                task.held = False
                self.list_task(task)
            if task.state is READY and task.not_before <= self.now:
                task.sent_at = self.now
                sent.append(dispatch(task))
        return sent

    def _serve(self, job: Job) -> None:
        line = job.new.client, job.priority
        self.served[line] = max(self.served.get(line, 0), job.started_at or 0)

    # The life of a task

    def claim(
        self, task_id: int, generation: int, worker_id: str, lease_seconds: float
    ) -> Claim | None:
        task = self.tasks[task_id - 1]
        if task.id not in self.claimable or task.generation != generation:
            return None
        return None if task.not_before > self.now else self._claim(task, worker_id, lease_seconds)

    def claim_next(
        self, queues: Sequence[str], worker_id: str, lease_seconds: float
    ) -> Claim | None:
        firsts = [first for queue in queues if (first := self._first(queue))]
        if not firsts:
            return None
        return self._claim(self.tasks[min(firsts)[1] - 1], worker_id, lease_seconds)

    def _first(self, queue: str) -> tuple[int, int] | None:
        line, early = self.lines[queue], []
        while line:
            task = self.claimable.get(line[0][1])
            moved = task is None or turn(task) != line[0]
            if task is not None and not moved and task.not_before <= self.now:
                break
            entry = heappop(line)
            if not moved and entry not in early:
                early.append(entry)
        first = line[0] if line else None
        for entry in early:
            heappush(line, entry)
        return first

    def _claim(self, task: Task, worker_id: str, lease_seconds: float) -> Claim:
        self.move(task, RUNNING)
        task.generation += 1
        task.attempt += 1
        task.worker_id = worker_id
        task.lease_until = self.now + int(lease_seconds * MS)
        task.attempts[task.generation] = None
        received = [(place, up) for up, place in task.upstream.items() if place is not None]
        if len(received) > 1:
            received.sort(key=itemgetter(0))
        results = [up.result for _, up in received]
        job = task.job
        return Claim(
            task_id=task.id,
            generation=task.generation,
            job_id=job.id,
            run_no=job.run_no,
            main_task_id=job.new.main_task_id,
            workflow=job.new.workflow,
            key=task.key,
            name=task.name,
            params=task.params,
            attempt=task.attempt,
            payload=results if task.joins else (results[0] if results else job.new.context),
            limits={} if job.new.client else None,
        )

    def heartbeat(
        self,
        worker_id: str,
        beats: Iterable[Beat],
        lease_seconds: float,
        process: Process | None = None,
    ) -> dict[int, Order]:
        if worker_id in self.workers or process is not None:
            self.workers[worker_id] = self.now
        orders = {}
        for beat in beats:
            task = self.tasks[beat.task_id - 1]
            if self.holds(task, beat.generation):
                task.lease_until = self.now + int(lease_seconds * MS)
                orders[task.id] = told(task.job.state, stopping=task.job.stopping)
            else:
                orders[task.id] = Order.LOST
        return orders

    def complete(
        self,
        claim: Claim,
        result: Any,
        *,
        expansion: Plan | None = None,
        queues: Mapping[str, str],
        outgoing: Iterable[Outgoing] = (),
    ) -> Moved | None:
        task = self.tasks[claim.task_id - 1]
        job = task.job
        if not self.holds(task, claim.generation):
            repeated = task.generation == claim.generation and task.state is DONE
            return Moved(ended=job.finished_at is not None) if repeated else None
        self.leave(task, DONE, "done")
        task.result = result
        ready = self.release(task, waits_added(task.key, expansion.exits) if expansion else 0)
        if expansion:
            job.remaining += len(expansion.tasks)
            ready += self.expand(task, expansion, queues)
        self.post(f"{job.id}/{task.id}/{claim.generation}", outgoing)
        return Moved(tuple(ready), self.count_off(job, 1, result))

    def fail(
        self, claim: Claim, error: dict[str, Any], *, retry_in_seconds: float | None
    ) -> Moved | None:
        task = self.tasks[claim.task_id - 1]
        if not self.holds(task, claim.generation):
            return None
        state = after_error(again=retry_in_seconds is not None, stopping=task.job.stopping)
        if state is READY:
            self.put_back(task, int((retry_in_seconds or 0.0) * MS))
        self.leave(task, state, "failed")
        if state is READY:
            return Moved()
        self.fail_job(task.job, permanent=bool(error.get("permanent")))
        return Moved(ended=self.count_off(task.job, 1, None))

    def give_back(self, claim: Claim) -> Moved | None:
        task = self.tasks[claim.task_id - 1]
        if not self.holds(task, claim.generation):
            return None
        state, outcome = after_stop(stopping=task.job.stopping)
        if state is READY:
            self.put_back(task, 0)
            task.attempt -= 1
        self.leave(task, state, outcome)
        if state is READY:
            return Moved()
        return Moved(ended=self.count_off(task.job, 1, None))

    # What people do

    def cancel(self, job_id: int) -> bool:
        job = self.jobs[job_id - 1]
        if job.state in JOB_ENDS:
            kept = job.failed and not job.permanent and job.work is Work.KEPT
            job.permanent |= kept
            return kept
        job.cancelling = True
        self.drop_unstarted(job, TaskState.CANCELLED)
        self.count_off(job, 0, None)
        return True

    def pause(self, job_id: int) -> bool:
        job = self.jobs[job_id - 1]
        if job.state not in job_sources(JobState.PAUSED):
            return False
        self.move_job(job, JobState.PAUSED)
        self.hold(job)
        return True

    def resume(self, job_id: int) -> bool:
        job = self.jobs[job_id - 1]
        if job.state is not JobState.PAUSED:
            return False
        if job.queued_at is None:
            self.move_job(job, JobState.SCHEDULED)
        else:
            job.queued_at = self.now
            self.move_job(job, JobState.QUEUED)
        return True

    def change(self, job_id: int, wanted: Change) -> list[str]:
        job, values = self.jobs[job_id - 1], wanted.values
        too_late = "run_at" in values and job.state not in {JobState.SCHEDULED, JobState.QUEUED}
        if too_late or ("priority" in values and job.state in JOB_ENDS):
            raise StateForbids(f"job {job_id} is {job.state}", hint="")
        if "run_at" in values:
            job.run_at, job.queued_at = values["run_at"], None
            if job.state is not JobState.SCHEDULED:
                self.move_job(job, JobState.SCHEDULED)
        if "priority" in values:
            job.priority, self.all_wait = values["priority"], False
            self.served.clear()
            for other in self.jobs:
                self._serve(other)
            for task in job.tasks:
                if task.state is not DONE:
                    task.priority = job.priority
                    self.claimable.pop(task.id, None)
                    self.list_task(task)
        return [name for name in ("priority", "run_at") if name in values]

    def retry(self, job_id: int) -> int:
        job = self.jobs[job_id - 1]
        left = [task for task in job.tasks if task.state is not DONE]
        succeeded = job.state is JobState.COMPLETED and not job.failed
        if job.state not in JOB_ENDS or succeeded or job.work is not Work.KEPT or not left:
            raise StateForbids(f"job {job_id} cannot be retried", hint="")
        for task in left:
            task.attempt = task.losses = task.not_before = 0
            task.sent_at, task.held = None, True
            task.waits = sum(up.state is not DONE for up in task.upstream)
        for task in left:
            self.move(task, WAITING if task.waits else READY)
        job.failed = job.cancelling = job.permanent = False
        job.run_no += 1
        job.remaining = len(left)
        job.finished_at, job.queued_at = None, self.now
        self.move_job(job, JobState.QUEUED)
        return len(left)

    def forgive_losses(self, job_id: int) -> None:
        for task in self.jobs[job_id - 1].tasks:
            if task.losses:
                task.losses = task.not_before = 0

    # What controllers do

    def due(self, resend_seconds: float, *, each: int = BATCH) -> list[Dispatch]:
        if not self.claimable:
            return []
        old = self.now - int(resend_seconds * MS)
        lost = [
            task for task in self._foremost(each) if task.sent_at is None or task.sent_at <= old
        ]
        found = sorted(lost, key=turn)[:BATCH]
        for task in found:
            task.sent_at = self.now
        return [dispatch(task) for task in found]

    def _foremost(self, each: int) -> list[Task]:
        """The ready tasks of each queue that come next: no others are told of."""
        ready = [task for task in self.claimable.values() if task.not_before <= self.now]
        if len(ready) <= each:
            return ready
        queues = dict.fromkeys(task.queue for task in ready)
        lines = ((task for task in ready if task.queue == queue) for queue in queues)
        return [task for line in lines for task in nsmallest(each, line, key=turn)]

    def hand_on(self, task_id: int, generation: int) -> None:
        task = self.tasks[task_id - 1]
        if task.state is READY and task.generation == generation:
            task.sent_at = None

    def sign_on(self, process: Process) -> None:
        self.workers[process.worker_id] = self.now

    def expire(self) -> int:
        return sum(self.lose(*found) for found in self.expired())

    def expired(self) -> list[tuple[int, int]]:
        """What a sweep reads before it takes the tasks back, one by one."""
        return [
            (task.id, task.generation)
            for task in self.running.values()
            if task.lease_until is not None and task.lease_until < self.now
        ]

    def bury(self, worker_id: str) -> int:
        mine = [task for task in self.running.values() if task.worker_id == worker_id]
        lost = sum(self.lose(task.id, task.generation) for task in mine)
        for task in self._foremost(BATCH):
            task.sent_at = None
        self.step_down(worker_id)
        self.workers.pop(worker_id, None)
        return lost

    def lose(self, task_id: int, generation: int) -> int:
        task = self.tasks[task_id - 1]
        if not self.holds(task, generation):
            return 0
        state, wait_ms = after_loss(task.losses, stopping=task.job.stopping)
        task.attempt -= 1
        task.losses += 1
        self.put_back(task, wait_ms)
        self.leave(task, state, "lost")
        if state is TaskState.FAILED:
            self.fail_job(task.job, permanent=False)
        if state is not READY:
            self.count_off(task.job, 1, None)
        return 1

    def lead(self, name: str, holder: str, lease_seconds: float) -> bool:
        leader, until = self.leaders.get(name, (holder, 0))
        if leader != holder and until > self.now:
            return False
        self.leaders[name] = holder, self.now + int(lease_seconds * MS)
        return True

    def step_down(self, holder: str) -> None:
        self.leaders = {name: led for name, led in self.leaders.items() if led[0] != holder}
