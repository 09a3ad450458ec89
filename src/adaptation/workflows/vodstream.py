"""`vodstream`: the files of a folder as one asset, as they are or encoded to a ladder."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from celery import chain
from celery.canvas import Signature

from adaptation.adapters.tools import versions
from adaptation.context import Context
from adaptation.engine.tasks import Registry, WorkflowDefinition
from adaptation.media.asset_record import ASSET_NAME, Origin, asset_text
from adaptation.workflows import assembling, extras, sources, staging, steps, taking
from adaptation.workflows.allowance import limit_of
from adaptation.workflows.drm_parameters import SECRET, drm_sources, wanted_systems
from adaptation.workflows.encoding import CALLBACK_ONLY
from adaptation.workflows.finished import LINKED, RECORD_KEY, tracks_of
from adaptation.workflows.material import material_of
from adaptation.workflows.parameters import CommonParameters
from adaptation.workflows.profiles import ENCODING, Profiles
from adaptation.workflows.report import report
from adaptation.workflows.resources import Run, put_text
from adaptation.workflows.sources import FILES
from adaptation.workflows.step import step
from adaptation.workflows.texts import texts_of
from adaptation.workflows.vodstream_forecast import forecast
from adaptation.workflows.vodstream_parameters import (
    VodstreamParameters,
    check_vodstream,
    confine_vodstream,
)

NAME = "vodstream"
DESCRIPTION = (
    "One asset, as HLS and DASH over the same segments, of the files of a folder: pictures, sound"
    " and subtitles as they are, or a ladder that is encoded of the best picture."
)
FIXED: Mapping[str, Any] = {
    "segment_seconds": 4.0,
    "renditions": None,
    "verify": "samples",
    "passthrough": "auto",
    "max_frame_rate": None,
    "surround": False,
    LINKED: True,
}
"""What the tasks of a ladder want to know, and clients of this workflow do not choose."""
TOLD = tuple(
    name
    for name in VodstreamParameters.model_fields
    if name not in {*CommonParameters.model_fields, *SECRET} - {"content_id"}
)
"""What an asset's record tells of its parameters."""


@step("package")
def write_record(context: Context, run: Run) -> Context:
    """Write the record of the asset: its tracks, and the files that they came from."""
    told = {name: context[name] for name in TOLD if name in context}
    origin = Origin(
        asset_id=context["main_task_id"],
        parameters={
            **told,
            "source_folder": Path(context["source_folder"]).name,
            "source_files": [name for name, *_ in context[FILES]],
            ENCODING: context[ENCODING],
        },
        tools=versions(run.resources.tools),
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )
    source = material_of(context, run).source
    record = asset_text(origin, source, tracks_of(context, run), texts_of(context, run))
    return context.extended(**{RECORD_KEY: put_text(run, ASSET_NAME, record)})


def author(parameters: dict[str, Any]) -> Signature[Any]:
    """The canvas of one job; `plan_sources` adds the tracks."""
    # What only callbacks need is not carried from task to task.
    left = CALLBACK_ONLY if wanted_systems(parameters["drm"]) else CALLBACK_ONLY | SECRET
    carried = {name: value for name, value in parameters.items() if name not in left}
    return chain(
        sources.find_sources.s(**FIXED, **carried),
        assembling.plan_sources.s(),
        steps.chunk_dash.s(),
        write_record.s(),
        staging.stage.s(),
        *extras.extras(parameters),
        steps.notify.s(quality_name="all", status="completed", complete=True),
    )


def register(registry: Registry, profiles: Path | None = None) -> None:
    """Make the workflow and its tasks known.

    Args:
        registry: of this process.
        profiles: a folder of encoding profiles beside the package's own.
    """

    def check(given: Mapping[str, Any]) -> dict[str, Any]:
        # Read anew for each job, so that a changed profile counts from the next one on.
        known = Profiles.among(profiles)
        return check_vodstream(given, registry, known)

    registry.add_tasks(
        *sources.TASKS, *assembling.TASKS, *taking.TASKS, *extras.TASKS, write_record
    )
    registry.add_workflow(
        WorkflowDefinition(
            NAME,
            description=DESCRIPTION,
            parameters=VodstreamParameters,
            check=check,
            confine=lambda given, within: confine_vodstream(given, within, registry),
            author=author,
            output=lambda known: str(known["output_folder"]),
            sources=drm_sources,
            farewell={"quality": "all"},
            report=report,
            forecast=lambda known, outlook: forecast(NAME, {**FIXED, **known}, outlook),
            limit=limit_of(registry),
            example={"content_id": "film-42", "source_folder": "film-42"},
        )
    )
