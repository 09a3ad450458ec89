"""The tasks of an asset's tracks: encode in chunks, join, cut into segments, list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from adaptation.adapters import ffmpeg
from adaptation.adapters.follower import INIT_NAME, read_segments, segment_file
from adaptation.context import Context
from adaptation.engine.tasks import Expand
from adaptation.engine.tasks import task as engine_task
from adaptation.errors import ToolError
from adaptation.media import hls, verify
from adaptation.media.cascade import Rung, chunk_command
from adaptation.media.chunk import Chunk
from adaptation.media.index import Track, index_track
from adaptation.media.rendition import Rendition, target_size
from adaptation.media.segment import (
    PictureSegmenter,
    SoundSegmenter,
    plan_pictures,
    reorder_depth,
)
from adaptation.media.sound import audio_command
from adaptation.workflows.branches import renditions
from adaptation.workflows.material import Material, material_of, source_path
from adaptation.workflows.resources import Run, get_file, get_json, put_file, put_json, put_text
from adaptation.workflows.step import step


@step("transcode")
def encode_chunk(context: Context, run: Run) -> Context:
    """Make all renditions of one chunk in one FFmpeg, and prove each against its frames."""
    material = material_of(context, run)
    chunk = Chunk.from_json(context["chunk"])
    rungs = [
        Rung(
            rendition,
            target_size(material.picture.width, material.picture.height, rendition.height),
            run.scratch / f"{rendition.name}.mp4",
            context["preset"],
        )
        for rendition in map(Rendition.from_json, context["ladder"])
    ]
    try:
        depths = _make_chunk(context, run, material, chunk, rungs)
    except ToolError as error:
        if error.code != "output_mismatch" or chunk.seek_seconds is None:
            raise
        # A container that leads seeking astray costs time, never frames.
        run.log(f"chunk {chunk.number} is made again from the start: {error.message}", 30)
        unsought = replace(chunk, seek_seconds=None)
        depths = _make_chunk(context, run, material, unsought, rungs)
    files = {
        rung.rendition.name: put_file(run, rung.output_path, rung.output_path.name)
        for rung in rungs
    }
    return context.extended(chunk_files=files, reorder_depths=depths)


@engine_task("playlist")
def gather_chunks(contexts: list[dict[str, Any]], run: Run) -> Expand:  # noqa: ARG001
    """Join the chunks, and fan out over the renditions that are in them."""
    collected = ("chunk", "chunk_files", "reorder_depths")
    context = Context.joined(contexts, collect=collected)
    return Expand(context, renditions(map(Rendition.from_json, context["ladder"])))


@step("probe")
def compute_target_size(context: Context, run: Run) -> Context:
    """The even size of one rendition: the source's shape, never larger than the source."""
    picture = material_of(context, run).picture
    width, height = target_size(picture.width, picture.height, context["height"])
    return context.extended(width=width, height=height)


@step("transcode")
def transcode(context: Context, run: Run) -> Context:
    """Put one rendition together: all its chunks are there, and join to all frames."""
    chunks = [Chunk.from_json(document) for document in context["chunk"]]
    frames = len(material_of(context, run).timeline)
    bounds = [0, *(chunk.end_frame for chunk in chunks)]
    if [chunk.first_frame for chunk in chunks] != bounds[:-1] or bounds[-1] != frames:
        raise ToolError("the chunks do not join", code="output_mismatch")
    keys = [files[context.quality] for files in context["chunk_files"]]
    for key in keys:
        get_file(run, key)
    depth = max(depths[context.quality] for depths in context["reorder_depths"])
    kept = {name: value for name, value in context.items() if name not in CHUNK_FIELDS}
    bounds_of_chunks = [[chunk.first_frame, chunk.end_frame] for chunk in chunks]
    return Context(kept).extended(
        transcoded_keys=keys, chunk_bounds=bounds_of_chunks, reorder_depth=depth
    )


CHUNK_FIELDS = frozenset({"chunk", "chunk_files", "reorder_depths", "ladder"})
"""What concerns all renditions of the chunks, and no single one."""


@step("transcode")
def transcode_audio(context: Context, run: Run) -> Context:
    """Encode one sound track, once for all renditions, on the picture's clock."""
    material = material_of(context, run)
    wanted = context["stream_index"]
    track = next(track for track in material.source.audio if track.index == wanted)
    output = run.scratch / "audio.mp4"
    source = source_path(context, run)
    arguments = audio_command(
        track,
        material.timeline,
        input_path=source,
        output_path=output,
        layout=context["layout"],
    )
    seconds = track.end_seconds - float(material.timeline.start_seconds)
    _encode(arguments, seconds, run)
    verify.check_audio(ffmpeg.packets(output, run.resources.tools), seconds)
    _prove(context, output, seconds, run)
    return context.extended(transcoded_keys=[put_file(run, output, "audio.mp4")])


