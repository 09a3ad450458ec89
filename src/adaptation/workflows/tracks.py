"""The tasks of an asset's tracks: encode and cut in chunks, join, index, list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from adaptation.adapters import ffmpeg
from adaptation.context import Context
from adaptation.engine.tasks import Expand
from adaptation.engine.tasks import task as engine_task
from adaptation.errors import ToolError
from adaptation.media import hls, verify
from adaptation.media.cascade import Rung, chunk_command, rungs_of
from adaptation.media.chunk import Chunk
from adaptation.media.coding import reorder_depth
from adaptation.media.encode import may_reorder
from adaptation.media.index import Track, index_track
from adaptation.media.rendition import Rendition, target_size
from adaptation.media.roles import SOUND_ROLES, role_of, with_role
from adaptation.media.segment import (
    PicturePlan,
    PictureSegmenter,
    SoundSegmenter,
    plan_pictures,
)
from adaptation.media.sound import audio_command
from adaptation.media.source_files import Heard
from adaptation.workflows.branches import renditions
from adaptation.workflows.cutting import Cut, Encoding, Part, encode_and_cut
from adaptation.workflows.encoders import check_encoder
from adaptation.workflows.material import (
    COPIED,
    Material,
    material_of,
    picture_of,
    source_path,
)
from adaptation.workflows.profiles import profile_of
from adaptation.workflows.resources import Run, get_json, put_json, put_text
from adaptation.workflows.reuse import Wanted, reused_or_made
from adaptation.workflows.step import step
from adaptation.workflows.watching import growing_asset

ASTRAY = frozenset({"output_mismatch", "output_broken"})
"""How a track looks that lacks frames: at its beginning they make an edit list of two parts."""
SOUND_NAME = "audio.mp4"
"""What FFmpeg writes of a sound track in scratch."""
HEARD = "heard"
"""What the context of a branch calls the sound track of a file of its own."""


@step("transcode")
def encode_chunk(context: Context, run: Run) -> Context:
    """Make the renditions of one chunk in one FFmpeg, cut them, and prove each by the plan.

    A chunk that was made before from the same things is taken from the cache, if there is one.
    """
    material = material_of(context, run)
    chunk = Chunk.from_json(context["chunk"])
    ladder = [
        rendition
        for rendition in map(Rendition.from_json, context["ladder"])
        if rendition.name != context.get(COPIED)
    ]
    rungs = rungs_of(material.picture, ladder, profile_of(context), run.scratch)
    wanted = wanted_chunk(context, material, chunk, rungs)
    parts = reused_or_made(context, run, wanted, lambda: _encoded(context, run, wanted))
    return context.extended(chunk_parts=parts)


def wanted_chunk(
    context: Context, material: Material, chunk: Chunk, rungs: Sequence[Rung]
) -> Wanted:
    """A chunk, and how each rendition of it is cut."""
    starts, may = material.starts(context), may_reorder(material.timeline)

    @cache
    def planned(depth: int) -> PicturePlan:
        whole = plan_pictures(material.timeline, starts, depth)
        return whole.part(chunk.first_frame, chunk.end_frame)

    depths = [reorder_depth(rung.coding, may_reorder=may) for rung in rungs]
    plans = {rung.rendition.name: planned(depth) for rung, depth in zip(rungs, depths, strict=True)}
    return Wanted(material, chunk, rungs, plans)


def make_chunk(context: Context, run: Run, wanted: Wanted) -> dict[str, str]:
    """Encode, cut and prove a chunk.

    Returns:
        The key of each rendition's part.

    Raises:
        SettingsError: `encoder_unusable`.
        ToolError, Transient, Cancelled: as `encode_and_cut`; `output_broken`.
    """
    material, chunk, rungs = wanted.material, wanted.chunk, wanted.rungs
    # Before anything is encoded, and on the machine that will do it.
    for encoder in {rung.coding.encoder for rung in rungs}:
        check_encoder(encoder, run.resources.tools, run.cancelled)
    for rung in rungs:
        # What was made astray must not be taken for the beginning of what comes now.
        rung.output_path.unlink(missing_ok=True)
    source = source_path(context, run)
    arguments = chunk_command(material.source, material.timeline, chunk, rungs, source)
    part = material.timeline.part(chunk.first_frame, chunk.end_frame)
    encoding = Encoding(
        arguments,
        [_cut(rung, wanted.plans[rung.rendition.name]) for rung in rungs],
        float(part.duration_seconds),
        is_awaited=chunk.number == 0,
    )
    parts = encode_and_cut(encoding, run, growing_asset(context, run, material))
    ffmpeg.decode_pictures(
        [rung.output_path for rung in rungs],
        run.resources.tools,
        full=context["verify"] == "full",
        cancelled=run.cancelled,
    )
    return parts


@engine_task("playlist")
def gather_chunks(contexts: list[dict[str, Any]], run: Run) -> Expand:  # noqa: ARG001
    """Join the chunks, and fan out over the renditions that are in them."""
    context = Context.joined(contexts, collect=("chunk", "chunk_parts"))
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
    pieces = [
        (Chunk.from_json(chunk), parts[context.quality])
        for chunk, parts in zip(context["chunk"], context["chunk_parts"], strict=True)
        if context.quality in parts
    ]
    chunks, keys = [chunk for chunk, _ in pieces], [key for _, key in pieces]
    frames = len(material_of(context, run).timeline)
    bounds = [0, *(chunk.end_frame for chunk in chunks)]
    if [chunk.first_frame for chunk in chunks] != bounds[:-1] or bounds[-1] != frames:
        raise ToolError("the chunks do not join", code="output_mismatch")
    if len({Part.read(run, key).init for key in keys}) > 1:
        raise ToolError("the chunks have different headers", code="output_mismatch")
    kept = {name: value for name, value in context.items() if name not in CHUNK_FIELDS}
    return Context(kept).extended(transcoded_keys=keys)


CHUNK_FIELDS = frozenset({"chunk", "chunk_parts", "ladder"})
"""What concerns all renditions of the chunks, and no single one."""


@step("transcode")
def transcode_audio(context: Context, run: Run) -> Context:
    """Encode one sound track, once for all renditions, on the picture's clock, and cut it."""
    return encoded_sound(context, run)


