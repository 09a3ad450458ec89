"""`track_properties`: what manifests say of an asset's tracks, written anew without its media."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from celery import chain
from celery.canvas import Signature
from pydantic import Field

from adaptation.adapters.object_publish import LEADING
from adaptation.context import Context
from adaptation.engine.tasks import Registry, WorkflowDefinition
from adaptation.media.asset import Asset
from adaptation.media.index import picture_seconds
from adaptation.media.properties import TRACK_PROPERTIES, applied, parse_properties
from adaptation.workflows.allowance import limit_of
from adaptation.workflows.parameters import CommonParameters, checked, confined
from adaptation.workflows.places import asset_folder, confined_asset
from adaptation.workflows.renewing import Renewal, opened_place, renew
from adaptation.workflows.report import PUBLISHED, published, report
from adaptation.workflows.resources import Run
from adaptation.workflows.step import step
from adaptation.workflows.storage_places import Known, destination, none_known

NAME = "track_properties"
DESCRIPTION = (
    "Names, languages and roles of an asset's sounds and subtitles, as filters choose them: its"
    " manifests and its record are written anew, its media stays."
)
CALLBACK_ONLY = frozenset({"custom_data", "rest_endpoints"})


class TrackPropertiesParameters(CommonParameters):
    """What a client may say to `track_properties`."""

    folder: str = Field(min_length=1, max_length=4000, description="The folder of the asset.")
    track_properties: dict[str, Any] = Field(
        description="audio and textstream: lists of language, role or kind, and properties:"
        " track_name, track_description, track_role, track_language."
    )


@step("publish")
def write_properties(context: Context, run: Run) -> Context:
    """Lay properties over those of an asset's tracks, and switch its manifests in one moment."""
    context = context.extended(job_id=run.claim.job_id, main_task_id=run.claim.main_task_id)
    folder = context["folder"]
    with opened_place(folder, run) as opened:
        before = Asset.from_json(opened.record())
        asset, missed = applied(before, parse_properties(context[TRACK_PROPERTIES]))
        for sentence in missed:
            run.log(sentence, 30)
        present = opened.names() - LEADING
        names = sorted(LEADING | {before.place(n) if "/" in n else n for n in present})
        if asset.document() != before.document():
            kept = {name: name for name in sorted(present)}
            names = renew(opened, Renewal(asset, kept, {}), folder, run)
    changed = sum(one != two for one, two in zip(asset.tracks, before.tracks, strict=True))
    changed += sum(one != two for one, two in zip(asset.texts, before.texts, strict=True))
    run.log(f"{opened.name}: {changed} tracks are told of anew")
    seconds = float(picture_seconds(asset.tracks))
    told = published(names, seconds)
    return context.extended(**{PUBLISHED: told, "output_folder": folder})


def check_properties(
    parameters: Mapping[str, Any], assets_root: Path, known: Known = none_known
) -> dict[str, Any]:
    """Check the parameters of a job and fill in the defaults; the folder becomes absolute.

    Args:
        parameters: as the client gave them.
        assets_root: the folder relative folders lie in.
        known: which storages there are besides local.

    Raises:
        ParameterError: names the field, and what is wrong with it.
    """
    document = checked(TrackPropertiesParameters, parameters, assets_root, known)
    parse_properties(document[TRACK_PROPERTIES])
    place = asset_folder(document, "folder", destination(document), assets_root, known)
    return {**document, "folder": place}


def confine_properties(parameters: Mapping[str, Any], within: str) -> dict[str, Any]:
    """The parameters of a client whose assets lie below `within`: it names no others.

    Raises:
        ParameterError: `path_outside`.
    """
    return confined_asset(confined(parameters, within, None), within, "folder")


def author(parameters: dict[str, Any]) -> Signature[Any]:
    """The canvas of one job."""
    # What only callbacks need is not carried from task to task.
    carried = {name: value for name, value in parameters.items() if name not in CALLBACK_ONLY}
    return chain(
        write_properties.s(**carried),
    )


def register(registry: Registry) -> None:
    """Make the workflow and its tasks known."""
    registry.add_tasks(write_properties)
    registry.add_workflow(
        WorkflowDefinition(
            name=NAME,
            description=DESCRIPTION,
            parameters=TrackPropertiesParameters,
            check=lambda given: check_properties(given, registry.output_root, registry.has_storage),
            limit=limit_of(registry),
            confine=confine_properties,
            author=author,
            output=lambda given: str(given["folder"]),
            subject=lambda given: str(given["content_id"] or Path(given["folder"]).name),
            report=report,
            example={
                "folder": "film-42",
                "track_properties": {
                    "audio": [{"language": "en", "properties": {"track_name": "English"}}]
                },
                "content_id": "film-42",
            },
        )
    )
