"""`adaptation watch`: a job's notifications from the first to the last, however late one asks."""

from __future__ import annotations

import time
from typing import Annotated

from cyclopts import Parameter

from adaptation.cli import exits, output
from adaptation.cli.store import find_job, opened_store
from adaptation.engine.model import Job
from adaptation.engine.store import Store
from adaptation.errors import ParameterError

POLL_SECONDS = 0.2


def watch(
    job: str,
    /,
    *,
    wait: float = 5,
    as_json: Annotated[bool, Parameter(name="--json")] = False,  # noqa: ARG001 - always is
) -> int:
    """Print a job's notifications as they come, one JSON a line.

    Begins with the first and ends with the job; the exit status tells whether it succeeded.

    Args:
        job: Its number, or the id of its main task, which may be known before the job is.
        wait: Seconds to wait for a job that does not exist yet, 5 when not given.
        as_json: It always does.
    """
    with opened_store() as store:
        found = _appearing(store, job, time.monotonic() + wait)
        last = 0
        while True:
            # Asked before the messages are read: what comes with the end is not missed.
            found = store.job(found.id)
            for message in store.messages(found.main_task_id, after=last):
                output.document(message.body)
                last = message.id
            if found.ended:
                return exits.DONE if found.succeeded else exits.JOB_FAILED
            time.sleep(POLL_SECONDS)


def _appearing(store: Store, name: str, deadline: float) -> Job:
    while True:
        try:
            return find_job(store, name)
        except ParameterError:
            if time.monotonic() > deadline:
                raise
        time.sleep(POLL_SECONDS)
