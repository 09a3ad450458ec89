"""The body of a callback: the contract's fields, or what the client's template makes of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from adaptation.engine.callbacks import JOB
from adaptation.engine.deliveries import Delivery
from adaptation.engine.model import Job
from adaptation.engine.tasks import WorkflowDefinition


def fields_of(delivery: Delivery, job: Job, workflow: WorkflowDefinition | None) -> dict[str, Any]:
    """The fields of a callback, in the order of the contract.

    Args:
        delivery: which event it tells of.
        job: as stored.
        workflow: of the job; None where nobody knows it any more.
    """
    given = job.parameters
    content_id, time = given.get("content_id"), _written(delivery.created_at)
    facts = delivery.facts
    if delivery.event != JOB:
        return {
            "job_id": job.id,
            "task_id": delivery.task_id,
            "task_name": facts.get("task_name", ""),
            "workflow": job.workflow,
            "event": delivery.event,
            "content_id": content_id,
            "message": facts.get("message", ""),
            "time": time,
            "client": job.client,
        }
    is_good = facts.get("status") == "completed"
    report = workflow.report(job.result) if workflow and is_good and job.result else {}
    return {
        "job_id": job.id,
        "status": facts.get("status", ""),
        "workflow": job.workflow,
        "content_id": content_id,
        "message": report.get("message", facts.get("message", "")),
        "files": report.get("files", []),
        "metadata": report.get("metadata", {}),
        "custom_data": given.get("custom_data"),
        "time": time,
        "client": job.client,
    }


def shaped(fields: dict[str, Any], template: str | None) -> str:
    """The body as JSON.

    Args:
        fields: of the callback, as a template finds them.
        template: Jinja that gives JSON; None: the fields as they are.

    Raises:
        ParameterError: `callback_invalid`, the template fails with these fields.
    """
    if template is None:
        return json.dumps(fields, ensure_ascii=False)
    # Imported only now: few clients have a template, and Jinja takes a while to load.
    from adaptation.engine.templates import filled

    return filled(template, fields)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
