"""`adaptation ls` and `adaptation show`: what jobs there are, and how they stand."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from adaptation.adapters.masking import masked
from adaptation.cli import output
from adaptation.cli.output import percent, size
from adaptation.cli.progress import survey, track_names
from adaptation.cli.store import (
    find_job,
    job_document,
    opened_store,
    task_document,
    verdict,
)
from adaptation.engine.abilities import WAITS_FOR
from adaptation.engine.lists import JobQuery
from adaptation.engine.model import Job, Task
from adaptation.engine.process import name_of_worker
from adaptation.engine.room import SCRATCH_NEEDED
from adaptation.engine.states import JobState, TaskState
from adaptation.engine.store import Store


def ls(
    *,
    state: JobState | None = None,
    client: str | None = None,
    search: str = "",
    limit: Annotated[int, Parameter(validator=Number(gte=1))] = 10,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """List the newest jobs.

    Args:
        state: Only jobs that stand so; completed ones may have failed.
        client: Only jobs of this client.
        search: Only jobs with this in their parameters, such as the name of the source.
        limit: How many, 10 when not given.
        as_json: Print a JSON array.
    """
    query = JobQuery(limit=limit, state=state, client=client, search=search)
    with opened_store() as store:
        jobs = store.list_jobs(query)
        places = store.positions([job.id for job in jobs if job.state is JobState.QUEUED])
        if as_json:
            output.document([job_document(job) | _place(job, places) for job in jobs])
            return
        for job in jobs:
            share = percent(survey(store.tasks(job.id)).fraction)
            made = f"{job.created_at.astimezone():%Y-%m-%d %H:%M}"
            source = masked(job.parameters.get("url", job.workflow))
            stands = f"{verdict(job)} {places.get(job.id, '')}".rstrip()
            output.data(f"{job.id:>5}  {stands:<11}  {share}  {made}  {source} -> {job.output}")


def _place(job: Job, places: dict[int, int]) -> dict[str, int | None]:
    return {"position": places.get(job.id)}


def show(job: str, /, *, as_json: Annotated[bool, Parameter(name="--json")] = False) -> None:
    """Show a job and its tasks.

    Args:
        job: Its number, or the id of its main task.
        as_json: Print a JSON object.
    """
    with opened_store() as store:
        found = find_job(store, job)
        tasks = store.tasks(found.id)
        if as_json:
            output.document(_document(store, found, tasks))
            return
        for line in (*_about(found, tasks), "", *_table(tasks)):
            output.data(line)
        for line in _waiting(tasks):
            output.data(line)
        if found.error:
            output.show_error(found.error, log=f"adaptation logs {found.id}")


def _document(store: Store, job: Job, tasks: list[Task]) -> dict[str, Any]:
    names = track_names(tasks)
    documents = [
        task_document(task, names.get(task.id), [end or "" for _, end in store.attempts(task.id)])
        for task in tasks
    ]
    return {**job_document(job), "progress": survey(tasks).fraction, "tasks": documents}


def _about(job: Job, tasks: list[Task]) -> list[str]:
    facts = {
        "job": f"{job.id} ({job.workflow}), {verdict(job)}",
        "main task": job.main_task_id,
        "source": masked(job.parameters.get("url", "")),
        "output": job.output,
        "progress": percent(survey(tasks).fraction).strip(),
        "priority": str(job.priority),
        "client": job.client,
        "runs at": f"{job.run_at.astimezone():%Y-%m-%d %H:%M:%S}"
        if job.run_at and job.state is JobState.SCHEDULED
        else "",
        "waits for": _awaited(job),
        "created": f"{job.created_at.astimezone():%Y-%m-%d %H:%M:%S}",
        "finished": f"{job.finished_at.astimezone():%Y-%m-%d %H:%M:%S}" if job.finished_at else "",
    }
    return [f"{name:<10} {value}" for name, value in facts.items() if value]


def _awaited(job: Job) -> str:
    if job.ended:
        return ""
    if job.after_id is not None:
        return f"the end of job {job.after_id}"
    return masked(job.semaphore_url) if job.semaphore_url else ""


def _waiting(tasks: list[Task]) -> list[str]:
    """What keeps ready tasks from being run, if anything is known of it."""
    return [
        f"task {task.id} waits for a worker with {wanted}"
        for task in tasks
        if task.state is TaskState.READY and (wanted := _wanted(task.detail or {}))
    ]


def _wanted(detail: dict[str, Any]) -> str:
    if WAITS_FOR in detail:
        return str(detail[WAITS_FOR])
    return f"{size(detail[SCRATCH_NEEDED])} of free scratch" if SCRATCH_NEEDED in detail else ""


def _table(tasks: list[Task]) -> list[str]:
    names = track_names(tasks)
    rows = [("task", "track", "name", "state", "tries", "done", "worker")]
    for task in tasks:
        track, worker = names.get(task.id, ""), name_of_worker(task.worker_id or "")
        share = percent(task.progress)
        row = (str(task.id), track, task.name, task.state, str(task.attempt), share, worker)
        rows.append(row)
    return output.aligned(rows)
