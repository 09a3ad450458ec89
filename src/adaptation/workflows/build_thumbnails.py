"""`build_thumbnails`: sprites of small pictures for a player's time line, and their WebVTT."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

from pydantic import Field

from adaptation.adapters.containment import safe_key
from adaptation.adapters.images import prove_image
from adaptation.context import Context
from adaptation.engine.tasks import Registry
from adaptation.errors import ParameterError
from adaptation.media.sprite import (
    MOST_THUMBNAILS,
    THUMBNAIL_WIDTH,
    is_on_key_frames,
    plan_grid,
    sprite_command,
    webvtt,
)
from adaptation.workflows.resources import Run
from adaptation.workflows.step import step
from adaptation.workflows.stills import (
    Film,
    StillParameters,
    add_stills,
    check_stills,
    deliver,
    draw,
    plain_name,
    read_film,
)

DESCRIPTION = (
    "Small pictures of a video at equal distances on one or more sheets (sprites), and a WebVTT"
    " file that tells players which part of which sheet belongs to which time."
)


class BuildThumbnailsParameters(StillParameters):
    """What a client may say to `build_thumbnails`."""

    output_folder: str | None = Field(
        None,
        max_length=4000,
        description="The folder that the files are put into; null: named as content_id.",
    )
    filename_prefix: str | None = Field(
        None,
        max_length=200,
        description="How the names of all files begin; null: as content_id.",
    )
    target_filename: str | None = Field(
        None, max_length=200, description="Another name of filename_prefix."
    )
    preview_thumbnails_interval: float = Field(
        10, ge=0.1, le=86_400, description="Seconds between two pictures."
    )
    video_fps: float = Field(
        24,
        gt=0,
        le=1000,
        description="Accepted for frames without times; pictures are chosen by the times that each"
        " frame really has, which are always known here.",
    )


@step("transcode")
def build_thumbnails(context: Context, run: Run) -> Context:
    """Draw the sheets in one pass, prove them, and put them with their WebVTT into the folder."""
    film = read_film(context, run)
    interval = Fraction(str(context["preview_thumbnails_interval"]))
    made = draw_previews(film, interval, context["filename_prefix"], run)
    # Of an earlier run that made more; the text is no sheet.
    further = (_sheet_name(context["filename_prefix"], n) for n in itertools.count(len(made) - 1))
    return deliver(context, run, made, float(film.timeline.duration_seconds), further)


def draw_previews(film: Film, interval: Fraction, prefix: str, run: Run) -> list[tuple[Path, str]]:
    """Draw sheets of small pictures and the WebVTT over them, in scratch.

    Args:
        film: the source.
        interval: seconds between two pictures.
        prefix: how the names of all files begin.
        run: its progress is told.

    Returns:
        Each file and its name, sheets before the text that names them.

    Raises:
        ParameterError: there would be more than `MOST_THUMBNAILS`.
        ToolError: `output_broken`, `output_mismatch`.
    """
    timeline, count = film.timeline, _count(film, interval)
    grid = plan_grid(film.video, count)
    names = [_sheet_name(prefix, number) for number in range(grid.sheets)]
    sheets = [run.scratch / f"sheet{number}.jpg" for number in range(grid.sheets)]
    command = sprite_command(
        film.excerpt(0, len(timeline)),
        grid,
        interval,
        sheets,
        key_frames_only=_is_quick(film, interval, count),
    )
    draw(run, command, float(timeline.duration_seconds))
    size = (grid.columns * grid.width, grid.rows * grid.height)
    for sheet in sheets:
        prove_image(sheet, "jpeg", run.resources.tools, size=size, cancelled=run.cancelled)
    text = run.scratch / "sprite.vtt"
    text.write_text(webvtt(grid, interval, timeline.duration_seconds, names), encoding="utf-8")
    run.log(f"{count} pictures of {grid.width}x{grid.height} on {grid.sheets} sheets")
    return [*zip(sheets, names, strict=True), (text, _text_name(prefix))]


def register(registry: Registry) -> None:
    """Make the workflow and its task known."""
    add_stills(
        registry,
        build_thumbnails,
        DESCRIPTION,
        parameters=BuildThumbnailsParameters,
        check=lambda given: _check(given, registry),
        main_file=lambda given: _text_name(given["filename_prefix"]),
        example={"content_id": "film-42", "source": "https://example.org/film/master.m3u8"},
        # Of a large rendition all would be fetched and decoded to be made small.
        width=THUMBNAIL_WIDTH,
    )


def _check(given: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    known = dict(given)
    if known.get("output_folder") is None and isinstance(known.get("content_id"), str):
        known["output_folder"] = safe_key(known["content_id"], "content_id")
    document = check_stills(BuildThumbnailsParameters, known, registry)
    prefix, other = document["filename_prefix"], document["target_filename"]
    if prefix is not None and other not in (None, prefix):
        raise ParameterError(
            f"filename_prefix {prefix!r:.100} and target_filename {other!r:.100} mean the same",
            hint="Give one of them.",
        )
    prefix = prefix or other or document["content_id"]
    check_prefix(prefix, "filename_prefix")
    return {**document, "filename_prefix": prefix}


def check_prefix(prefix: str, parameter: str) -> None:
    """Refuse how no name of a file can begin.

    Raises:
        ParameterError: `path_outside`, `parameter_invalid`.
    """
    # With the longest end that a name gets.
    plain_name(_sheet_name(prefix, MOST_THUMBNAILS), parameter)


def _count(film: Film, interval: Fraction) -> int:
    count = ceil(film.timeline.duration_seconds / interval)
    if count > MOST_THUMBNAILS:
        raise ParameterError(
            f"there would be {count:,} thumbnails, and {MOST_THUMBNAILS:,} is the most",
            hint="Give a longer preview_thumbnails_interval.",
        )
    return count


def _is_quick(film: Film, interval: Fraction, count: int) -> bool:
    # To put fields together the pictures before and after are needed.
    points = () if film.video.interlaced else film.material.seek_points
    return is_on_key_frames(film.timeline, points, interval, count)


def _sheet_name(prefix: str, number: int) -> str:
    return f"{prefix}_sprite{f'_{number + 1}' if number else ''}.jpg"


def _text_name(prefix: str) -> str:
    return f"{prefix}_sprite.vtt"
