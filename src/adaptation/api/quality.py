"""How good each segment of a job's asset is, and having it measured."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field

from adaptation.api.auth import Caller, Engine, Writer
from adaptation.api.problems import Problem
from adaptation.api.routes import BAD, One
from adaptation.api.rows import job_seen_by
from adaptation.api.schemas import Accepted, Answer
from adaptation.engine.model import Job
from adaptation.wiring import Deployment
from adaptation.workflows import measure_quality
from adaptation.workflows.measured import Shelf, Standing, standing_of

router = APIRouter(tags=["jobs"])


class SegmentRow(Answer):
    """One segment of a rendition."""

    name: str = Field(description="Its file.")
    start: float = Field(description="Seconds from the first frame of the asset.")
    duration: float = Field(description="Seconds.")
    bitrate: int = Field(description="Bits per second.")
    vmaf: float = Field(description="Arithmetic mean of its pictures, 0 to 100.")
    vmaf_harmonic: float = Field(description="Harmonic mean of its pictures.")
    vmaf_min: float = Field(description="Its worst picture.")
    begins_chunk: bool = Field(description="Whether a chunk that was encoded apart begins here.")


class BadSegment(SegmentRow):
    """A segment that stands out."""

    rendition: str = Field(description="Name of its rendition.")
    below: float = Field(description="Points of VMAF below the mean of its rendition.")


class RenditionRow(Answer):
    """A rendition with its segments."""

    name: str = Field(description="As in asset.json.")
    width: int = Field(description="Pixels.")
    height: int = Field(description="Pixels.")
    codec: str = Field(description="RFC 6381 name.")
    bitrate: int = Field(description="Average, bits per second.")
    vmaf: float = Field(description="Arithmetic mean of all its pictures.")
    vmaf_harmonic: float = Field(description="Harmonic mean of all its pictures.")
    vmaf_min: float = Field(description="Its worst picture.")
    segments: list[SegmentRow] = Field(description="In the order they are played.")


class QualityRow(Answer):
    """How it stands with the quality of a job's asset."""

    state: str = Field(description="none, waiting, measuring, failed or measured.")
    measured_by: int | None = Field(description="Number of the job that measures; null: none.")
    progress: float = Field(description="0 to 1, while it is measured.")
    error: str | None = Field(description="Why it failed.")
    code: str | None = Field(description="Stable code of that.")
    hint: str | None = Field(description="What can be done.")
    measured_at: str | None = Field(description="When, UTC; null: not yet.")
    model: str | None = Field(description="libvmaf's name of its model.")
    width: int | None = Field(description="Pixels of the pictures that were compared.")
    height: int | None = Field(description="The same.")
    renditions: list[RenditionRow] = Field(description="Largest first; empty: not measured.")
    worst: list[BadSegment] = Field(
        description="At most 20 segments, those first that lie furthest below their rendition."
    )


def standing(engine: Deployment, job: Job) -> Standing:
    """How it stands with a job."""
    shelf = Shelf(engine.settings.assets_root, engine.storage)
    return standing_of(engine.store, shelf, job)


@router.get("/jobs/{job_id}/quality", responses=BAD, summary="The quality of a job's asset")
def quality(asking: Caller, engine: Engine, job_id: One) -> QualityRow:
    """VMAF and bit rate of each segment of each rendition, if they were measured."""
    job = job_seen_by(engine.store, asking, job_id)
    return QualityRow.model_validate(standing(engine, job).to_json())


@router.post("/jobs/{job_id}/quality", responses=BAD, summary="Measure a job's asset")
def measure(asking: Writer, engine: Engine, job_id: One) -> Accepted:
    """Submit a job that measures the asset of another, unless one is about to."""
    job = job_seen_by(engine.store, asking, job_id)
    if not job.succeeded:
        raise Problem(
            409,
            f"job {job_id} has not made an asset that could be measured",
            hint="Wait until it is completed.",
        )
    number = measure_quality.order(engine.engine, job_id, anew=True)
    return Accepted(id=number, job_id=number)
