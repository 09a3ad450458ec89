"""The quality of a job's asset: a plot, the worst segments, and pictures beside the source's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from adaptation.api import quality as told
from adaptation.api.auth import Engine
from adaptation.api.routes import One
from adaptation.api.rows import job_seen_by
from adaptation.dashboard.answers import HEADERS, go_to, page
from adaptation.dashboard.forms import Sent
from adaptation.dashboard.session import Looking
from adaptation.dashboard.side_by_side import SOURCE, still
from adaptation.engine.model import Job
from adaptation.media.quality import Bad, Quality, RenditionQuality, SegmentQuality, worst_first
from adaptation.wiring import Deployment
from adaptation.workflows import measure_quality
from adaptation.workflows.measured import Standing

router = APIRouter()

WIDTH, HEIGHT, LEFT, BELOW = 900, 240, 36, 24
"""Of the plot, and what its axes take; units of its view box."""
MOST_WORST = 12
MOST_ROWS = 500
"""Of the table; the file has all."""
MOST_MARKS = 400
"""More key frames than that are no marks but a bar."""
DASHES = ("", "8 3", "2 3", "10 3 2 3", "5 5", "1 5")
"""So that no line is told from another by its colour alone."""
KEPT = "private, max-age=600"
Seconds = Annotated[float, Query(ge=0, le=1_000_000, description="From the first frame.")]


@dataclass(frozen=True)
class Curve:
    """A rendition in the plot."""

    name: str
    dash: str
    points: str
    """Of an SVG polyline: VMAF over time, in steps."""


@dataclass(frozen=True)
class Shown:
    """The quality of an asset as its page shows it."""

    standing: Standing
    curves: Sequence[Curve]
    joins: Sequence[float]
    """Where chunks begin, but for the first; x of the plot."""
    keys: Sequence[float]
    """Where segments begin, with a key frame each; the same."""
    worst: Sequence[Bad]
    rows: Sequence[tuple[float, Sequence[SegmentQuality | None]]]
    """Of the table: the start, and the segment of each rendition."""
    left_out: int
    """Rows that are not there."""
    can_measure: bool

    @property
    def quality(self) -> Quality | None:
        """What was measured."""
        return self.standing.quality


def shown_quality(engine: Deployment, job: Job) -> Shown | None:
    """What the page of a job tells of quality; None: there is nothing that could be measured."""
    if job.workflow not in {measure_quality.ENCODED, measure_quality.NAME}:
        return None
    standing = told.standing(engine, job)
    may = job.succeeded and job.workflow == measure_quality.ENCODED
    renditions = standing.quality.renditions if standing.quality else ()
    if not renditions:
        return Shown(standing, (), (), (), (), (), 0, may)
    first = renditions[0]
    end = max(one.segments[-1].start + one.segments[-1].duration for one in renditions)
    rows, worst = _rows(renditions), worst_first(renditions)[:MOST_WORST]
    return Shown(
        standing,
        [_curve(one, number, end) for number, one in enumerate(renditions)],
        [_x(one.start, end) for one in first.segments[1:] if one.begins_chunk],
        [_x(one.start, end) for one in first.segments] if len(first.segments) < MOST_MARKS else [],
        # There is always one, though all may be alike.
        [bad for bad in worst if bad.below > 0] or worst[:1],
        rows[:MOST_ROWS],
        max(0, len(rows) - MOST_ROWS),
        may,
    )


@router.get("/jobs/{job_id}/quality")
def figures(looking: Looking, engine: Engine, job_id: One) -> Response:
    """All that was measured, for the plot that can be clicked, and for people as a file."""
    found = told.quality(looking.client, engine, job_id)
    return JSONResponse(found.model_dump(), headers=HEADERS)


@router.post("/jobs/{job_id}/quality")
def measure(sent: Sent, engine: Engine, job_id: One) -> Response:
    """Have the asset measured."""
    told.measure(sent.visitor.client, engine, job_id)
    return go_to(f"/ui/jobs/{job_id}#quality")


@router.get("/jobs/{job_id}/compare")
def compare(  # noqa: PLR0913, PLR0917 - one each of what a page is about
    request: Request,
    looking: Looking,
    engine: Engine,
    job_id: One,
    t: Seconds = 0.0,
    rendition: str = "",
) -> Response:
    """A picture of a rendition beside that of the source."""
    job = job_seen_by(engine.store, looking.client, job_id)
    quality = told.standing(engine, job).quality
    names = [one.name for one in quality.renditions] if quality else []
    chosen = rendition if rendition in names else (names or [""])[0]
    facts: dict[str, Any] = {"job": job, "names": names, "chosen": chosen, "t": t, "source": SOURCE}
    return page(request, "compare.html", looking, **facts)


@router.get("/jobs/{job_id}/still")
def picture(  # noqa: PLR0913, PLR0917 - the same
    looking: Looking, engine: Engine, job_id: One, t: Seconds, rendition: str, of: str = ""
) -> Response:
    """The picture of a rendition at a time, or the very one of the source that it was made of."""
    job = job_seen_by(engine.store, looking.client, job_id)
    content = still(engine, job, looking.client.name, rendition, t, of=of)
    headers = {**HEADERS, "Cache-Control": KEPT}
    return Response(content, media_type="image/jpeg", headers=headers)


def _curve(rendition: RenditionQuality, number: int, end: float) -> Curve:
    points = []
    for one in rendition.segments:
        y = (HEIGHT - BELOW) * (1 - one.vmaf / 100)
        begin, over = _x(one.start, end), _x(one.start + one.duration, end)
        points += [f"{begin:.1f},{y:.1f}", f"{over:.1f},{y:.1f}"]
    return Curve(rendition.name, DASHES[number % len(DASHES)], " ".join(points))


def _x(seconds: float, end: float) -> float:
    return round(LEFT + (WIDTH - LEFT) * seconds / max(end, 0.001), 1)


def _rows(
    renditions: Sequence[RenditionQuality],
) -> list[tuple[float, tuple[SegmentQuality | None, ...]]]:
    return [
        (next(one.start for one in segments if one), segments)
        for segments in zip_longest(*(one.segments for one in renditions))
    ]
