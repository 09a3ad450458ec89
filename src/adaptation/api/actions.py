"""What can be done to a job: changed, ended, held, run again."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from adaptation.api.auth import Engine, Writer
from adaptation.api.problems import Problem
from adaptation.api.routes import BAD, One
from adaptation.api.rows import job_seen_by
from adaptation.api.schemas import Accepted, JobChange, Performed
from adaptation.engine.changes import KEEP, Change
from adaptation.engine.model import Job
from adaptation.engine.store import Store

router = APIRouter(tags=["jobs"])


@router.patch("/jobs/{job_id}", responses=BAD, summary="Change a job")
@router.put("/jobs/{job_id}", responses=BAD, summary="Change a job (the old way)")
def change(asking: Writer, engine: Engine, job_id: One, wanted: JobChange) -> Performed:
    """Hold or end a job, or say anew when it runs, how urgently, and whether it is kept."""
    job = job_seen_by(engine.store, asking, job_id)
    asked = wanted.model_dump(exclude_unset=True)
    if "sempahore_url" in asked:
        asked["semaphore_url"] = asked.pop("sempahore_url")
    state = asked.pop("queue_state", None)
    for name in ("priority", "persist"):
        if name in asked and asked[name] is None:
            raise Problem(400, f"field {name!r} cannot be null", hint=f"Leave {name} out.")
    if state is not None and job.ended and str(job.state) != state:
        raise _forbidden(job, f"it cannot become {state} any more")  # before anything is changed
    if asked.get("semaphore_url"):
        engine.policy.granting(asking.limits).check_literal(asked["semaphore_url"])
    names = engine.store.change(job_id, Change(**{**_KEPT, **asked}))
    if state is not None:
        _put(engine.store, job_id, state)
        names.insert(0, "queue_state")
    if not names:
        raise Problem(400, "nothing is to be changed", hint=f"Name one of: {', '.join(_NAMES)}.")
    return Performed(id=job_id, result=f"Performed updates: {', '.join(names)}")


_KEPT: dict[str, Any] = dict.fromkeys(("priority", "run_at", "semaphore_url", "persist"), KEEP)
_NAMES = ("queue_state", *_KEPT)


@router.post("/jobs/{job_id}/rerun", responses=BAD, summary="Run a job anew")
def rerun(asking: Writer, engine: Engine, job_id: One) -> Accepted:
    """Store a new job with exactly the same parameters; the old one becomes broken."""
    job_seen_by(engine.store, asking, job_id)
    new_id = engine.engine.rerun(job_id).id
    return Accepted(id=new_id, job_id=new_id)


@router.post("/jobs/{job_id}/retry", responses=BAD, summary="Run again what failed")
def retry(asking: Writer, engine: Engine, job_id: One) -> Performed:
    """Run what failed or never ran of an ended job; finished tasks are kept."""
    job_seen_by(engine.store, asking, job_id)
    left = engine.store.retry(job_id)
    return Performed(id=job_id, result=f"{left} tasks run again")


@router.post("/jobs/{job_id}/cancel", responses=BAD, summary="End a job")
def cancel(asking: Writer, engine: Engine, job_id: One) -> Performed:
    """Stop a job for good; what runs of it ends within seconds."""
    job_seen_by(engine.store, asking, job_id)
    _put(engine.store, job_id, "broken")
    return Performed(id=job_id, result="cancelled")


@router.post("/jobs/{job_id}/pause", responses=BAD, summary="Hold a job")
def pause(asking: Writer, engine: Engine, job_id: One) -> Performed:
    """Start nothing more of a job; what runs is stopped within seconds and handed back."""
    job_seen_by(engine.store, asking, job_id)
    _put(engine.store, job_id, "paused")
    return Performed(id=job_id, result="paused")


@router.post("/jobs/{job_id}/resume", responses=BAD, summary="Let a held job go on")
def resume(asking: Writer, engine: Engine, job_id: One) -> Performed:
    """Let a paused job go on from its finished tasks."""
    job = job_seen_by(engine.store, asking, job_id)
    if not engine.store.resume(job_id):
        raise _forbidden(job, "only a paused job goes on")
    return Performed(id=job_id, result="resumed")


def _put(store: Store, job_id: int, state: str) -> None:
    job = store.job(job_id)
    done = store.pause(job_id) if state == "paused" else store.cancel(job_id)
    if done or str(job.state) == state or (state == "broken" and job.cancelling):
        return
    raise _forbidden(store.job(job_id), f"it cannot become {state} any more")


def _forbidden(job: Job, why: str) -> Problem:
    return Problem(
        409,
        f"job {job.id} is {job.state}: {why}",
        code="state_forbids",
        hint=f"Look at it: GET /jobs/{job.id}",
    )
