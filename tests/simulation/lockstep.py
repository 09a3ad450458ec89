"""The same moves made by the model and by the store, and all that can be seen of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

from adaptation.engine.changes import Change
from adaptation.engine.control import StateForbids
from adaptation.engine.model import Claim, Dispatch, Moved, NewJob, Process
from adaptation.engine.moves import Beat
from adaptation.engine.rules import Rules
from simulation.clocked import ClockedStore, rows_of
from simulation.model import Model
from simulation.workload import QUEUES, SHAPES, perform, plan_of

Move = tuple[str, int, int]
"""A move's name and two numbers from which it chooses whom it concerns."""
STEPS_MS = (1, 400, 2_000, 9_000, 31_000, 31_000, 1_900_000)
"""How far the clock may go: within a lease, a retry's wait, over a lease, over an ageing step."""
LEASE_SECONDS = 30.0
RESEND_SECONDS = 15.0
WORKERS = ("w0", "w1", "w2")
SERVED = (("light", "heavy"), ("light",), ("heavy",))
BEGIN_MS = 1_000_000
FIRST_JOBS = 6
"""Are there before anything else happens."""
RECENT = 12
"""Of messages and claims, old and new, so many are chosen from."""
RULES = Rules(max_jobs=4, priority_slots=1, priority_threshold=2)


@dataclass
class Lockstep:
    """A model and a store that have been told the same."""

    store: ClockedStore
    model: Model = field(default_factory=lambda: Model(RULES))
    messages: list[Dispatch] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store.forget_everything()
        self.store.set_rules(RULES)
        self._set_clock(BEGIN_MS)

    def make(self, move: Move) -> None:
        """Make a move on both sides and compare what it returns and what it leaves.

        Raises:
            AssertionError: they differ.
        """
        name, first, second = move
        call = self._call(name, first, second)
        answers = [_told(side, call) for side in (self.model, self.store)]
        assert answers[0] == answers[1], f"{move} returned {answers}"
        self._learn(answers[0])
        seen = seen_of_model(self.model), seen_of_store(self.store)
        for what, expected in seen[0].items():
            odd = [pair for pair in zip_longest(expected, seen[1][what]) if pair[0] != pair[1]]
            assert not odd, f"after {move} the store has other {what}: {odd}"

    def _set_clock(self, ms: int) -> None:
        self.model.now = ms
        self.store.set_clock(ms)

    def _call(self, name: str, first: int, second: int) -> Callable[[Any], Any]:
        if name == "tick":
            now = self.model.now + STEPS_MS[first % len(STEPS_MS)]
            self._set_clock(now)
            return lambda _: None
        if name in _ON_JOBS and self.model.jobs:
            job_id = 1 + first % len(self.model.jobs)
            return lambda side: getattr(side, name)(job_id)
        if name in _ON_CLAIMS and self.claims:
            claim = self._choose_claim(first)
            return lambda side: _ON_CLAIMS[name](side, claim, second)
        if name in ("claim", "hand_on") and self.messages:
            item = self.messages[-1 - first % min(RECENT, len(self.messages))]
            worker = WORKERS[second % len(WORKERS)]
            if name == "hand_on":
                return lambda side: side.hand_on(item.task_id, item.generation)
            return lambda side: side.claim(item.task_id, item.generation, worker, LEASE_SECONDS)
        free = _FREE.get(name)
        return lambda side: free(side, first, second) if free else None

    def _choose_claim(self, number: int) -> Claim:
        """Mostly one that still counts."""
        live = [claim for claim in self.claims if self._counts(claim)]
        found = live if live and number % 4 else self.claims[-RECENT:]
        return found[number % len(found)]

    def _counts(self, claim: Claim) -> bool:
        return self.model.holds(self.model.tasks[claim.task_id - 1], claim.generation)

    def _learn(self, answer: Any) -> None:
        match answer:
            case Claim():
                self.claims.append(answer)
            case Moved(ready=ready):
                self.messages += ready
            case [*ready]:
                self.messages += [item for item in ready if isinstance(item, Dispatch)]


def _told(side: Any, call: Callable[[Any], Any]) -> Any:
    """What a move returned, in an order that does not depend on the database's mood."""
    try:
        answer = call(side)
    except StateForbids:
        return "forbidden"
    match answer:
        case Moved(ready=ready):
            return replace(answer, ready=tuple(sorted(ready, key=lambda item: item.task_id)))
        case tuple():
            return sorted(answer, key=lambda item: item.task_id)
    return answer


