"""Copies a picture that fits as the top rendition: the decision for a whole job, and the task."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from adaptation.adapters import ffmpeg
from adaptation.adapters.process import Flag
from adaptation.adapters.tools import Tools
from adaptation.context import Context
from adaptation.errors import ParameterError, SourceError, ToolError
from adaptation.media.cascade import Rung, rungs_of
from adaptation.media.chunk import Chunk
from adaptation.media.copying import copy_command, look_command
from adaptation.media.passthrough import Candidate, UnitReader
from adaptation.media.probe import VideoTrack
from adaptation.media.segment import PicturePlan, PictureSegmenter, plan_copied
from adaptation.workflows.cutting import Cut, Encoding, encode_and_cut
from adaptation.workflows.material import COPIED, Material, material_of, source_path
from adaptation.workflows.profiles import profile_of
from adaptation.workflows.resources import Run
from adaptation.workflows.step import step
from adaptation.workflows.tracks import make_chunk, wanted_chunk
from adaptation.workflows.watching import growing_asset

UNFIT = frozenset({"tool_failed", "source_unreadable", "output_mismatch", "output_broken"})
"""Codes of errors that are the source's fault: another copy would come out the same."""


@dataclass(frozen=True)
class Choice:
    """Whether a job copies its picture."""

    copied: str = ""
    """Name of the rendition that is copied; empty: all are encoded."""
    note: str = ""
    """A sentence for the log: what is copied, or why nothing is; empty if nobody asked."""


def choose(
    context: Context, material: Material, path: Path, tools: Tools, cancelled: Flag | None = None
) -> Choice:
    """Decide for a whole job, before anything is made, whether its picture is copied.

    Args:
        context: with the job's parameters.
        material: what was read of the source.
        path: the source; only one that fits by its headers and packets is read again.
        tools: where FFmpeg is.
        cancelled: set by anybody to stop.

    Raises:
        ParameterError: `passthrough_impossible`, it must be copied and something speaks against.
        Cancelled: `cancelled` was set.
    """
    if context["passthrough"] == "never":
        return Choice()
    candidate = material.candidate(context)
    reasons = candidate.reasons() or _look(candidate, path, tools, cancelled)
    if candidate.rung is not None and not reasons:
        average, peak = candidate.picture.bitrate // 1000, candidate.peak_bitrate // 1000
        rates = f"{average} kbit/s, {peak} at its peak"
        return Choice(candidate.rung.name, f"{candidate.rung.name} is copied: {rates}")
    told = "; ".join(reasons)
    if context["passthrough"] == "require":
        raise ParameterError(
            f"the picture cannot be copied: {told}",
            code="passthrough_impossible",
            hint="Give a source or renditions that fit, or let it be encoded: passthrough auto.",
        )
    return Choice(note=f"the picture is encoded, not copied: {told}")


@step("package")
def copy_picture(context: Context, run: Run) -> Context:
    """Copy the picture as one rendition, cut it at its own key frames, and prove it by the plan.

    Should it show only now that it is damaged, it is encoded after all, on the same grid, unless
    the job requires the copy.
    """
    material = material_of(context, run)
    starts = material.starts(context)
    # All of the source is one chunk of this rendition.
    whole = Chunk(0, 0, len(material.timeline), None, starts)
    plan = plan_copied(material.timeline, starts, material.stored.reorder_ticks)
    try:
        parts = copied_parts(context, run, material, plan, context[COPIED])
    except (ToolError, SourceError) as error:
        if context["passthrough"] == "require" or error.code not in UNFIT:
            raise
        run.log(f"{context[COPIED]} is encoded after all: {error.message}", logging.WARNING)
        rungs = _rungs(context, run, material)
        parts = make_chunk(context, run, wanted_chunk(context, material, whole, rungs))
    return context.extended(chunk=whole.to_json(), chunk_parts=parts)


def copied_parts(
    context: Context, run: Run, material: Material, plan: PicturePlan, name: str
) -> dict[str, str]:
    """Copy a picture as one rendition, cut it by a plan, and prove it.

    Args:
        context: names the source.
        run: of the task.
        material: what was read of that source.
        plan: when each of its frames is shown, and which start a segment.
        name: of the rendition.

    Returns:
        The key of its part by the rendition's name.

    Raises:
        ToolError, SourceError, Transient, Cancelled: as `encode_and_cut`; `output_broken`.
    """
    source, output = source_path(context, run), run.scratch / f"{name}.mp4"
    copying = Encoding(
        copy_command(material.picture, source, output),
        [Cut(name, output, PictureSegmenter(plan))],
        float(material.timeline.duration_seconds),
        is_awaited=True,
        deed="copied",
    )
    parts = encode_and_cut(copying, run, growing_asset(context, run, material))
    ffmpeg.decode_pictures(
        [output],
        run.resources.tools,
        full=context["verify"] == "full",
        any_order=True,
        cancelled=run.cancelled,
    )
    return parts


def _rungs(context: Context, run: Run, material: Material) -> list[Rung]:
    """The rendition that was to be copied, as it is encoded."""
    rung = material.candidate(context).rung
    wanted = [rung] if rung else []
    return rungs_of(material.picture, wanted, profile_of(context), run.scratch)


TASKS = (copy_picture,)


def look(
    picture: VideoTrack, path: Path, tools: Tools, cancelled: Flag | None = None
) -> tuple[UnitReader, str]:
    """Read the units of a picture, and decode some of it.

    Args:
        picture: of a codec of `copying.UNITS`.
        path: the source.
        tools: where FFmpeg is.
        cancelled: set by anybody to stop.

    Returns:
        The units, and what speaks against copying it; empty: nothing so far.
    """
    units = UnitReader()
    try:
        complaints = ffmpeg.study(look_command(picture, path), tools, units.read, cancelled)
    except ToolError as error:
        if error.retryable:
            raise
        complaints = error.stderr_tail or error.message
    if complaints:
        # Without the name of the decoder in front of it.
        first = complaints.partition("\n")[0].rpartition("] ")[2]
        return units, f"it does not decode cleanly ({first})"
    return units, ""


def _look(
    candidate: Candidate, path: Path, tools: Tools, cancelled: Flag | None
) -> tuple[str, ...]:
    """What speaks against copying inside the stream itself."""
    units, complaint = look(candidate.picture, path, tools, cancelled)
    if complaint:
        return (complaint,)
    return units.reasons(candidate.timeline, candidate.seek_points)