def encoded_sound(context: Context, run: Run) -> Context:
    """The context of a branch of sound with what was encoded of it; see `cut_sound`."""
    material = material_of(context, run)
    heard = heard_of(context, material)
    arguments = audio_command(
        heard.track,
        material.timeline,
        input_path=source_path(context, run),
        output_path=run.scratch / SOUND_NAME,
        layout=context["layout"],
        bitrate=context["bitrate"],
        origin=heard.origin,
    )
    return cut_sound(context, run, arguments, heard.end_seconds)


def heard_of(context: Context, material: Material) -> Heard:
    """The sound track of this branch: that of another file, or one of the picture's own."""
    if HEARD in context:
        return Heard.from_json(context[HEARD])
    wanted = context["stream_index"]
    track = next(track for track in material.source.audio if track.index == wanted)
    return Heard("", track, material.timeline.start_seconds)


def cut_sound(
    context: Context, run: Run, arguments: Sequence[str], seconds: float, deed: str = "encoded"
) -> Context:
    """Make a sound track with FFmpeg, cut it where the picture's segments start, and prove it.

    Args:
        context: of the branch.
        run: of the task.
        arguments: of FFmpeg, which writes `SOUND_NAME` in scratch.
        seconds: from the picture's first frame to the end of the sound.
        deed: what the log says was done.

    Raises:
        ToolError, Transient, Cancelled: as `encode_and_cut`; `output_broken`.
    """
    material = material_of(context, run)
    output = run.scratch / SOUND_NAME
    # What was made astray must not be taken for the beginning of what comes now.
    output.unlink(missing_ok=True)
    segmenter = SoundSegmenter(material.moments(context), context["segment_seconds"])
    cuts = [Cut(context.quality, output, segmenter)]
    # Without sound nothing can be watched either, and its first segments cost next to nothing.
    encoding = Encoding(arguments, cuts, seconds, is_awaited=True, deed=deed)
    keys = encode_and_cut(encoding, run, growing_asset(context, run, material))
    ffmpeg.decode(
        output,
        run.resources.tools,
        full=context["verify"] == "full",
        duration_seconds=seconds,
        cancelled=run.cancelled,
    )
    return context.extended(transcoded_keys=list(keys.values()), expected_seconds=seconds)


@step("package")
def chunk_hls(context: Context, run: Run) -> Context:
    """Index a track's CMAF segments, shared by HLS and DASH, and prove that they are all there."""
    material = material_of(context, run)
    parts = [Part.read(run, key) for key in context.transcoded_files]
    files = [file for part in parts for file in part.files]
    track = index_track(context.quality, parts[0].init, files)
    if track.kind == "video":
        own = picture_of(context, run)
        verify.check_track(track, own.timeline, own.starts(context), material.moments(context))
    else:
        verify.check_sound(track, context["expected_seconds"])
    facts = {
        name: context[name] for name in ("language", "title", "stereo_name") if name in context
    }
    track = _for_whom(replace(track, **facts), context)
    keys = [f"{parts[0].folder}/{track.init_name}"]
    keys += [f"{part.folder}/{file.name}" for part in parts for file in part.files]
    return context.extended(
        track_key=put_json(run, "track.json", track.to_json()),
        media_key=put_json(run, "media.json", keys),
    )


def _for_whom(track: Track, context: Context) -> Track:
    """The track with what the client says that its file is for."""
    said = context.get(HEARD, {}).get("kind", "") if track.kind == "audio" else ""
    role = role_of(said, SOUND_ROLES)
    return with_role(track, role) if role else track


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


def _encoded(context: Context, run: Run, wanted: Wanted) -> dict[str, str]:
    """Make a chunk; returns the key of each rendition's part."""
    chunk = wanted.chunk
    try:
        return make_chunk(context, run, wanted)
    except ToolError as error:
        if error.code not in ASTRAY or chunk.seek_seconds is None:
            raise
        # A container that leads seeking astray costs time, never frames.
        run.log(f"chunk {chunk.number} is made again from the start: {error.message}", 30)
        unsought = replace(chunk, seek_seconds=None)
        return make_chunk(context, run, replace(wanted, chunk=unsought))


def _cut(rung: Rung, plan: PicturePlan) -> Cut:
    return Cut(rung.rendition.name, rung.output_path, PictureSegmenter(plan))