@step("package")
def chunk_hls(context: Context, run: Run) -> Context:
    """Cut an encoded track into CMAF segments, shared by HLS and DASH, and index them."""
    material = material_of(context, run)
    folder = run.scratch / "segments"
    encoded = [get_file(run, key) for key in context.transcoded_files]
    if "stream_index" in context:
        _cut_sound(context, material, encoded, folder)
    else:
        _cut_pictures(context, material, encoded, folder)
    init = (folder / INIT_NAME).read_bytes()
    track = index_track(context.quality, init, read_segments(folder))
    if track.kind == "video":
        verify.check_track(track, material.timeline, material.starts(context))
    facts = {
        name: context[name] for name in ("language", "title", "stereo_name") if name in context
    }
    track = replace(track, **facts)
    for name in file_names(track):
        put_file(run, folder / name, f"track/{name}")
    return context.extended(
        segments_prefix=f"{run.area}/track", track_key=put_json(run, "track.json", track.to_json())
    )


@step("playlist")
def add_playlist_info(context: Context, run: Run) -> Context:
    """Write the track's media playlist from its index."""
    track = Track.from_json(get_json(run, context["track_key"]))
    return context.extended(
        playlist_key=put_text(run, "playlist.m3u8", hls.media_playlist(track)),
        bandwidth=track.peak_bandwidth,
        codec_string=track.codec,
    )


TASKS = (
    encode_chunk,
    gather_chunks,
    compute_target_size,
    transcode,
    transcode_audio,
    chunk_hls,
    add_playlist_info,
)


def file_names(track: Track) -> list[str]:
    """The files of a track's folder that hold media."""
    return [track.init_name, *(segment.name for segment in track.segments)]


def _make_chunk(
    context: Context, run: Run, material: Material, chunk: Chunk, rungs: Sequence[Rung]
) -> dict[str, int]:
    """Encode a chunk and prove it; returns each rendition's reorder depth."""
    source = source_path(context, run)
    arguments = chunk_command(material.source, material.timeline, chunk, rungs, source)
    part = material.timeline.part(chunk.first_frame, chunk.end_frame)
    seconds = float(part.duration_seconds)
    _encode(arguments, seconds, run)
    depths = {}
    for rung in rungs:
        table = ffmpeg.packets(rung.output_path, run.resources.tools)
        verify.check_chunk(table, material.timeline, chunk)
        depths[rung.rendition.name] = reorder_depth(table.pts)
        _prove(context, rung.output_path, seconds, run)
    return depths


def _cut_pictures(
    context: Context, material: Material, encoded: Sequence[Path], folder: Path
) -> None:
    plan = plan_pictures(material.timeline, material.starts(context), context["reorder_depth"])
    init = b""
    for path, (first, end) in zip(encoded, context["chunk_bounds"], strict=True):
        segment_file(path, folder, PictureSegmenter(plan.part(first, end)))
        written = (folder / INIT_NAME).read_bytes()
        if init and written != init:
            raise ToolError("the chunks have different headers", code="output_mismatch")
        init = written


def _cut_sound(context: Context, material: Material, encoded: Sequence[Path], folder: Path) -> None:
    starts = [material.timeline.since_start(frame) for frame in material.starts(context)]
    segmenter = SoundSegmenter(starts, context["segment_seconds"])
    for path in encoded:
        segment_file(path, folder, segmenter)


def _encode(arguments: list[str], seconds: float, run: Run) -> None:
    def report(progress: ffmpeg.Progress) -> None:
        left = seconds - progress.out_seconds
        run.fraction = progress.fraction
        run.detail = {
            "fps": round(progress.fps, 1),
            "speed": round(progress.speed, 2),
            "eta_seconds": round(left / progress.speed, 1) if progress.speed else None,
        }

    command = ffmpeg.encode(
        arguments,
        run.resources.tools,
        expected_seconds=seconds,
        on_progress=report,
        cancelled=run.cancelled,
    )
    run.log(f"encoded in {command.wall_seconds:.1f} s, {command.cpu_seconds:.1f} CPU s")


def _prove(context: Context, path: Path, seconds: float, run: Run) -> None:
    ffmpeg.decode(
        path,
        run.resources.tools,
        full=context["verify"] == "full",
        duration_seconds=seconds,
        cancelled=run.cancelled,
    )
