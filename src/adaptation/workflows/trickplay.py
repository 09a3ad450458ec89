"""`trickplay`: gives a published asset I-frame playlists and thumbnails, so that it is searched."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from celery import chain
from celery.canvas import Signature
from pydantic import BaseModel, Field, field_validator

from adaptation.engine.tasks import Registry, WorkflowDefinition
from adaptation.errors import ParameterError
from adaptation.workflows import searching
from adaptation.workflows.allowance import limit_of
from adaptation.workflows.parameters import PRINTED, CommonParameters, checked, confined
from adaptation.workflows.places import asset_folder, confined_asset
from adaptation.workflows.report import report
from adaptation.workflows.storage_places import Known, none_known

NAME = "trickplay"
DESCRIPTION = (
    "Gives an asset that was made here what viewers search it by: I-frame playlists for HLS, a"
    " trick-mode track for DASH, and thumbnails in JPEG tiles for both. Of what there is, only the"
    " manifests are written anew."
)
LEAST_EDGE, MOST_EDGE = 16, 4096
"""Pixels of a thumbnail's longer side."""
CALLBACK_ONLY = frozenset({"custom_data", "rest_endpoints"})


class ThumbnailOptions(BaseModel):
    """How the thumbnails of an asset are made."""

    trickplay_thumbnail_size: int = Field(
        0,
        ge=0,
        le=MOST_EDGE,
        description="Longer side of a thumbnail in pixels, 16 or more; 0: that of the largest"
        " rendition.",
    )
    trickplay_thumbnail_interval: float = Field(
        10, ge=1, le=3600, description="Seconds from one thumbnail to the next."
    )
    trickplay_thumbnail_quality: int = Field(
        30, ge=1, le=100, description="Quality of the JPEG tiles: 1 is the smallest, 100 the best."
    )

    @field_validator("trickplay_thumbnail_interval", mode="before")
    @classmethod
    def _whole_numbers(cls, value: object) -> object:
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("trickplay_thumbnail_size")
    @classmethod
    def _visible(cls, pixels: int) -> int:
        if 0 < pixels < LEAST_EDGE:
            raise ValueError(f"give 0, or {LEAST_EDGE} to {MOST_EDGE}")
        return pixels


class TrickplayParameters(ThumbnailOptions, CommonParameters):
    """What a client may say to `trickplay`."""

    content_id: str = Field(
        min_length=1,
        max_length=200,
        pattern=PRINTED,
        description="The client's own key of the content; jobs are found by it.",
    )
    source_folder: str = Field(
        min_length=1, max_length=4000, description="The folder of an asset that was made here."
    )
    output_folder: str | None = Field(
        None,
        max_length=4000,
        description="The folder the asset appears as with what is added; null: source_folder.",
    )
    trickplay_thumbnails: bool = Field(
        True, description="Whether thumbnails are made; false: only I-frame playlists."
    )


def check(
    parameters: Mapping[str, Any], assets_root: Path, known: Known = none_known
) -> dict[str, Any]:
    """Check the parameters of a job; both folders become absolute, or places of storages.

    Args:
        parameters: as the client gave them.
        assets_root: the folder relative folders lie in.
        known: which storages there are besides local.

    Raises:
        ParameterError: names the field, what is wrong with it, and the nearest known name.
    """
    given = dict(parameters)
    folder = given.get("source_folder")
    if given.get("output_folder") is None:
        given["output_folder"] = folder
    document = checked(TrickplayParameters, given, assets_root, known)
    storage = document["source_storage"]
    place = asset_folder(document, "source_folder", storage, assets_root, known)
    if document["output_folder"].startswith(f"{place}/"):
        raise ParameterError(
            "output_folder lies inside source_folder, of which it would be a copy",
            hint="Name a folder beside source_folder, or leave output_folder out.",
        )
    return {**document, "source_folder": place}


def confine(parameters: Mapping[str, Any], within: str) -> dict[str, Any]:
    """The parameters of a client whose assets lie below `within`: it names no others.

    Raises:
        ParameterError: `path_outside`.
    """
    return confined_asset(confined(parameters, within, None), within, "source_folder")


def author(parameters: dict[str, Any]) -> Signature[Any]:
    """The canvas of one job."""
    # What only callbacks need is not carried from task to task.
    carried = {name: value for name, value in parameters.items() if name not in CALLBACK_ONLY}
    return chain(
        searching.find_key_frames.s(**carried),
        searching.make_thumbnails.s(),
        searching.publish_trickplay.s(),
    )


def register(registry: Registry) -> None:
    """Make the workflow and its tasks known."""
    registry.add_tasks(*searching.TASKS)
    registry.add_workflow(
        WorkflowDefinition(
            name=NAME,
            description=DESCRIPTION,
            parameters=TrickplayParameters,
            check=lambda given: check(given, registry.output_root, registry.has_storage),
            limit=limit_of(registry),
            confine=confine,
            author=author,
            output=lambda parameters: str(parameters["output_folder"]),
            report=report,
            example={"source_folder": "film", "content_id": "film-42"},
        )
    )
