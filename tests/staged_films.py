"""A workflow of an encoded film with all that may go with it, and jobs of it by HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from celery import chain
from pydantic import Field

from adaptation.engine.tasks import WorkflowDefinition
from adaptation.wiring import Deployment
from adaptation.workflows import extras, staging, steps
from adaptation.workflows.drm_parameters import DrmParameters, check_drm
from adaptation.workflows.encoding import CALLBACK_ONLY
from adaptation.workflows.parameters import EncodingParameters, check_encoding, checked, confined
from adaptation.workflows.profiles import ENCODING, Profiles
from adaptation.workflows.report import report

NAME = "film_with_extras"


class FilmParameters(extras.ExtrasParameters, DrmParameters, EncodingParameters):
    """Of the workflow."""

    content_id: str = Field(description="The client's own key of the content.")


def add_workflow(deployment: Deployment) -> None:
    """Make the workflow known to a deployment."""
    registry = deployment.registry
    registry.add_tasks(*extras.TASKS)

    def check(given: Mapping[str, Any]) -> dict[str, Any]:
        known = checked(FilmParameters, given, registry.output_root, deployment._has_storage)
        own = {name: known[name] for name in EncodingParameters.model_fields}
        encoding = check_encoding(own, registry.output_root, Profiles.among(None))[ENCODING]
        return extras.check_extras(check_drm({**known, ENCODING: encoding}))

    def author(known: dict[str, Any]) -> Any:
        carried = {name: value for name, value in known.items() if name not in CALLBACK_ONLY}
        return chain(
            steps.download_file.s(**carried),
            steps.get_video_size.s(),
            steps.add_playlist_header.s(),
            steps.chunk_dash.s(),
            staging.stage.s(),
            *extras.extras(known),
            steps.notify.s(quality_name="all", status="completed", complete=True),
        )

    registry.add_workflow(
        WorkflowDefinition(
            name=NAME,
            check=check,
            author=author,
            output=lambda known: str(known["output_folder"]),
            report=report,
            parameters=FilmParameters,
            confine=lambda given, within: confined(given, within, registry.source_root),
        )
    )


def files(folder: Path) -> set[str]:
    """The names of all files below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
