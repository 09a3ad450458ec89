"""`adaptation --server URL submit` and `plan`: a job for a server, or only its plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from cyclopts import Parameter

from adaptation.cli import output
from adaptation.cli.remote import opened_client
from adaptation.cli.remote.forms import AsJson
from adaptation.cli.request import Request
from adaptation.cli.when import Timing, moment
from adaptation.errors import ParameterError

WORKFLOW = "encoding_workflow"


def submit(
    source: str,
    folder: Annotated[str | None, Parameter(name="OUTPUT")] = None,
    /,
    *,
    request: Request = Request(),  # noqa: B008 - frozen
    when: Timing = Timing(),  # noqa: B008 - frozen
    as_json: AsJson = False,
) -> None:
    """Store a job at a server.

    Prints the job's number. If the answer is lost the request is sent again, and one job stored.

    Args:
        source: A file://, http:// or https:// URL, or an absolute path, that the workers can read.
        folder: The folder the asset appears as, under the server's output root; a new one when
            not given.
        request: How the asset is to be; what is not given is as the client's defaults say.
        when: When the job runs, and how urgently.
        as_json: Print a JSON object.
    """
    wanted = _parameters(request, source, folder)
    with opened_client() as client:
        job = client.submit(
            WORKFLOW,
            wanted,
            priority=when.priority,
            run_at=None if when.run_at is None else moment(when.run_at),
            semaphore_url=when.semaphore_url,
            persist=when.persist,
        )
    if as_json:
        output.document({"job_id": job.id})
    else:
        output.data(str(job.id))
    output.note(f"Job {job.id} is stored.")


def plan(
    source: str,
    folder: Annotated[str | None, Parameter(name="OUTPUT")] = None,
    /,
    *,
    request: Request = Request(),  # noqa: B008 - frozen
    as_json: AsJson = False,  # noqa: ARG001 - always is
) -> None:
    """Tell what a job would do and cost, as one JSON object; nothing is stored.

    Args:
        source: A URL or an absolute path that the server can read.
        folder: The folder the asset would appear as.
        request: How the asset is to be.
        as_json: It always does.
    """
    with opened_client() as client:
        output.document(client.plan(WORKFLOW, _parameters(request, source, folder)))


def _parameters(request: Request, source: str, folder: str | None) -> dict[str, Any]:
    """What was asked for; the rest is left to the defaults that the client has at the server."""
    if not urlsplit(source).scheme and not Path(source).is_absolute():
        raise ParameterError(
            f"the server cannot know where {source} lies",
            code="usage",
            hint="Give a URL, or the absolute path under which its workers find the file.",
        )
    wanted, usual = request.parameters(source, None), Request().parameters("", None)
    asked = {name: value for name, value in wanted.items() if usual.get(name) != value}
    return asked if folder is None else {**asked, "output_folder": folder}
