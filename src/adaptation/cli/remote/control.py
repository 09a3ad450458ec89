"""`adaptation --server URL cancel`, `pause`, `resume`, `retry`, `rerun`, `priority`."""

from __future__ import annotations

from adaptation.cli import exits, output
from adaptation.cli.remote import opened_client
from adaptation.cli.remote.forms import AsJson, JobNumber, verdict
from adaptation.cli.when import Priority
from adaptation.errors import ApiError, NotEnded

STOPPING_SECONDS = 10.0
"""How long `cancel` waits for what runs to stop."""


def cancel(job: JobNumber, /) -> int:
    """Stop a job for good and drop its finished pieces.

    Args:
        job: Its number.
    """
    with opened_client() as client:
        try:
            client.cancel(job)
        except ApiError as error:
            if error.code != "state_forbids":
                raise
            output.note(f"Job {job} had ended before: {verdict(client.job(job))}.")
            return exits.DONE
        try:
            client.wait(job, STOPPING_SECONDS)
        except NotEnded:
            output.note(f"Job {job} is stopping; its workers are told at their next heartbeat.")
            return exits.DONE
    output.note(f"Job {job} is cancelled.")
    return exits.DONE


def pause(job: JobNumber, /) -> int:
    """Hold a job; what runs is stopped and handed back.

    Args:
        job: Its number.
    """
    with opened_client() as client:
        client.pause(job)
    output.note(f"Job {job} is paused.")
    return exits.DONE


def resume(job: JobNumber, /) -> int:
    """Let a paused job go on.

    Args:
        job: Its number.
    """
    with opened_client() as client:
        client.resume(job)
    output.note(f"Job {job} goes on.")
    return exits.DONE


def retry(job: JobNumber, /) -> int:
    """Run again what failed of a job; finished tasks are kept.

    Args:
        job: Its number.
    """
    with opened_client() as client:
        client.retry(job)
    output.note(f"Job {job} is tried again.")
    return exits.DONE


def rerun(job: JobNumber, /, *, as_json: AsJson = False) -> int:
    """Run a job anew, with the same parameters; the old one is broken.

    Args:
        job: Its number.
        as_json: Print a JSON object.
    """
    with opened_client() as client:
        new = client.rerun(job)
    if as_json:
        output.document({"job_id": new.id})
    else:
        output.data(str(new.id))
    output.note(f"Job {job} runs anew as job {new.id}.")
    return exits.DONE


def priority(job: JobNumber, number: Priority, /) -> int:
    """Make a job more or less urgent, with its tasks that have not ended.

    Args:
        job: Its number.
        number: 1 is the most urgent, 10 the least.
    """
    with opened_client() as client:
        client.change(job, priority=number)
        place = client.job(job).position
    queued = f", number {place} in the queue" if place else ""
    output.note(f"Job {job} has priority {number}{queued}.")
    return exits.DONE
