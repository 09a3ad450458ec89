"""Why a job that could run does not: what it waits for, in a sentence."""

from __future__ import annotations

from datetime import UTC, datetime

from adaptation.adapters.masking import masked
from adaptation.api.operations import SILENT_SECONDS
from adaptation.dashboard.painting import clock, span
from adaptation.engine.model import Job
from adaptation.engine.states import JobState
from adaptation.engine.store import Store

SOON = "It starts within seconds."


def why_waiting(store: Store, job: Job, place: int | None, now: datetime | None = None) -> str:
    """What keeps a job from running; empty: it runs, or has ended.

    Args:
        store: that is asked how much runs.
        job: as stored.
        place: in the queue; 1 is next.
        now: the present moment when not given.
    """
    match job.state:
        case JobState.SCHEDULED:
            return _why_scheduled(job, now or datetime.now(UTC))
        case JobState.QUEUED:
            return _why_queued(store, job, place)
        case JobState.PAUSED:
            return "Somebody holds it: it goes on from what is finished when it is resumed."
        case JobState.STARTED if job.cancelling:
            return "It is being cancelled: what runs of it ends within seconds."
        case JobState.STARTED if not store.slots(SILENT_SECONDS):
            return "No worker was heard lately: start one with `adaptation worker`."
    return ""


def _why_scheduled(job: Job, now: datetime) -> str:
    if job.after_id is not None:
        return f"It waits for the end of job {job.after_id}."
    if job.run_at is not None and job.run_at > now:
        left = span((job.run_at - now).total_seconds())
        return f"It waits for its time, {clock(job.run_at)} UTC, in {left}."
    if job.semaphore_url:
        return f"It waits until {masked(job.semaphore_url)} answers well."
    return SOON


def _why_queued(store: Store, job: Job, place: int | None) -> str:
    if not store.slots(SILENT_SECONDS):
        return "No worker was heard lately: start one with `adaptation worker`."
    rules, counts = store.rules(), store.counts().jobs
    running = counts["started"]
    if rules.queue_paused:
        return "The queue is paused: nothing starts until somebody lets it go on."
    if running >= rules.max_jobs:
        return f"It waits for a slot: {running} of {rules.max_jobs} jobs run."
    is_urgent = job.priority <= rules.priority_threshold
    if not is_urgent and running >= rules.max_jobs - rules.priority_slots:
        return (
            f"It waits for a slot: the free ones are reserved for priority"
            f" {rules.priority_threshold} and more urgent."
        )
    if place is not None and place > 1:
        return "Others come first: more urgent ones, older ones, or another client's turn."
    return SOON
