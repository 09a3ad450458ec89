"""`adaptation --server URL ls` and `show`: what jobs a server has, and how they stand."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from adaptation.cli import output
from adaptation.cli.output import percent
from adaptation.cli.remote import opened_client
from adaptation.cli.remote.forms import (
    AsJson,
    JobNumber,
    job_document,
    source,
    task_document,
    verdict,
)
from adaptation.client import Filters, Job, Task


def ls(
    *,
    state: str | None = None,
    owner: str | None = None,
    search: str = "",
    limit: Annotated[int, Parameter(validator=Number(gte=1, lte=1000))] = 10,
    as_json: AsJson = False,
) -> None:
    """List the newest jobs: one's own, or all for an admin.

    Args:
        state: Only jobs that stand so: scheduled, queued, started, paused, completed or broken.
        owner: Only jobs of this client, for an admin.
        search: Only jobs with this in their parameters, such as the name of the source.
        limit: How many, 10 when not given.
        as_json: Print a JSON array.
    """
    filters = Filters(limit=limit, search=search)
    if state is not None:
        filters["state"] = state
    if owner is not None:
        filters["client"] = owner
    with opened_client() as client:
        jobs = client.jobs(**filters)
    if as_json:
        output.document([job_document(job) for job in jobs])
        return
    for job in jobs:
        made = f"{job.created_at.astimezone():%Y-%m-%d %H:%M}"
        stands = f"{verdict(job)} {job.position or ''}".rstrip()
        folder = job.parameters.get("output_folder")
        target = f" -> {folder}" if folder else ""
        output.data(f"{job.id:>5}  {stands:<11}  {made}  {source(job)}{target}")


def show(job: JobNumber, /, *, as_json: AsJson = False) -> None:
    """Show a job and its tasks.

    Args:
        job: Its number.
        as_json: Print a JSON object.
    """
    with opened_client() as client:
        found, tasks = client.job(job), client.tasks(job)
    if as_json:
        documents = [task_document(task) for task in tasks]
        output.document({**job_document(found), "progress": _share(tasks), "tasks": documents})
        return
    for line in (*_about(found, tasks), "", *_table(tasks)):
        output.data(line)
    failed = next((task for task in tasks if task.state == "failed"), None)
    if found.failed and failed is not None:
        output.note(f"error: {failed.message}")
        output.note(f"log: adaptation logs {found.id}")


def _share(tasks: list[Task]) -> float:
    return sum(task.progress for task in tasks) / len(tasks) if tasks else 0.0


def _about(job: Job, tasks: list[Task]) -> list[str]:
    facts = {
        "job": f"{job.id} ({job.workflow}), {verdict(job)}",
        "source": source(job) if "url" in job.parameters else "",
        "output": str(job.parameters.get("output_folder", "")),
        "progress": percent(_share(tasks)).strip(),
        "priority": str(job.priority),
        "client": job.client,
        "runs at": f"{job.run_at.astimezone():%Y-%m-%d %H:%M:%S}"
        if job.run_at and job.queue_state == "scheduled"
        else "",
        "created": f"{job.created_at.astimezone():%Y-%m-%d %H:%M:%S}",
        "changed": f"{job.updated_at.astimezone():%Y-%m-%d %H:%M:%S}",
    }
    return [f"{name:<10} {value}" for name, value in facts.items() if value]


def _table(tasks: list[Task]) -> list[str]:
    rows = [("task", "name", "state", "tries", "done", "worker")]
    for task in tasks:
        worker, share = _worker(task.worker or ""), percent(task.progress)
        rows.append((str(task.id), task.name, task.state, str(task.attempt), share, worker))
    return output.aligned(rows)


def _worker(worker_id: str) -> str:
    """Its host and process."""
    return worker_id.rpartition("/")[0] or worker_id[:8]