def _submit(side: Any, first: int, second: int) -> Any:
    shape = SHAPES[first % len(SHAPES)]
    later = BEGIN_MS + 5_000 * second if first % 7 == 0 else None
    clients, priorities = ("a", "b", "c"), (2, 5, 7)
    new = NewJob(
        main_task_id=f"{first}-{second}",
        workflow=shape,
        parameters={},
        context={"n": 0},
        client=clients[second % 3],
        priority=priorities[second // 3 % 3],
        run_at=later,
    )
    return side.submit(new, plan_of(shape), QUEUES)


def _claim_next(side: Any, first: int, second: int) -> Any:
    served, worker = SERVED[first % len(SERVED)], WORKERS[second % len(WORKERS)]
    return side.claim_next(served, worker, LEASE_SECONDS)


def _sign_on(side: Any, first: int, second: int) -> Any:
    return side.sign_on(Process(WORKERS[first % len(WORKERS)], "host", second, 0, 1))


def _complete(side: Any, claim: Claim, _: int) -> Any:
    result, expansion = perform(claim)
    return side.complete(claim, result, expansion=expansion, queues=QUEUES)


def _fail(side: Any, claim: Claim, second: int) -> Any:
    wait = (None, 0.0, 5.0, 5.0)[second % 4]
    error = {"code": "x", "permanent": second % 8 == 0}
    return side.fail(claim, error, retry_in_seconds=wait)


def _beat(side: Any, claim: Claim, second: int) -> Any:
    beat = Beat(claim.task_id, claim.generation, claim.job_id, 0.5, None, ())
    worker = WORKERS[second % len(WORKERS)]
    known = Process(worker, "host", 1, 0, 1) if second % 2 else None
    return side.heartbeat(worker, [beat], LEASE_SECONDS, known)


def _change(side: Any, first: int, second: int) -> Any:
    """Of the first jobs, so that it needs to know of no other."""
    moment = datetime.fromtimestamp((BEGIN_MS / 1000) + 100 * second, UTC)
    choices = (
        Change(priority=1 + second % 10),
        Change(run_at=moment),
        Change(run_at=None, priority=1),
    )
    return side.change(1 + first % FIRST_JOBS, choices[second % 3])


_ON_JOBS = ("cancel", "pause", "resume", "retry", "forgive_losses")
_ON_CLAIMS: dict[str, Callable[[Any, Claim, int], Any]] = {
    "complete": _complete,
    "fail": _fail,
    "give_back": lambda side, claim, _: side.give_back(claim),
    "heartbeat": _beat,
}
_FREE: dict[str, Callable[[Any, int, int], Any]] = {
    "submit": _submit,
    "admit": lambda side, *_: side.admit(),
    "queue_due": lambda side, *_: side.queue_due(),
    "change": _change,
    "due": lambda side, *_: side.due(RESEND_SECONDS),
    "claim_next": _claim_next,
    "expire": lambda side, *_: side.expire(),
    "bury": lambda side, first, _: side.bury(WORKERS[first % len(WORKERS)]),
    "sign_on": _sign_on,
    "lead": lambda side, first, _: side.lead("sweep", WORKERS[first % len(WORKERS)], 10.0),
    "step_down": lambda side, first, _: side.step_down(WORKERS[first % len(WORKERS)]),
}
OFTEN = ("claim_next", "claim_next", "claim_next", "complete", "complete", "admit", "tick", "fail")
NAMES = (
    *_FREE,
    *_ON_CLAIMS,
    *_ON_JOBS,
    "claim",
    "hand_on",
    "expire",
    "retry",
    "resume",
    *OFTEN,
    *OFTEN,
    *OFTEN,
)
"""Names of moves, those that get jobs on more than once."""
OPENING: tuple[Move, ...] = (
    *(("submit", 11 * number + 1, number) for number in range(FIRST_JOBS)),
    ("admit", 0, 0),
)
"""So that there is something to do."""

SEEN = {
    "jobs": """
        SELECT id, main_task_id, state, failed, cancelling, permanent, remaining, run_no, work,
            priority, run_at, queued_at, started_at, finished_at FROM job ORDER BY id""",
    "tasks": """
        SELECT id, job_id, key, queue, priority, state, held, waits, joins, attempt, losses,
            generation, worker_id, lease_until, not_before, sent_at FROM task ORDER BY id""",
    "edges": """
        SELECT task_id, upstream_id, position IS NOT NULL FROM task_dependency
        ORDER BY task_id, upstream_id""",
    "attempts": """
        SELECT task_id, generation, outcome FROM attempt ORDER BY task_id, generation""",
    "messages": "SELECT identity FROM outbox ORDER BY identity",
    "leaders": "SELECT name, holder, lease_until FROM leader ORDER BY name",
    "workers": "SELECT id, heartbeat_at FROM worker ORDER BY id",
}
"""All that later moves depend on; texts, errors and progress are for people."""


def seen_of_store(store: ClockedStore) -> dict[str, list[tuple[Any, ...]]]:
    """The tables' rows; results are seen in what is claimed after them."""
    return rows_of(store, SEEN)


def seen_of_model(model: Model) -> dict[str, list[tuple[Any, ...]]]:
    """The same of the model."""
    return {
        "jobs": [
            (
                *(job.id, job.new.main_task_id, job.state, job.failed, job.cancelling),
                *(job.permanent, job.remaining, job.run_no, job.work),
                *(job.priority, job.run_at, job.queued_at, job.started_at, job.finished_at),
            )
            for job in model.jobs
        ],
        "tasks": [
            (
                *(task.id, task.job.id, task.key, task.queue, task.priority, task.state),
                *(task.held, task.waits, task.joins, task.attempt, task.losses, task.generation),
                *(task.worker_id, task.lease_until, task.not_before, task.sent_at),
            )
            for task in model.tasks
        ],
        "edges": sorted(
            (task.id, up.id, place is not None)
            for task in model.tasks
            for up, place in task.upstream.items()
        ),
        "attempts": [
            (task.id, *attempt) for task in model.tasks for attempt in sorted(task.attempts.items())
        ],
        "messages": [(identity,) for identity in sorted(model.outbox)],
        "leaders": sorted((name, *led) for name, led in model.leaders.items()),
        "workers": sorted(model.workers.items()),
    }
