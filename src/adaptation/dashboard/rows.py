"""Jobs as pages show them: what matters to who looks, worked out of what the engine knows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from adaptation.dashboard.eta import Estimates
from adaptation.engine.model import Job
from adaptation.engine.overview import UnderWork
from adaptation.engine.states import JobState
from adaptation.engine.store import Store
from adaptation.settings import Settings

GRACE_SECONDS = 1.0
"""How late the heartbeat of a worker may come before pages tell of it."""


@dataclass(frozen=True)
class Row:
    """One job in a list."""

    id: int
    client: str
    workflow: str
    subject: str
    """What the client knows it by."""
    priority: int
    state: str
    """A key of `painting.WORDS`."""
    place: int | None
    """In the queue; 1 is next."""
    progress: float
    """0 to 1."""
    doing: str
    """What runs of it."""
    speed: float | None
    """Seconds of film a second, over all that runs of it."""
    eta_seconds: float | None
    """Until its end; None: nobody can say."""
    sentence: str
    """Why it failed, or what it waits for."""
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    persist: bool
    retryable: bool
    ended: bool
    unheard_seconds: float | None = None
    """Since a worker that holds some of it was heard; None: all are heard as they should be."""
    due_seconds: float | None = None
    """Until such a worker is late unless it is heard before; None: nobody knows, or it is."""

    @property
    def seconds(self) -> float | None:
        """How long it has run, or ran."""
        if self.started_at is None:
            return None
        return ((self.finished_at or datetime.now(UTC)) - self.started_at).total_seconds()


def late_seconds(settings: Settings) -> float:
    """How long after it was heard last pages tell that a worker is missed."""
    return settings.heartbeat_seconds + GRACE_SECONDS


def heard(store: Store, rows: Sequence[Row], late: float) -> list[Row]:
    """Jobs with how long ago the workers that run them were heard.

    Args:
        store: that knows the workers.
        rows: of the jobs.
        late: seconds, see `late_seconds`.
    """
    running = [row.id for row in rows if row.state == "started"]
    unheard = store.unheard(running) if running else {}
    return [_heard(row, unheard.get(row.id), late) for row in rows]


def rows_of(store: Store, jobs: Iterable[Job], estimates: Estimates | None = None) -> list[Row]:
    """Jobs with how far they are, what runs of them, and their places in the queue.

    Args:
        store: that knows them.
        jobs: as stored.
        estimates: says when they will be done; one that knows only the store when not given.
    """
    listed = list(jobs)
    if not listed:
        return []
    running = [job.id for job in listed if job.state is JobState.STARTED]
    far = {job_id: one.progress for job_id, one in store.standing_of(running).items()}
    tasks = store.running_in(running)
    queued = [job.id for job in listed if job.state is JobState.QUEUED]
    places = store.positions(queued) if queued else {}
    left = (estimates or Estimates(store)).of(running)
    rows = [
        row_of(job, far.get(job.id), places.get(job.id), tasks.get(job.id, ()), left.get(job.id))
        for job in listed
    ]
    lacks = store.waits_of(running) if running else {}
    return [_lacking(row, lacks[row.id]) if row.id in lacks else row for row in rows]


def row_of(
    job: Job,
    progress: float | None,
    place: int | None,
    tasks: Sequence[UnderWork] = (),
    eta_seconds: float | None = None,
) -> Row:
    """One job.

    Args:
        job: as stored.
        progress: mean of its tasks; None: by its state alone.
        place: in the queue.
        tasks: what runs of it.
        eta_seconds: until its end; None: nobody can say.
    """
    state = state_of(job)
    if progress is None or job.succeeded:
        progress = 1.0 if job.succeeded else 0.0
    speeds = [one.detail["speed"] for one in tasks if _is_number(one.detail.get("speed"))]
    return Row(
        id=job.id,
        client=job.client,
        workflow=job.workflow,
        subject=job.subject or job.main_task_id,
        priority=job.priority,
        state=state,
        place=place,
        progress=progress,
        doing=_doing(tasks),
        speed=sum(speeds) if speeds else None,
        eta_seconds=eta_seconds if job.state is JobState.STARTED else None,
        sentence=_sentence(job),
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        persist=job.persist,
        retryable=job.retryable,
        ended=job.ended,
    )


def state_of(job: Job) -> str:
    """A job's state as a key of `painting.WORDS`."""
    return "failed" if job.failed and job.state is JobState.COMPLETED else str(job.state)


def _heard(row: Row, seconds: float | None, late: float) -> Row:
    """A job with how long ago its worker was heard; None: nobody works on it."""
    if seconds is None:
        return row
    if seconds >= late:
        return replace(row, unheard_seconds=seconds)
    return replace(row, due_seconds=late - seconds)


def _lacking(row: Row, needs: str) -> Row:
    """A job of which nothing runs because no live worker can do it."""
    return row if row.doing else replace(row, sentence=f"waits for a worker with {needs}")


def _doing(tasks: Sequence[UnderWork]) -> str:
    names = list(dict.fromkeys(one.name for one in tasks))
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return ", ".join(name.replace("_", " ") for name in names[:2]) + more


def _sentence(job: Job) -> str:
    if job.error:
        task = job.error.get("task")
        said = str(job.error.get("message", ""))
        return f"{task}: {said}" if task else said
    if job.state is JobState.SCHEDULED and job.run_at is not None:
        return "waits for its time"
    if job.semaphore_url:
        return "waits for an address to answer"
    return "waits for another job to end" if job.after_id else ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
