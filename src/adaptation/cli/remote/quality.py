"""`adaptation --server URL quality`: how good each segment of an asset is, the worst first."""

from __future__ import annotations

from adaptation.cli.quality import Rows, ordered, show
from adaptation.cli.remote import opened_client
from adaptation.cli.remote.forms import AsJson, JobNumber


def quality(
    job: JobNumber,
    /,
    *,
    limit: Rows = 10,
    rendition: str | None = None,
    measure: bool = False,
    as_json: AsJson = False,
) -> int:
    """Show how good each segment of a job's asset is: VMAF against its source, the worst first.

    A segment is the worse the further it lies below the mean of its own rendition.

    Args:
        job: Its number.
        limit: How many segments, 10 when not given.
        rendition: Only segments of this one.
        measure: Have it measured, by a job of its own.
        as_json: Print a JSON object, with all segments.
    """
    with opened_client() as client:
        if measure:
            ordered(client.measure(job))
        told = client.quality(job)
    return show(told, limit, rendition, as_json=as_json)
