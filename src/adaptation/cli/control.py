"""`adaptation cancel`, `pause`, `resume`, `retry`, `rerun`, `priority`: what people do to a job."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

from cyclopts import Parameter

from adaptation.cli import exits, output
from adaptation.cli.store import find_job, opened_store, verdict
from adaptation.cli.when import Priority
from adaptation.engine.changes import Change
from adaptation.engine.model import Job
from adaptation.engine.store import Store

STOPPING_SECONDS = 10.0
"""How long `cancel` waits for what runs to stop."""
POLL_SECONDS = 0.1


def cancel(job: str, /) -> int:
    """Stop a job for good and drop its finished pieces.

    Args:
        job: Its number, or the id of its main task.
    """
    from adaptation.wiring import deploy

    deployment = deploy()
    deployment.engine.prepare()
    store = deployment.store
    found = find_job(store, job)
    # A worker that was killed stops nothing: what it held is taken back first.
    deployment.repair()
    stopped = store.cancel(found.id)
    found = _ending(store, found.id)
    deployment.repair()
    store.close()
    if not stopped:
        output.note(f"Job {found.id} had ended before: {verdict(found)}.")
    elif found.failed:
        output.note(f"Job {found.id} had failed; its finished pieces are dropped.")
    elif found.ended:
        output.note(f"Job {found.id} is cancelled.")
    else:
        output.note(f"Job {found.id} is stopping; its workers are told at their next heartbeat.")
    return exits.DONE


def pause(job: str, /) -> int:
    """Hold a job; what runs is stopped and handed back.

    Args:
        job: Its number, or the id of its main task.
    """
    return _change(job, lambda store, job_id: store.pause(job_id), "is paused")


def resume(job: str, /) -> int:
    """Let a paused job go on.

    Args:
        job: Its number, or the id of its main task.
    """
    return _change(job, lambda store, job_id: store.resume(job_id), "goes on", needs_service=True)


def retry(job: str, /) -> int:
    """Run again what failed of a job; finished tasks are kept.

    Args:
        job: Its number, or the id of its main task.
    """
    return _change(
        job, lambda store, job_id: store.retry(job_id) >= 0, "is tried again", needs_service=True
    )


def rerun(job: str, /, *, as_json: Annotated[bool, Parameter(name="--json")] = False) -> int:
    """Run a job anew, with the same parameters; the old one is broken.

    One that has not ended is cancelled first, and the new one waits for its end. It replaces the
    asset that the old one made.

    Args:
        job: Its number, or the id of its main task.
        as_json: Print a JSON object.
    """
    from adaptation.wiring import deploy

    deployment = deploy()
    deployment.engine.prepare()
    store = deployment.store
    try:
        old = find_job(store, job)
        new = deployment.engine.rerun(old.id)
        served = _is_served(store, new.id)
    finally:
        store.close()
    if as_json:
        output.document({"job_id": new.id, "main_task_id": new.main_task_id})
    else:
        output.data(f"{new.id} {new.main_task_id}")
    output.note(f"Job {old.id} runs anew as job {new.id}.")
    _hint_at_service(served)
    return exits.DONE


def priority(job: str, number: Priority, /) -> int:
    """Make a job more or less urgent, with its tasks that have not ended.

    Args:
        job: Its number, or the id of its main task.
        number: 1 is the most urgent, 10 the least.
    """
    with opened_store() as store:
        found = find_job(store, job)
        store.change(found.id, Change(priority=number))
        place = store.positions([found.id]).get(found.id)
    queued = f", number {place} in the queue" if place else ""
    output.note(f"Job {found.id} has priority {number}{queued}.")
    return exits.DONE


def _change(
    name: str, change: Callable[[Store, int], bool], word: str, *, needs_service: bool = False
) -> int:
    with opened_store() as store:
        found = find_job(store, name)
        if not change(store, found.id):
            message = f"job {found.id} is {verdict(found)}"
            hint = f"Look at it: adaptation show {found.id}"
            output.show_error({"message": message, "code": "state_forbids", "hint": hint})
            return exits.USAGE
        served = not needs_service or _is_served(store, found.id)
    output.note(f"Job {found.id} {word}.")
    _hint_at_service(served)
    return exits.DONE


def _is_served(store: Store, job_id: int) -> bool:
    return any(process.slots and process.job_id in {None, job_id} for process in store.processes())


def _hint_at_service(served: bool) -> None:
    if not served:
        output.note("hint: no service is running; start one with: adaptation serve")


def _ending(store: Store, job_id: int) -> Job:
    deadline = time.monotonic() + STOPPING_SECONDS
    while not (job := store.job(job_id)).ended and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return job
