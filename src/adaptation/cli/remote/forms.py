"""The forms in which what a server tells is printed: the local ones, as far as it tells enough."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from adaptation.client import Job, Task

JobNumber = Annotated[int, Parameter(validator=Number(gte=1))]
AsJson = Annotated[bool, Parameter(name="--json")]


def verdict(job: Job) -> str:
    """A job's state in one word, with how it ended."""
    if not job.ended:
        return job.queue_state
    if job.succeeded:
        return "done"
    return "failed" if job.failed else "cancelled"


def job_document(job: Job) -> dict[str, Any]:
    """A job as JSON, under the names of the local command line."""
    facts = plain(asdict(job))
    return {
        "job_id": facts.pop("id"),
        "status": verdict(job),
        "state": facts.pop("queue_state"),
        "output_folder": job.parameters.get("output_folder"),
        **{name: value for name, value in facts.items() if name not in {"progress", "error"}},
    }


def task_document(task: Task) -> dict[str, Any]:
    """A task as JSON."""
    facts = plain(asdict(task))
    return {"task_id": facts.pop("id"), **facts}


def plain(facts: dict[str, Any]) -> dict[str, Any]:
    """Facts with their moments in writing."""
    return {
        name: value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value
        for name, value in facts.items()
    }


def source(job: Job) -> str:
    """What a job works on."""
    return str(job.parameters.get("url", job.workflow))
