"""The life of one attempt: claim, run, and settle it in the store."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from adaptation import tracing
from adaptation.adapters.masking import redacted_fields
from adaptation.adapters.process import telling
from adaptation.engine.abilities import ABILITIES
from adaptation.engine.gate import Gate
from adaptation.engine.graph import lower
from adaptation.engine.lease import Heart
from adaptation.engine.model import Claim, Moved
from adaptation.engine.plan import Plan, Upstream
from adaptation.engine.store import Store
from adaptation.engine.tasks import Expand, Registry, TaskRun
from adaptation.engine.transport import Dispatcher
from adaptation.errors import (
    AdaptationError,
    Cancelled,
    ParameterError,
    SourceError,
    ToolError,
    Transient,
)

logger = structlog.get_logger(__name__)

ScratchFactory = Callable[[int, int, int], AbstractContextManager[Path]]
"""(job id, task id, generation) -> a folder that is removed at the end of the block."""


class ScratchRoom(Protocol):
    """Who gives out the scratch of this host, so that no more is promised than there is."""

    def claiming(self) -> AbstractContextManager[int | None]:
        """Bytes that may be promised now, while nobody else on this host claims; None: any."""

    def reserve(self, job_id: int, task_id: int, generation: int, size_bytes: int) -> None:
        """Promise room to an attempt, until its scratch folder is removed."""

    def free_bytes(self) -> int | None:
        """Bytes that may be promised now; None: nobody counts."""


class Boundless:
    """Scratch that nobody counts."""

    def claiming(self) -> AbstractContextManager[int | None]:
        """No limit."""
        return nullcontext()

    def reserve(self, job_id: int, task_id: int, generation: int, size_bytes: int) -> None:
        """Promise what is always there."""

    def free_bytes(self) -> int | None:
        """No limit."""
        return None


@dataclass(frozen=True)
class RetryRule:
    """How often and how soon a task is tried again after a transient error."""

    limit: int = 3
    """Tries in all."""
    delay_seconds: float = 5.0
    """Wait before the second try; doubled before each further one."""

    def wait_seconds(self, attempt: int) -> float | None:
        """The wait after try number `attempt` failed; None: it was the last."""
        return None if attempt >= self.limit else self.delay_seconds * 2 ** (attempt - 1)


@dataclass(frozen=True)
class Worker:
    """Runs claimed tasks in whatever thread asks it to."""

    worker_id: str
    store: Store
    registry: Registry
    resources: object
    scratch: ScratchFactory
    dispatcher: Dispatcher
    heart: Heart
    retry: RetryRule
    queues: tuple[str, ...]
    """The queues it serves."""
    job_id: int | None = None
    """The only job whose tasks it runs; None: every job's."""
    room: ScratchRoom = field(default_factory=Boundless)
    gate: Gate = field(default_factory=Gate)
    """Whether more tasks may be claimed."""
    choosy: bool = False
    """Whether it claims only what it has said that it can do; else it tries everything."""
    discard: Callable[[Claim], None] = lambda claim: None  # noqa: ARG005
    """Deletes what an attempt left that counts no more."""

    def execute(self, task_id: int, generation: int) -> None:
        """Answer a message: run tasks, the most urgent first, until there are none to be had.

        Whatever the message names, so that no backlog in a broker comes before a job's priority,
        and a slot that is at work needs no broker.
        """
        self.dispatcher.taken(task_id, generation)
        is_idle = True
        while claim := self.gate.claim(self._claim_next):
            is_idle = False
            try:
                self.run(claim)
            finally:
                self.gate.done()
        if is_idle and self._abilities is not None:
            self.store.pass_on(task_id, generation, self._abilities)
        if self.gate.is_closed and not self.dispatcher.local_only:
            self.store.hand_on(task_id, generation)

    @property
    def _abilities(self) -> tuple[str, ...] | None:
        """What it can do, nothing special until it is known; None: it tries everything."""
        return tuple(self.heart.process.facts.get(ABILITIES, ())) if self.choosy else None

    def _claim_next(self) -> Claim | None:
        if not self.queues:  # it only sends callbacks
            return None
        with self.room.claiming() as free_bytes:
            claim = self.store.claim_next(
                self.queues,
                self.worker_id,
                self.heart.lease_seconds,
                job_id=self.job_id,
                scratch_free=free_bytes,
                abilities=self._abilities,
            )
            if claim and claim.scratch_bytes:
                ids = claim.job_id, claim.task_id, claim.generation
                self.room.reserve(*ids, claim.scratch_bytes)
            return claim

    def run(self, claim: Claim) -> None:
        """Run a task that is ours and settle it, however it ends."""
        ids: dict[str, Any] = {"job_id": claim.job_id, "task_id": claim.task_id, "task": claim.name}
        with (
            structlog.contextvars.bound_contextvars(**ids),
            tracing.span(
                claim.name, claim.trace, **ids, workflow=claim.workflow, attempt=claim.attempt
            ),
        ):
            moved = self._attempt(claim)
        if moved is None:
            logger.warning("stale attempt dropped", **ids, generation=claim.generation)
            self.discard(claim)
            return
        self.dispatcher.send(moved.ready)
        if moved.ended:
            self.dispatcher.send(self.store.admit(self.job_id))

    def _attempt(self, claim: Claim) -> Moved | None:
        try:
            with self.scratch(claim.job_id, claim.task_id, claim.generation) as folder:
                run = TaskRun(claim, folder, self.resources, confirm=self._confirm)
                self.heart.add(run)
                try:
                    with telling(run.ran):
                        return self._run(run)
                finally:
                    self.heart.remove(run)
        except OSError as error:
            return self._fail(claim, error, ())

    def _confirm(self) -> None:
        try:
            self.heart.beat()
        except SQLAlchemyError as error:
            # Nobody can say that it is lost; what is stored in the end is compared anyway.
            logger.warning("heartbeat failed", error=str(error))

    def _run(self, run: TaskRun[Any]) -> Moved | None:
        claim = run.claim
        try:
            definition = self.registry.task(claim.name)
            payload = claim.payload
            if isinstance(payload, dict):
                payload = {**payload, **claim.params}
            outcome = definition(payload, run)
            result, expansion = self._unfold(claim, outcome)
        except Cancelled:
            tracing.note(outcome="released")
            return self.store.give_back(claim, run.take_lines())
        except Exception as error:  # noqa: BLE001 - whatever ends a task is stored with it
            return self._fail(claim, error, run.take_lines())
        tracing.note(outcome="done")
        return self.store.complete(
            claim,
            result,
            expansion=expansion,
            queues={name: known.queue for name, known in self.registry.tasks.items()},
            outgoing=run.outgoing,
            lines=run.take_lines(),
        )

    def _unfold(
        self, claim: Claim, outcome: dict[str, Any] | Expand
    ) -> tuple[dict[str, Any], Plan | None]:
        if not isinstance(outcome, Expand):
            return outcome, None
        plan = lower(outcome.canvas, prefix=claim.key, upstream=Upstream(keys=(claim.key,)))
        for planned in plan.tasks:
            self.registry.task(planned.name)
        return outcome.context, plan

    def _rule(self, claim: Claim) -> RetryRule:
        """The rule in force: what is set in the database comes before this process's own."""
        chosen = self.store.chosen()
        known = self.registry.tasks.get(claim.name)
        more = claim.params.get(known.more_tries, 0) if known and known.more_tries else 0
        return RetryRule(
            int(chosen.get("retry_limit", self.retry.limit)) + int(more),
            float(chosen.get("retry_delay", self.retry.delay_seconds)),
        )

    def _fail(
        self, claim: Claim, error: Exception, lines: tuple[tuple[int, str], ...]
    ) -> Moved | None:
        rule = self._rule(claim)
        wait = rule.wait_seconds(claim.attempt) if is_retryable(error) else None
        facts = error_facts(error)
        tracing.note(failed=True, outcome="failed", code=facts["code"])
        logger.warning("task failed", **facts, retry_in_seconds=wait)
        verdict = f"{claim.name} failed: {facts['message']}"
        if wait is not None:
            verdict += f" (try {claim.attempt + 1} of {rule.limit} in {wait:g} s)"
        if not isinstance(error, AdaptationError):
            logger.error("unexpected error in a task", exc_info=error)
        return self.store.fail(claim, facts, retry_in_seconds=wait, lines=(*lines, (40, verdict)))


def is_retryable(error: Exception) -> bool:
    """Whether the same task may pass when it is tried again."""
    if isinstance(error, AdaptationError):
        return error.retryable
    return isinstance(error, OSError)


def error_facts(error: Exception) -> dict[str, Any]:
    """What is stored of an error: code, message, hint, and a tool's command and last words.

    Whatever stood in an address or an answer, there is no secret in it.
    """
    return redacted_fields(_facts_of(error))


def _facts_of(error: Exception) -> dict[str, Any]:
    if not isinstance(error, AdaptationError):
        return {
            "kind": type(error).__name__,
            "code": Transient.code if isinstance(error, OSError) else AdaptationError.code,
            "message": f"{type(error).__name__}: {error}",
            "hint": "This is a fault of the engine or its machine; its log has the details.",
        }
    facts = {
        "kind": type(error).__name__,
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "permanent": isinstance(error, (SourceError, ParameterError)),
    }
    if isinstance(error, ToolError):
        facts |= {"command": error.command, "stderr_tail": error.stderr_tail}
    return facts
