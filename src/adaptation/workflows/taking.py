"""The tasks of tracks that are taken as they are: copied, cut where all can be entered, proven."""

from __future__ import annotations

import logging
from pathlib import PurePath

from adaptation.context import Context
from adaptation.errors import SourceError, ToolError
from adaptation.media.as_is import not_copied
from adaptation.media.copying import copy_sound_command
from adaptation.media.segment import plan_copied
from adaptation.workflows.copying import UNFIT, copied_parts
from adaptation.workflows.material import material_of, picture_of, source_path
from adaptation.workflows.resources import Run
from adaptation.workflows.step import step
from adaptation.workflows.tracks import SOUND_NAME, cut_sound, encoded_sound, heard_of


@step("package")
def copy_rendition(context: Context, run: Run) -> Context:
    """Copy one picture and cut it where those of all other files are cut."""
    own = picture_of(context, run)
    plan = plan_copied(own.timeline, own.starts(context), own.stored.reorder_ticks)
    plan = plan.entered_at(material_of(context, run).moments(context))
    try:
        parts = copied_parts(context, run, own, plan, context.quality)
    except (ToolError, SourceError) as error:
        if error.code not in UNFIT:
            raise
        raise not_copied(PurePath(context["url"]).name, error.message) from error
    return context.extended(transcoded_keys=list(parts.values()))


@step("package")
def copy_sound(context: Context, run: Run) -> Context:
    """Copy one sound track and cut it as the pictures are; where it has gaps, encode it."""
    heard = heard_of(context, material_of(context, run))
    source = source_path(context, run)
    arguments = copy_sound_command(heard.track, heard.origin, source, run.scratch / SOUND_NAME)
    try:
        return cut_sound(context, run, arguments, heard.end_seconds, deed="copied")
    except (ToolError, SourceError) as error:
        if error.code not in UNFIT:
            raise
        run.log(f"{context.quality} is encoded after all: {error.message}", logging.WARNING)
        return encoded_sound(context, run)


TASKS = (copy_rendition, copy_sound)
