"""`adaptation submit`: store a job and leave the work to a service."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from adaptation.cli import output
from adaptation.cli.request import Request
from adaptation.cli.when import When


def submit(
    source: str,
    folder: Annotated[str | None, Parameter(name="OUTPUT")] = None,
    /,
    *,
    request: Request = Request(),  # noqa: B008 - frozen
    when: When = When(),  # noqa: B008 - frozen
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Store a job for a running service.

    Prints the job's number and the id of its main task, by which `adaptation watch` and Celery
    clients know it. A job that was asked for in the same words and has not succeeded goes on.

    Args:
        source: A path, a file://, http:// or https:// URL, or storage://NAME/KEY; workers must be
            able to read it.
        folder: The folder the asset appears as, or storage://NAME/KEY; a new one under the output
            root when not given.
        request: How the asset is to be.
        when: When the job runs, and how urgently.
        as_json: Print a JSON object.
    """
    from adaptation.wiring import deploy

    deployment = deploy()
    wanted = request.parameters(source, folder)
    job, existed = deployment.submit_encoding(wanted, terms=when.terms())
    served = any(process.job_id is None for process in deployment.store.processes())
    deployment.store.close()
    if as_json:
        facts = {"job_id": job.id, "main_task_id": job.main_task_id, "resumed": existed}
        output.document({**facts, "output_folder": job.output})
    else:
        output.data(f"{job.id} {job.main_task_id}")
    if job.succeeded:
        output.note(f"The asset is already there: {job.output}")
        return
    output.note(f"Job {job.id} {'goes on' if existed else 'is stored'}; it makes {job.output}")
    if not served:
        output.note("hint: no service is running; start one with: adaptation serve")
