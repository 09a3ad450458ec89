"""`measure_quality`: how good each segment of an asset is, held against its source by VMAF."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from celery import chain
from celery.canvas import Signature
from pydantic import Field
from sqlalchemy.exc import SQLAlchemyError

from adaptation.engine.acceptance import Acceptance
from adaptation.engine.model import Job
from adaptation.engine.store import Store
from adaptation.engine.tasks import Registry, WorkflowDefinition
from adaptation.engine.terms import LEAST_URGENT, Terms
from adaptation.errors import ParameterError, Transient
from adaptation.media.chunk import Chunk
from adaptation.media.quality import QUALITY_NAME
from adaptation.workflows import measuring
from adaptation.workflows.allowance import limit_of
from adaptation.workflows.measuring import CHUNKS
from adaptation.workflows.parameters import CommonParameters, checked, confined, is_web
from adaptation.workflows.places import asset_folder, confined_asset
from adaptation.workflows.steps import download_file
from adaptation.workflows.stills import report
from adaptation.workflows.storage_places import Known, destination, none_known

NAME = "measure_quality"
ENCODED = "encoding_workflow"
"""The workflow whose jobs tell all that is needed."""
DESCRIPTION = (
    "Measures VMAF of each segment of each rendition of an asset against the source it was encoded"
    f" from, and puts {QUALITY_NAME} beside the asset's record. The asset stays as it is."
)
CALLBACK_ONLY = frozenset({"custom_data", "rest_endpoints"})
MEASURES = uuid.UUID("0f7a9c44-7c0e-4f3f-9d0e-6c6d1b0b5a35")
"""Names the main tasks of jobs that measure what another job has made."""
MOST_TRIES = 100
"""How often one job is measured."""


class MeasureParameters(CommonParameters):
    """What a client may say to `measure_quality`."""

    url: str = Field(
        min_length=1, max_length=4000, description="The source that the asset was encoded from."
    )
    source_folder: str = Field(
        min_length=1, max_length=4000, description="The folder of an asset that was made here."
    )
    chunk_frames: list[int] = Field(
        [],
        max_length=10_000,
        description="Numbers of the pictures that began a chunk of the source, to be marked.",
    )


def check(
    parameters: Mapping[str, Any], assets_root: Path, known: Known = none_known
) -> dict[str, Any]:
    """Check the parameters of a job; the folder becomes absolute, or a place of a storage.

    Args:
        parameters: as the client gave them.
        assets_root: the folder relative folders lie in.
        known: which storages there are besides local.

    Raises:
        ParameterError: names the field, what is wrong with it, and the nearest known name.
    """
    document = checked(MeasureParameters, parameters, assets_root, known)
    place = asset_folder(document, "source_folder", destination(document), assets_root, known)
    return {**document, "source_folder": place}


def confine(parameters: Mapping[str, Any], within: str, source_root: Path | None) -> dict[str, Any]:
    """The parameters of a client whose assets lie below `within`: it names no others.

    Raises:
        ParameterError: `path_outside`.
    """
    return confined_asset(confined(parameters, within, source_root), within, "source_folder")


def author(parameters: dict[str, Any]) -> Signature[Any]:
    """The canvas of one job; `plan_quality` adds the pieces that are measured side by side."""
    carried = {name: value for name, value in parameters.items() if name not in CALLBACK_ONLY}
    # What is made goes beside what was measured, and nothing else there is touched.
    carried["output_folder"] = parameters["source_folder"]
    return chain(download_file.s(**carried), measuring.plan_quality.s())


def register(registry: Registry) -> None:
    """Make the workflow and its tasks known."""
    registry.add_tasks(download_file, *measuring.TASKS)
    registry.add_workflow(
        WorkflowDefinition(
            name=NAME,
            description=DESCRIPTION,
            parameters=MeasureParameters,
            check=lambda given: check(given, registry.output_root, registry.has_storage),
            limit=limit_of(registry),
            confine=lambda given, within: confine(given, within, registry.source_root),
            author=author,
            sources=lambda given: [url] if is_web(url := given["url"]) else [],
            report=report,
            example={"url": "https://example.org/film.mp4", "source_folder": "film-42"},
        )
    )


def order(engine: Acceptance, job_id: int, *, anew: bool = False) -> int:
    """Have the asset of a job measured by a job of its own, which comes after all others.

    Args:
        engine: where jobs are submitted.
        job_id: of `encoding_workflow`; its asset must be there by the time the new job runs.
        anew: measure once more what was measured already.

    Returns:
        The number of the job that measures; of the one there is, unless `anew` asks for another.

    Raises:
        ParameterError: `quality_no_asset`, the job makes nothing that can be measured.
        Transient: `database_unavailable`.
        AdaptationError: as `Acceptance.submit`.
    """
    try:
        job = engine.store.job(job_id)
        known = tries(engine.store, job)
        if known and not (known[-1].ended and (anew or not known[-1].succeeded)):
            return known[-1].id
        return engine.submit(
            NAME,
            _wanted(engine.store, job),
            main_task_id=_name(job, len(known)),
            terms=Terms(job.client, priority=LEAST_URGENT),
        ).id
    except SQLAlchemyError as error:
        raise Transient(
            "the database is away", code="database_unavailable", hint="Try again later."
        ) from error


def tries(store: Store, job: Job) -> list[Job]:
    """The jobs that measure or have measured what a job has made, oldest first."""
    found: list[Job] = []
    while len(found) < MOST_TRIES:
        one = store.job_by_main_task(_name(job, len(found)))
        if one is None:
            break
        found.append(one)
    return found


def _name(job: Job, number: int) -> str:
    return str(uuid.uuid5(MEASURES, f"{job.main_task_id}/{number}"))


def _wanted(store: Store, job: Job) -> dict[str, Any]:
    given = job.parameters
    if job.workflow != ENCODED:
        raise ParameterError(
            f"job {job.id} is one of {job.workflow}, of whose source nothing is known",
            code="quality_no_asset",
            hint=f"Submit a job of {NAME} with url and source_folder.",
        )
    chunks = [
        Chunk.from_json(task.params["chunk"]).first_frame
        for task in store.tasks(job.id)
        if "chunk" in task.params
    ]
    return {
        "url": given["url"],
        "source_folder": given["output_folder"],
        "content_id": given.get("content_id"),
        "retries": given.get("retries", 0),
        CHUNKS: sorted(set(chunks)),
    }
