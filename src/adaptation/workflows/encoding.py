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
from adaptation.workflows.allowance import limit_of
from adaptation.workflows.forecast import forecast
from adaptation.workflows.parameters import (
    MEASURE,
    EncodingParameters,
    check_encoding,
    confined,
    is_web,
)
from adaptation.workflows.profiles import Profiles
from adaptation.workflows.report import report

NAME = "encoding_workflow"
DESCRIPTION = (
    "One source to a ladder of renditions, as HLS and DASH over the same CMAF segments: download,"
    " probe, for each rendition in parallel size, transcode and package, then publish."
)
CALLBACK_ONLY = frozenset({"custom_data", "rest_endpoints"})


def author(parameters: dict[str, Any]) -> Signature[Any]:
    """The canvas of one job; `add_playlist_header` adds the chord over the renditions."""
    # What only callbacks need is not carried from task to task.
    carried = {name: value for name, value in parameters.items() if name not in CALLBACK_ONLY}
    return chain(
        steps.download_file.s(**carried),
        steps.get_video_size.s(),
        steps.add_playlist_header.s(),
        steps.chunk_dash.s(),
        steps.publish.s(),
        steps.notify.s(quality_name="all", status="completed", complete=True),
        *([steps.order_quality.s()] if parameters.get(MEASURE) else []),
    )


def register(
    registry: Registry,
    assets_root: Path,
    profiles: Path | None = None,
    source_root: Path | None = None,
) -> None:
    """Make the workflow and its tasks known.

    Args:
        registry: of this process.
        assets_root: the folder that relative output folders lie in.
        profiles: a folder of encoding profiles beside the package's own.
        source_root: the folder that local sources of the API's clients lie in; None: there are
            none.
    """

    def check(parameters: Mapping[str, Any]) -> dict[str, Any]:
        # Read anew for each job, so that a changed profile counts from the next one on.
        known = Profiles.among(profiles)
        return check_encoding(parameters, assets_root, known, registry.has_storage)

    registry.add_tasks(*steps.TASKS, *tracks.TASKS, *copying.TASKS, *texts.TASKS)
    registry.add_workflow(
        WorkflowDefinition(
            name=NAME,
            check=check,
            author=author,
            output=lambda parameters: str(parameters["output_folder"]),
            sources=lambda parameters: [url] if is_web(url := parameters["url"]) else [],
            farewell={"quality": "all"},
            subject=_subject,
            report=report,
            description=DESCRIPTION,
            parameters=EncodingParameters,
            example={"url": "https://example.org/film.mp4", "content_id": "film-42"},
            forecast=forecast,
            limit=limit_of(registry),
            confine=lambda given, within: confined(given, within, source_root),
        )
    )


def _subject(parameters: dict[str, Any]) -> str:
    named = parameters["content_id"]
    return str(named or PurePosixPath(urlsplit(parameters["url"]).path).name)
