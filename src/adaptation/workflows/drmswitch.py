"""`drmswitch`: turns the DRM of an asset on or off, and makes the encrypted copy it needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from celery import chain
from celery.canvas import Signature
from pydantic import Field

from adaptation.engine.tasks import Registry, WorkflowDefinition
from adaptation.workflows.allowance import limit_of
from adaptation.workflows.drm_parameters import (
    DrmName,
    DrmParameters,
    check_drm,
    confine_drm,
    drm_sources,
)
from adaptation.workflows.parameters import checked, confined
from adaptation.workflows.places import asset_folder, confined_asset
from adaptation.workflows.report import report
from adaptation.workflows.storage_places import Known, destination, none_known
from adaptation.workflows.switching import switch_drm

NAME = "drmswitch"
DESCRIPTION = (
    "Turn the DRM of an asset on or off: its manifests lead to an encrypted copy, which is made"
    " when it is missing, or to the clear tracks, which are kept."
)


class DrmswitchParameters(DrmParameters):
    """What a client may say to `drmswitch`."""

    folder: str = Field(min_length=1, max_length=4000, description="The folder of the asset.")
    drm: list[DrmName] = Field(
        [],
        max_length=7,
        description="DRM systems whose players shall play it; none, or clear alone: it is not"
        " encrypted. aes: whole segments in AES-128, for HLS.",
    )


def check_switch(
    parameters: Mapping[str, Any], assets_root: Path, known: Known = none_known
) -> dict[str, Any]:
    """Check the parameters of a job and fill in the defaults; paths become absolute.

    Args:
        parameters: as the client gave them.
        assets_root: the folder relative folders lie in.
        known: which storages there are besides local.

    Raises:
        ParameterError: names the field, and what is wrong with it.
    """
    document = checked(DrmswitchParameters, parameters, assets_root, known)
    place = asset_folder(document, "folder", destination(document), assets_root, known)
    return check_drm({**document, "folder": place})


def confine_switch(
    parameters: Mapping[str, Any], within: str, source_root: Path | None
) -> dict[str, Any]:
    """The parameters of a client that may not reach every asset and every file.

    Raises:
        ParameterError: `path_outside`.
    """
    known = confined_asset(confine_drm(parameters, within, source_root), within, "folder")
    root = {k: v for k, v in known.items() if k == "output_root"}
    return {**known, **confined(root, within, source_root)}


def author(parameters: dict[str, Any]) -> Signature[Any]:
    """The canvas of one job."""
    carried = {k: v for k, v in parameters.items() if k not in {"custom_data", "rest_endpoints"}}
    return chain(switch_drm.s(**carried))


def register(registry: Registry) -> None:
    """Make the workflow and its tasks known."""
    registry.add_tasks(switch_drm)
    registry.add_workflow(
        WorkflowDefinition(
            name=NAME,
            check=lambda given: check_switch(given, registry.output_root, registry.has_storage),
            limit=limit_of(registry),
            author=author,
            output=lambda given: str(given["folder"]),
            sources=drm_sources,
            subject=lambda given: str(given["content_id"] or Path(given["folder"]).name),
            report=report,
            description=DESCRIPTION,
            parameters=DrmswitchParameters,
            example={
                "folder": "film-42",
                "drm": ["widevine", "playready"],
                "content_id": "film-42",
            },
            confine=lambda given, within: confine_switch(given, within, registry.source_root),
        )
    )
