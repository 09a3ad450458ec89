"""The way of a command to the truth, and the forms in which a job is printed."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

from adaptation.adapters.masking import masked, redacted_fields
from adaptation.engine.model import Job, LogLine, Task
from adaptation.engine.store import Store
from adaptation.errors import ParameterError
from adaptation.opening import Opening
from adaptation.settings import load_settings


@contextmanager
def opened_store() -> Iterator[Store]:
    """The truth, for the length of a block.

    Raises:
        SettingsError: `database_unavailable`.
    """
    store = Opening(load_settings()).store
    try:
        store.create()
        yield store
    finally:
        store.close()


def find_job(store: Store, name: str) -> Job:
    """A job by its number or by its main task's id.

    Raises:
        ParameterError: `job_unknown`.
    """
    if name.isascii() and name.isdigit() and len(name) < 19:
        return store.job(int(name))
    if job := store.job_by_main_task(name):
        return job
    raise ParameterError(
        f"there is no job {name}", code="job_unknown", hint="`adaptation ls` lists the jobs."
    )


def who_types() -> str:
    """Who sits at this command line, as changes of settings are noted."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user without a name
        return "the command line"
    return f"{user} at the command line"


def verdict(job: Job) -> str:
    """A job's state in one word, with how it ended."""
    if not job.ended:
        return "stopping" if job.cancelling else str(job.state)
    if job.succeeded:
        return "done"
    return "failed" if job.failed else "cancelled"


def job_document(job: Job) -> dict[str, Any]:
    """A job as JSON."""
    facts = plain(asdict(job))
    facts["parameters"] = redacted_fields(job.parameters)
    if job.semaphore_url:
        facts["semaphore_url"] = masked(job.semaphore_url)
    return {
        "job_id": facts.pop("id"),
        "status": verdict(job),
        "output_folder": facts.pop("output"),
        **{key: value for key, value in facts.items() if key not in {"result", "fingerprint"}},
        "retryable": job.retryable,
    }


def task_document(task: Task, track: str | None, attempts: list[str]) -> dict[str, Any]:
    """A task as JSON.

    Args:
        task: as stored.
        track: the rendition or sound track it belongs to.
        attempts: how each attempt ended, oldest first; empty for one that runs.
    """
    facts = redacted_fields(plain(asdict(task)))
    return {"task_id": facts.pop("id"), "track": track, **facts, "attempts": attempts}


def line_document(line: LogLine) -> dict[str, Any]:
    """A line of a job's log as JSON."""
    return plain(asdict(line))


def plain(facts: dict[str, Any]) -> dict[str, Any]:
    """Facts with their moments as text."""
    return {
        key: value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value
        for key, value in facts.items()
    }
