"""Why a job failed, as far as somebody must know who is to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adaptation.dashboard.codes import codes
from adaptation.engine.attempts import Attempt
from adaptation.engine.lines import LineQuery
from adaptation.engine.model import Job, LogLine
from adaptation.engine.process import name_of_worker
from adaptation.engine.states import Work
from adaptation.engine.store import Store
from adaptation.errors import AdaptationError

LINES = 5
"""The last that the task logged."""
LAST_WORDS = 20
"""Lines of what the tool said last."""


@dataclass(frozen=True)
class Failure:
    """The first error of a job."""

    message: str
    hint: str
    code: str
    has_page: bool
    """Whether there is a page of the code."""
    task: str
    """Empty: it is the job itself that was refused."""
    task_id: int
    worker: str
    """Host and process that ran it last; empty: nobody did."""
    tries: int
    """Attempts that ended in an error or with their worker."""
    last_words: tuple[str, ...]
    """Of the tool that failed."""
    lines: tuple[LogLine, ...]
    retryable: bool
    why_not: str
    """Why it cannot be tried again from here; empty: it can, or has not ended yet."""


def failure_of(store: Store, job: Job, attempts: Sequence[Attempt]) -> Failure | None:
    """Why a job failed; None: it did not."""
    error = job.error
    if error is None:
        return None
    task_id = int(error.get("task_id") or 0)
    own = [one for one in attempts if one.task_id == task_id]
    tail = str((own[-1].error or {}).get("stderr_tail") or "") if own else ""
    code = str(error.get("code") or AdaptationError.code)
    asked = LineQuery(job.id, task_id=task_id or None, limit=LINES)
    return Failure(
        message=str(error.get("message") or "It failed."),
        hint=str(error.get("hint") or ""),
        code=code,
        has_page=code in codes(),
        task=str(error.get("task") or ""),
        task_id=task_id,
        worker=name_of_worker(own[-1].worker_id) if own else "",
        tries=sum(one.outcome in {"failed", "lost"} for one in own),
        last_words=tuple(tail.splitlines()[-LAST_WORDS:]),
        lines=tuple(store.lines(asked)),
        retryable=job.retryable,
        why_not=_why_not(job),
    )


def _why_not(job: Job) -> str:
    if job.retryable or not job.ended:
        return ""
    if job.work is not Work.KEPT:
        return "What was finished of it is removed: it can only run anew, from its beginning."
    return "It has nothing to try again."
