"""Pages of the workflows: what each takes, a form to submit a job, and what it would do."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import ValidationError

from adaptation.api import jobs, workflows
from adaptation.api.auth import Engine
from adaptation.api.problems import Problem
from adaptation.api.schemas import Submission
from adaptation.dashboard.answers import go_to, page, told_of
from adaptation.dashboard.curl import submit_by_curl
from adaptation.dashboard.forms import Form, Sent
from adaptation.dashboard.session import Looking
from adaptation.errors import AdaptationError

router = APIRouter()

OWN = frozenset({"token", "do", "priority", "json"})
"""Fields of the form that are no parameters."""
OF_JOB = "job-"
"""How the names of fields begin that say something of the job."""
NO_TERMS = {"run_at": "", "semaphore_url": "", "persist": ""}


@router.get("/workflows")
def all_workflows(request: Request, looking: Looking, engine: Engine) -> Response:
    """What can be submitted."""
    known = workflows.workflows(looking.client, engine)
    return page(request, "workflows.html", looking, workflows=known)


@router.get("/workflows/{name}")
def one_workflow(request: Request, looking: Looking, engine: Engine, name: str) -> Response:
    """A form of all parameters of a workflow."""
    known = workflows.workflow(looking.client, engine, name)
    given = {field: _text(value) for field, value in known.example.items()}
    return page(request, "workflow.html", looking, **_facts(known, given))


@router.post("/workflows/{name}")
def submit(request: Request, sent: Sent, engine: Engine, name: str) -> Response:
    """Submit what the form says, or tell what it would do; what is wrong is told in the form."""
    known = workflows.workflow(sent.visitor.client, engine, name)
    given = {field: sent.one(field) for field in sent.fields if field not in OWN}
    foretold, problem = None, None
    try:
        wanted = _wanted(name, known.parameters, sent)
        if sent.one("do") == "submit":
            accepted = _body(jobs.submit(sent.visitor.client, engine, wanted))
            return go_to(f"/ui/jobs/{accepted['id']}")
        foretold = _body(jobs.submit(sent.visitor.client, engine, wanted, dry_run=True))
    except (Problem, AdaptationError) as error:
        problem = told_of(error)
    facts = _facts(known, given, sent.one("priority", "5"))
    facts |= {"foretold": foretold, "problem": problem, "terms": _terms(sent)}
    if problem is None:
        facts["by_curl"] = submit_by_curl(
            request, wanted.model_dump(mode="json", exclude_unset=True)
        )
    return page(request, "workflow.html", sent.visitor, problem[0] if problem else 200, **facts)


def _body(answer: Response) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bytes(answer.body))
    return found


def _facts(known: workflows.Workflow, given: dict[str, str], priority: str = "5") -> dict[str, Any]:
    required = set(known.parameters.get("required", ()))
    fields = [
        {
            "name": name,
            "kind": _kind(schema),
            "choices": _choices(schema),
            "default": _text(schema.get("default")),
            "told": schema.get("description", ""),
            "required": name in required,
            "value": given.get(name, ""),
        }
        for name, schema in known.parameters.get("properties", {}).items()
    ]
    fields.sort(key=lambda field: not (field["required"] or field["value"]))
    facts = {"workflow": known, "fields": fields, "priority": priority, "terms": NO_TERMS}
    return {**facts, "foretold": None, "problem": None, "by_curl": ""}


def _terms(sent: Form) -> dict[str, str]:
    """What the form says of the job beside its priority; what is empty is not said."""
    return {name: sent.one(f"{OF_JOB}{name}").strip() for name in NO_TERMS}


def _wanted(name: str, schema: dict[str, Any], sent: Form) -> Submission:
    """The body that the API would get.

    Raises:
        Problem: 400.
    """
    parameters = {
        field: _value(field, described, sent.one(field))
        for field, described in schema.get("properties", {}).items()
        if sent.one(field).strip()
    }
    terms: dict[str, Any] = {term: words for term, words in _terms(sent).items() if words}
    if "persist" in terms:
        terms["persist"] = True
    job = {"workflow": name, "priority": sent.one("priority", "5"), **terms}
    try:
        return Submission.model_validate({"job": job, "parameters": parameters})
    except ValidationError as error:
        first = error.errors()[0]
        raise Problem(400, f"{first['loc'][-1]}: {first['msg']}", hint="Mend it.") from error


def _value(name: str, schema: dict[str, Any], text: str) -> Any:
    """What somebody wrote, as the kind of value that the parameter has."""
    text = text.strip()
    kind = _kind(schema)
    if kind == "text":
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        if kind == "json" and not text.startswith(("{", "[", '"')):
            return text
        raise Problem(
            400, f"parameter {name!r} is not in JSON: {error}", hint='As in ["a", 1, true].'
        ) from error


def _types(schema: dict[str, Any]) -> set[str]:
    branches = schema.get("anyOf", [schema])
    return {str(one.get("type", "string" if "enum" in one else "any")) for one in branches}


def _kind(schema: dict[str, Any]) -> str:
    """How a parameter is written: text, number, truth, json."""
    types = _types(schema) - {"null"}
    if types == {"string"}:
        return "text"
    if types <= {"integer", "number"}:
        return "number"
    return "truth" if types == {"boolean"} else "json"


def _choices(schema: dict[str, Any]) -> list[str]:
    if _kind(schema) == "truth":
        return ["true", "false"]
    return [str(one) for one in schema.get("enum", ()) if one is not None]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
