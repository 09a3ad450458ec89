"""Records of the engine as the rows that the API answers with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from adaptation.adapters.masking import redacted_fields
from adaptation.api.problems import Problem
from adaptation.engine.clients import Client, Role
from adaptation.engine.model import Job, LogLine, Task
from adaptation.engine.store import Store
from adaptation.engine.terms import LEAST_URGENT
from adaptation.errors import AdaptationError

CUSTOM = "custom_data"
"""A client's own, shown as it was given."""
TOLD: Mapping[str, Callable[[Any], str]] = {
    "fps": lambda fps: f"{fps:.0f} frames/s",
    "speed": lambda speed: f"{speed:.2g} times real time",
    "eta_seconds": lambda seconds: f"{seconds:.0f} s left",
    "bytes": lambda count: f"{count / 1e6:.1f} MB",
}
"""What running tasks tell of themselves, as people read it."""
SEVERITIES = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}


def job_seen_by(store: Store, client: Client, job_id: int) -> Job:
    """A job that a client may see; another's is as unknown as one that does not exist.

    Raises:
        Problem: 404.
    """
    try:
        job = store.job(job_id)
    except AdaptationError:
        job = None
    if job is None or not sees(client, job.client):
        raise Problem(
            404, f"there is no job {job_id}", code="job_unknown", hint="GET /jobs lists them."
        )
    return job


def sees(client: Client, owner: str) -> bool:
    """Whether a client may see what is another's."""
    return client.role is Role.ADMIN or client.name == owner


def job_rows(store: Store, jobs: Iterable[Job]) -> list[dict[str, Any]]:
    """Jobs with their places in the queue."""
    listed = list(jobs)
    places = store.positions([job.id for job in listed]) if listed else {}
    return [job_row(job, places.get(job.id)) for job in listed]


def job_row(job: Job, position: int | None) -> dict[str, Any]:
    """One job; each answer takes what its model names."""
    return {
        "id": job.id,
        "client": job.client,
        "workflow": job.workflow,
        "priority": min(job.priority, LEAST_URGENT),
        "position": position,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "queue_state": str(job.state),
        "failed": job.failed,
        "run_at": job.run_at,
        "parameters": fit_to_be_shown(job.parameters),
        "top_of_queue": position == 1,
    }


def log_row(line: LogLine) -> dict[str, Any]:
    """One line of a log, which is never changed after it was written."""
    return {
        "id": line.id,
        "job_id": line.job_id,
        "task_id": line.task_id,
        "severity": line.severity,
        "severity_description": SEVERITIES.get(line.severity, "info"),
        "progname": line.progname,
        "message": line.message,
        "visible": line.severity > logging.DEBUG,
        "created_at": line.created_at,
        "updated_at": line.created_at,
    }


def task_rows(tasks: Iterable[Task], edges: Iterable[tuple[int, int]]) -> list[dict[str, Any]]:
    """The tasks of a job with what each waits for."""
    waits: dict[int, list[int]] = {}
    for task_id, upstream_id in edges:
        waits.setdefault(task_id, []).append(upstream_id)
    return [
        {
            "id": task.id,
            "name": task.name,
            "queue": task.queue,
            "state": str(task.state),
            "attempt": task.attempt,
            "progress": task.progress,
            "worker": task.worker_id,
            "started_at": task.started_at,
            "finished_at": task.finished_at,
            "message": _message(task),
            "depends_on": sorted(waits.get(task.id, ())),
        }
        for task in tasks
    ]


def _message(task: Task) -> str:
    if task.error:
        return str(task.error.get("message", ""))
    told = (_told(name, value) for name, value in (task.detail or {}).items())
    return ", ".join(part for part in told if part)


def _told(name: str, value: Any) -> str:
    """A fact of a running task for a person; empty: it says nothing, such as frames of sound."""
    told = TOLD.get(name)
    if told is None:
        return f"{name} {value}"
    return told(value) if value else ""


def fit_to_be_shown(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters without their secrets."""
    own = {CUSTOM: parameters[CUSTOM]} if CUSTOM in parameters else {}
    return redacted_fields(parameters) | own
