"""Why there is no job of a number: it was deleted, it never was, or it is somebody else's."""

from __future__ import annotations

from datetime import timedelta

from adaptation.api.listing import whose
from adaptation.dashboard.painting import clock
from adaptation.engine.clients import Client, Role
from adaptation.engine.lists import JobQuery
from adaptation.engine.retention import DAYS
from adaptation.engine.store import Store


def why_gone(store: Store, asking: Client, job_id: int) -> str:
    """What can be said of a job that is not there for somebody.

    It says no more than its own jobs tell whoever asks: another's job and a deleted one are the
    same to it.
    """
    newest = store.list_jobs(JobQuery(limit=1))
    if not newest or newest[0].id < job_id:
        return "No job has had this number yet."
    days = float(store.setting(DAYS))
    if not days:
        return "Jobs are kept for ever here: it is another client's, or somebody deleted it."
    rule = f"Jobs are deleted {days:g} days after their end, unless they are kept."
    before = store.list_jobs(JobQuery(limit=1, before=job_id, client=whose(asking, None)))
    about = ""
    if before:
        least = before[0].created_at
        about = (
            f" It was submitted after {clock(least)} UTC, and so deleted after"
            f" {clock(least + timedelta(days=days))} UTC."
        )
    if asking.role is Role.ADMIN:
        return f"It was deleted. {rule}{about}"
    return f"It was deleted, or is another client's. {rule}"
