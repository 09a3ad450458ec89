"""`encoding_workflow`: one source to a ladder of renditions, as HLS and DASH over one set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from celery import chain
from celery.canvas import Signature

from adaptation.engine.tasks import Registry, WorkflowDefinition
from adaptation.workflows import copying, steps, texts, tracks
from adaptation.workflows.parameters import check_encoding
from adaptation.workflows.profiles import Profiles

NAME = "encoding_workflow"


def author(parameters: dict[str, Any]) -> Signature[Any]:
    """The canvas of one job; `add_playlist_header` adds the chord over the renditions."""
    return chain(
        steps.download_file.s(**parameters),
        steps.get_video_size.s(),
        steps.add_playlist_header.s(),
        steps.chunk_dash.s(),
        steps.publish.s(),
        steps.notify.s(quality_name="all", status="completed", complete=True),
    )


def register(registry: Registry, assets_root: Path, profiles: Path | None = None) -> None:
    """Make the workflow and its tasks known.

    Args:
        registry: of this process.
        assets_root: the folder that relative output folders lie in.
        profiles: a folder of encoding profiles beside the package's own.
    """

    def check(parameters: Mapping[str, Any]) -> dict[str, Any]:
        # Read anew for each job, so that a changed profile counts from the next one on.
        return check_encoding(parameters, assets_root, Profiles.among(profiles))

    registry.add_tasks(*steps.TASKS, *tracks.TASKS, *copying.TASKS, *texts.TASKS)
    registry.add_workflow(
        WorkflowDefinition(
            name=NAME,
            check=check,
            author=author,
            output=lambda parameters: str(parameters["output_folder"]),
            farewell={"quality": "all"},
            subject=lambda parameters: PurePosixPath(urlsplit(parameters["url"]).path).name,
        )
    )
