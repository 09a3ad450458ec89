"""What goes with an asset: the tasks from staging to publication, and the end of its source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from celery import chain, chord
from celery.canvas import Signature

from adaptation.context import Context
from adaptation.engine.graph import needing
from adaptation.engine.tasks import Expand
from adaptation.engine.tasks import task as engine_task
from adaptation.media.index import picture_seconds
from adaptation.media.sprite import THUMBNAIL_WIDTH
from adaptation.media.tiles import plan_tiles
from adaptation.workflows import additions, source_removal, staging
from adaptation.workflows.allowance import Allowance
from adaptation.workflows.mp4 import scratch_bytes
from adaptation.workflows.resources import Run
from adaptation.workflows.searching import IMAGES, KEY_FRAMES, MEDIA
from adaptation.workflows.staging import ADDED, media_tracks, opened_staged
from adaptation.workflows.step import step

SPARE_BYTES = 16 * 1024 * 1024
"""Scratch of a few images."""


def check_film(context: Context, duration_seconds: Fraction) -> None:
    """Tell as soon as a film is read whether what is wanted of it can be made.

    Raises:
        ParameterError: `time_outside`.
    """
    if context["create_thumbnail"]:
        additions.thumbnail_seconds(context, duration_seconds)


def extras(parameters: Mapping[str, Any]) -> list[Signature[Any]]:
    """The tasks behind `stage`, up to the published asset and the end of its source."""
    wanted = Context(parameters)
    steps = []
    # First: the MP4 has the names and languages, too.
    if wanted.get("apply_track_properties") and wanted["track_properties"]:
        steps.append(additions.add_properties.s())
    if any(wanted[name] for name in MAKERS) or _is_searched(wanted):
        steps.append(make_extras.s())
    if _is_searched(wanted):
        steps.append(additions.add_trickplay.s())
    if additions.is_encrypted(wanted):
        steps.append(additions.add_drm.s())
    steps.append(staging.publish_staged.s())
    if wanted["delete_source"]:
        steps.append(source_removal.delete_source.s())
    return steps


def added_tasks(parameters: Mapping[str, Any]) -> Counter[str]:
    """How often each task runs that `make_extras` adds."""
    wanted = Context(parameters)
    made = [task.name for parameter, task in MAKERS.items() if wanted[parameter]]
    if _is_searched(wanted):
        made += [additions.find_staged_key_frames.name, additions.make_staged_tiles.name]
    return Counter([*made, gather_extras.name] if made else [])


@step("probe")
def make_extras(context: Context, run: Run) -> Expand:
    """Fan out over all that can be made of the asset side by side."""
    made = []
    with opened_staged(context, run) as folder:
        tracks = media_tracks(folder)
    check_film(context, picture_seconds(tracks))
    if context["create_thumbnail"]:
        made.append(needing(additions.make_thumbnail.s(), SPARE_BYTES))
    if context["preview_thumbnails"]:
        track = plan_tiles(tracks, THUMBNAIL_WIDTH, Fraction(1)).track
        size = sum(segment.size_bytes for segment in track.segments)
        made.append(needing(additions.make_previews.s(), size + SPARE_BYTES))
    if context["generate_mp4"]:
        Allowance.of(run).check_scratch(
            needed := scratch_bytes(additions.staged_remux(context, run))
        )
        made.append(needing(additions.make_mp4.s(), needed))
    if _is_searched(context):
        found = additions.find_staged_key_frames.s()
        made.append(chain(found, additions.make_staged_tiles.s()))
    return Expand(context, chord(made, gather_extras.s()))


@engine_task("package")
def gather_extras(contexts: list[dict[str, Any]], run: Run) -> dict[str, Any]:  # noqa: ARG001
    """Join what was made side by side."""
    known = Context.joined(contexts, collect=())
    added = [one for context in contexts for one in context.get(ADDED, ())]
    found = {
        field: context[field]
        for context in contexts
        for field in (KEY_FRAMES, MEDIA, IMAGES)
        if field in context
    }
    return known.extended(**{ADDED: added}, **found)


MAKERS = {
    "create_thumbnail": additions.make_thumbnail,
    "preview_thumbnails": additions.make_previews,
    "generate_mp4": additions.make_mp4,
}
"""The tasks of what is made of an asset side by side, by the parameter that wants it."""
TASKS = (make_extras, gather_extras, *additions.TASKS, *staging.TASKS, *source_removal.TASKS)


def _is_searched(context: Context) -> bool:
    return bool(context["trickplay"] or context["trickplay_thumbnails"])
