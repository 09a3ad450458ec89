"""What the routes of jobs have in common: the number in their path, and how they may fail."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path

from adaptation.api.schemas import MOST_ID, Error

One = Annotated[int, Path(ge=1, le=MOST_ID, description="Number of the job.")]
BAD: dict[int | str, dict[str, Any]] = {
    400: {"model": Error, "description": "What was asked for is wrong."},
    401: {"model": Error, "description": "No key, or a wrong one."},
    403: {"model": Error, "description": "Not for this client."},
    404: {"model": Error, "description": "There is no such thing."},
    409: {"model": Error, "description": "The state of things forbids it."},
    429: {"model": Error, "description": "Too much at once; see Retry-After."},
    500: {"model": Error, "description": "A fault of ours; its log tells more."},
    503: {"model": Error, "description": "The database is away; see Retry-After."},
}
"""The errors of every route, for its description."""
