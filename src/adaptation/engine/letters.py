"""The body of a callback: the contract's fields, or what the client's template makes of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from adaptation.engine.callbacks import JOB
from adaptation.engine.deliveries import Delivery
from adaptation.engine.model import Job
from adaptation.engine.tasks import WorkflowDefinition
from adaptation.errors import ParameterError

MOST_LETTERS = 262_144
"""A body that is longer is held to be a mistake of its template."""
MOST_ROUNDS = 10_000
"""Of one loop over a range."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja without what makes much of little: a worker must not run out of memory by it."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ARG002
        raise SecurityError(f"{operator} cannot be used")


def _rounds(*bounds: int) -> range:
    found = range(*bounds)
    if len(found) > MOST_ROUNDS:
        raise SecurityError(f"a range has {MOST_ROUNDS} rounds at most")
    return found


_JINJA = _Sandbox(undefined=StrictUndefined, autoescape=False)
_JINJA.globals["range"] = _rounds


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
    try:
        body = _gathered(_JINJA.from_string(template).generate(fields))
        json.loads(body)
    except (TemplateError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise _failed(str(error) or type(error).__name__) from error
    return body


def _gathered(pieces: Iterable[str]) -> str:
    found, letters = [], 0
    for piece in pieces:
        letters += len(piece)
        if letters > MOST_LETTERS:
            raise _failed(f"it gives more than {MOST_LETTERS} letters")
        found.append(piece)
    return "".join(found)


def _failed(reason: str) -> ParameterError:
    return ParameterError(
        f"the template of callbacks fails: {reason}",
        code="callback_invalid",
        hint="Mend it: adaptation client set NAME --job-template FILE",
    )


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
