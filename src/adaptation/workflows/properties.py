"""`track_properties`: what manifests say of an asset's tracks, written anew without its media."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from celery import chain
from celery.canvas import Signature
from pydantic import Field

from adaptation.adapters.asset_folder import opened_asset
from adaptation.adapters.containment import inside, safe_key
from adaptation.adapters.publish import publish
from adaptation.context import Context
from adaptation.engine.tasks import Registry, WorkflowDefinition
from adaptation.media import dash, hls
from adaptation.media.asset import Asset
from adaptation.media.asset_record import ASSET_NAME
from adaptation.media.properties import TRACK_PROPERTIES, applied, parse_properties
from adaptation.workflows import steps
from adaptation.workflows.parameters import CommonParameters, checked, confined
from adaptation.workflows.report import PUBLISHED, published, report
from adaptation.workflows.resources import Run, publish_token
from adaptation.workflows.step import step

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
    folder = Path(context["folder"])
    with opened_asset(folder, run.resources.assets_root) as opened, opened.files() as there:
        before = Asset.from_json(opened.record())
        asset, missed = applied(before, parse_properties(context[TRACK_PROPERTIES]))
        for sentence in missed:
            run.log(sentence, 30)
        names = sorted(name for _, name in there)
        if asset.document() != before.document():
            made = _written(asset, run)
            kept = [(path, name) for path, name in there if name not in made]
            run.check_now()
            publish(
                [*kept, *((path, name) for name, path in made.items())],
                folder,
                asset_id=asset.asset_id,
                token=publish_token(run.claim.job_id),
                overwrite=False,
                root=run.resources.assets_root,
                renew=True,
            )
    changed = sum(one != two for one, two in zip(asset.tracks, before.tracks, strict=True))
    changed += sum(one != two for one, two in zip(asset.texts, before.texts, strict=True))
    run.log(f"{folder.name}: {changed} tracks are told of anew")
    seconds = float(max(one.duration_seconds for one in asset.tracks if one.kind == "video"))
    told = published(names, seconds)
    return context.extended(**{PUBLISHED: told, "output_folder": str(folder)})


def check_properties(parameters: Mapping[str, Any], assets_root: Path) -> dict[str, Any]:
    """Check the parameters of a job and fill in the defaults; the folder becomes absolute.

    Raises:
        ParameterError: names the field, and what is wrong with it.
    """
    document = checked(TrackPropertiesParameters, parameters, assets_root)
    parse_properties(document[TRACK_PROPERTIES])
    root = safe_key(document["output_root"], "output_root") if document["output_root"] else ""
    folder = document["folder"]
    document["folder"] = str(
        Path(folder).resolve()
        if Path(folder).is_absolute()
        else inside(assets_root, str(PurePosixPath(root, folder)), "folder")
    )
    return document


def confine_properties(parameters: Mapping[str, Any], within: str) -> dict[str, Any]:
    """The parameters of a client whose assets lie below `within`: it names no others.

    Raises:
        ParameterError: `path_outside`.
    """
    known = confined(parameters, within, None)
    if isinstance(folder := known.get("folder"), str):
        known["folder"] = safe_key(folder, "folder")
    return known


def author(parameters: dict[str, Any]) -> Signature[Any]:
    """The canvas of one job."""
    # What only callbacks need is not carried from task to task.
    carried = {name: value for name, value in parameters.items() if name not in CALLBACK_ONLY}
    return chain(
        write_properties.s(**carried),
        steps.notify.s(quality_name="all", status="completed", complete=True),
    )


def register(registry: Registry) -> None:
    """Make the workflow and its tasks known."""
    registry.add_tasks(write_properties, steps.notify)
    registry.add_workflow(
        WorkflowDefinition(
            name=NAME,
            description=DESCRIPTION,
            parameters=TrackPropertiesParameters,
            check=lambda given: check_properties(given, registry.output_root),
            confine=confine_properties,
            author=author,
            output=lambda given: str(given["folder"]),
            farewell={"quality": "all"},
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


def _written(asset: Asset, run: Run) -> dict[str, Path]:
    """What is written anew, by its name in the asset."""
    made = run.scratch / "made"
    made.mkdir()
    contents = {
        hls.MASTER_NAME: asset.master_playlist(),
        dash.MANIFEST_NAME: asset.manifest(),
        ASSET_NAME: asset.text(),
    }
    for name, content in contents.items():
        (made / name).write_text(content, encoding="utf-8")
    return {name: made / name for name in contents}
