"""The tasks of `measure_quality`: read source and asset, measure side by side, write it down."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from celery import chord
from celery.canvas import Signature

from adaptation.adapters import vmaf as measured
from adaptation.adapters.tools import versions
from adaptation.context import Context
from adaptation.engine.graph import needing
from adaptation.engine.tasks import Expand
from adaptation.engine.tasks import task as engine_task
from adaptation.errors import SourceError
from adaptation.media import vmaf
from adaptation.media.asset import Asset
from adaptation.media.chunk import cut_window, is_indexed
from adaptation.media.index import Track, picture_seconds
from adaptation.media.quality import QUALITY_NAME, Quality, rendition_quality, worst_first
from adaptation.media.stills import Excerpt
from adaptation.workflows.allowance import Allowance
from adaptation.workflows.material import material_of, read_material, source_path
from adaptation.workflows.renewing import opened_place
from adaptation.workflows.resources import Run, get_json, put_json
from adaptation.workflows.searching import put_together
from adaptation.workflows.step import step
from adaptation.workflows.stills import deliver

CHUNKS = "chunk_frames"
"""Parameter: numbers of the frames that began a chunk."""
ASSET, SCORES = "measured_asset", "scores_key"
"""Fields of the context: id of the asset, and keys of what was measured of its pictures."""
SPARE_BYTES = 64 * 1024 * 1024
"""Scratch of a log beside the segments."""


@step("probe")
def plan_quality(context: Context, run: Run) -> Expand:
    """Hold the source against the asset, and fan out over pieces of all renditions."""
    measured.check_filter(vmaf.FILTER, run.resources.tools)
    with opened_place(context["source_folder"], run) as folder:
        asset = _measurable(folder.record())
    rate = frame_rate(asset.record)
    path = source_path(context, run)
    material = read_material(path, run.resources.tools, rate)
    Allowance.of(run).check_source(material.source)
    pictures = _pictures(asset)
    for track in pictures:
        _check_same(track, len(material.timeline))
    run.log(f"VMAF of {len(pictures)} renditions, {len(material.timeline)} pictures each")
    context = context.extended(
        **{ASSET: asset.asset_id, "material_key": material.store(run)},
        reference=[pictures[0].width, pictures[0].height],
    )
    pieces = [_piece(track, span) for track in pictures for span in vmaf.spans(track)]
    return Expand(context, chord(pieces, gather_quality.s()))


@step("transcode")
def measure_quality(context: Context, run: Run) -> Context:
    """Measure VMAF of each picture of some segments of a rendition."""
    span = vmaf.Span(context["first_segment"], context["end_segment"])
    with opened_place(context["source_folder"], run) as folder:
        asset = _same(context, folder.record())
        track = next(one for one in asset.tracks if one.name == context["name"])
        whole, before, behind = vmaf.surroundings(track, span)
        segments = track.segments[whole.first : whole.end]
        picture = put_together(folder, track, segments, run)
    bounds = vmaf.frame_bounds(track)
    first, end = bounds[span.first] - before, bounds[span.end] + behind
    material = material_of(context, run)
    window = cut_window(
        material.timeline,
        material.seek_points,
        first,
        end,
        is_indexed=is_indexed(material.source.format_name),
    )
    excerpt = Excerpt(material.picture, material.timeline, window, source_path(context, run))
    width, height = context["reference"]
    log = measured.measure(
        vmaf.vmaf_command(excerpt, (width, height), picture, first - bounds[whole.first]),
        run.resources.tools,
        run.scratch,
        vmaf.LOG_NAME,
        expected_seconds=vmaf.expected_seconds(end - first),
        on_progress=lambda done: run.progress(done.fraction, fps=done.fps),
        cancelled=run.cancelled,
    )
    found = vmaf.frame_scores(log, end - first)
    scores = [round(score, 4) for score in found[before : len(found) - behind]]
    return context.extended(**{SCORES: put_json(run, "scores.json", scores)})


@engine_task("publish")
def gather_quality(contexts: list[dict[str, Any]], run: Run) -> dict[str, Any]:
    """Add up what was measured, and put it beside the asset's record."""
    context = Context.joined(contexts, collect=("name", SCORES))
    with opened_place(context["source_folder"], run) as folder:
        asset = _same(context, folder.record())
    scores: dict[str, list[float]] = {}
    for name, key in zip(context["name"], context[SCORES], strict=True):
        scores.setdefault(name, []).extend(get_json(run, key))
    chunks = frozenset(context[CHUNKS])
    renditions = [rendition_quality(one, scores[one.name], chunks) for one in _pictures(asset)]
    width, height = context["reference"]
    quality = Quality(
        asset_id=asset.asset_id,
        measured_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        model=vmaf.MODEL,
        width=width,
        height=height,
        ffmpeg=versions(run.resources.tools)["ffmpeg"],
        renditions=tuple(renditions),
    )
    path = run.scratch / QUALITY_NAME
    path.write_text(json.dumps(quality.to_json(), separators=(",", ":")), encoding="utf-8")
    for one in renditions:
        run.log(f"{one.name}: VMAF {one.vmaf:.2f} at {one.bitrate / 1000:.0f} kbit/s")
    worst = worst_first(renditions)[0]
    run.log(
        f"the segment that stands out most: {worst.rendition} at {worst.segment.start:.1f} s,"
        f" VMAF {worst.segment.vmaf:.2f}"
    )
    seconds = float(picture_seconds(asset.tracks))
    return deliver(context, run, [(path, QUALITY_NAME)], seconds)


TASKS = (plan_quality, measure_quality, gather_quality)


def _piece(track: Track, span: vmaf.Span) -> Signature[Any]:
    size = track.init_size_bytes
    whole, *_ = vmaf.surroundings(track, span)
    size += sum(segment.size_bytes for segment in track.segments[whole.first : whole.end])
    piece = measure_quality.s(name=track.name, first_segment=span.first, end_segment=span.end)
    return needing(piece, size + SPARE_BYTES)


def _measurable(record: Any) -> Asset:
    """An asset whose clear pictures may be shown."""
    asset = Asset.from_json(record)
    asset.need_clear()
    return asset


def _same(context: Context, record: Any) -> Asset:
    """The asset that the job began with.

    Raises:
        SourceError: `source_changed`.
    """
    asset = _measurable(record)
    if asset.asset_id != context[ASSET]:
        raise SourceError(
            "the asset was replaced while it was measured",
            code="source_changed",
            hint="Measure the new one.",
        )
    return asset


def _pictures(asset: Asset) -> list[Track]:
    """Its renditions, the largest first."""
    pictures = [track for track in asset.tracks if track.kind == "video"]
    return sorted(pictures, key=lambda one: (-one.width * one.height, -one.average_bandwidth))


def frame_rate(record: Mapping[str, Any]) -> float | None:
    """Above which rate pictures were left out of the source of an asset; None: all are there."""
    parameters = record.get("parameters")
    rate = parameters.get("max_frame_rate") if isinstance(parameters, Mapping) else None
    return float(rate) if isinstance(rate, int | float) and rate >= 1 else None


def _check_same(track: Track, frames: int) -> None:
    """See that a rendition has the pictures of the source.

    Raises:
        SourceError: `source_changed`.
    """
    own = vmaf.frame_bounds(track)[-1]
    if own != frames:
        raise SourceError(
            f"the source has {frames} pictures and {track.name} has {own}",
            code="source_changed",
            hint="Name the very file that the asset was encoded from as url.",
        )
