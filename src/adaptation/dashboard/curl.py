"""Jobs as commands that submit the same once more."""

from __future__ import annotations

import json
import shlex

from fastapi import Request

from adaptation.api.rows import fit_to_be_shown
from adaptation.engine.model import Job
from adaptation.engine.terms import LEAST_URGENT


def as_curl(request: Request, job: Job) -> str:
    """How the same job is submitted by hand, without its secrets and the client's key."""
    parameters = fit_to_be_shown(job.parameters)
    terms = {"workflow": job.workflow, "priority": min(job.priority, LEAST_URGENT)}
    return submit_by_curl(request, {"job": terms, "parameters": parameters})


def submit_by_curl(request: Request, body: object) -> str:
    """A request that submits a body, in words for a shell."""
    address = f"{request.url.scheme}://{request.url.netloc}/job"
    words = json.dumps(body, ensure_ascii=False)
    return (
        f"curl {address} -H 'client: NAME' -H 'api-key: KEY' -H 'Content-Type: application/json'"
        f" -d {shlex.quote(words)}"
    )


def first_by_curl(request: Request) -> str:
    """A first job, for whoever has none to look at."""
    parameters = {"url": "https://example.org/film.mp4", "output_folder": "film"}
    return submit_by_curl(
        request, {"job": {"workflow": "encoding_workflow"}, "parameters": parameters}
    )
