"""The task that deletes the sources of an asset once it is published."""

from __future__ import annotations

import logging

from adaptation.adapters.source_folder import FoundFile
from adaptation.context import Context
from adaptation.errors import AdaptationError, Cancelled
from adaptation.workflows.report import SAID
from adaptation.workflows.resources import Run
from adaptation.workflows.sources import FILES, USED
from adaptation.workflows.step import step
from adaptation.workflows.storing import source_folder

DELETED, LEFT = "deleted_sources", "kept_sources"
"""What the callback's `metadata` calls the names of both kinds of files."""


@step("publish")
def delete_source(context: Context, run: Run) -> Context:
    """Delete the files that became tracks, as long as they are what was read; tell of all others.

    The asset stays, whatever becomes of its sources.
    """
    known = {name: FoundFile(name, size, changed) for name, size, changed in context[FILES]}
    used = [known[name] for name in context[USED]]
    run.check_now()
    try:
        left = source_folder(context["source_folder"], run).remove(used)
    except Cancelled:
        raise
    except AdaptationError as error:
        left = {file.name: error.message for file in used}
    deleted = [file.name for file in used if file.name not in left]
    for name, why in left.items():
        run.log(f"source {name} is not deleted: {why}", logging.WARNING)
    run.log(f"deleted {len(deleted)} source files: {', '.join(deleted) or 'none'}")
    kept = sorted({*known} - {*deleted})
    return context.extended(**{SAID: {DELETED: deleted, LEFT: kept}})


TASKS = (delete_source,)
