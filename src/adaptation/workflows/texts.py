"""The task of a subtitle track: extract it as WebVTT and cut it along the picture's segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from logging import WARNING
from pathlib import Path
from typing import Any

from adaptation.adapters import ffmpeg
from adaptation.adapters.process import Limits
from adaptation.context import Context
from adaptation.errors import SourceError, ToolError
from adaptation.media import hls
from adaptation.media.caption_file import on_film
from adaptation.media.probe import CAPTION_CODECS, IMAGE_CODECS, Source, SubtitleTrack
from adaptation.media.roles import TEXT_ROLES, role_of, with_role
from adaptation.media.subtitles import (
    MAX_TEXT_BYTES,
    Cue,
    on_picture,
    read_cues,
    subtitle_command,
)
from adaptation.media.texttrack import TextTrack, text_track
from adaptation.workflows.captions import read_captions
from adaptation.workflows.material import material_of, source_path
from adaptation.workflows.resources import Run, get_json, put_json, put_text
from adaptation.workflows.step import step

COLLECTED = ("text_key", "text_prefix")
"""What the join keeps of each subtitle track."""


@step("transcode")
def extract_subtitles(context: Context, run: Run) -> Context:
    """Make WebVTT of one subtitle track; one that cannot be read is left out, and said so."""
    material = material_of(context, run)
    wanted = context["stream_index"]
    track = next(track for track in material.source.subtitles if track.index == wanted)
    source = source_path(context, run)
    try:
        cues = on_picture(_extract(source, track, run), material.timeline)
        record, files = text_track(
            context.quality, track, cues, material.timeline, material.starts(context)
        )
    except (SourceError, ToolError) as error:
        # Whatever killed FFmpeg may have meant another: once more, then without this track.
        if error.retryable and run.claim.attempt == 1:
            raise
        return _left_out(context, run, track, error.message)
    if not cues:
        return _left_out(context, run, track, "it says nothing while there is a picture")
    return _stored(context, run, record, files)


@step("transcode")
def read_subtitles(context: Context, run: Run) -> Context:
    """Make WebVTT of a file of subtitles, whose clock begins with the picture."""
    material, track = material_of(context, run), SubtitleTrack(**context["subtitles"])
    read = read_captions(source_path(context, run), run.log)
    found = on_film(read, material.timeline.duration_seconds)
    for note in found.notes:
        run.log(note)
    if not found.cues:
        return _left_out(context, run, context.quality, "it says nothing")
    record, files = text_track(
        context.quality, track, found.cues, material.timeline, material.starts(context)
    )
    role = role_of(context["kind"], TEXT_ROLES)
    return _stored(context, run, with_role(record, role) if role else record, files)


TASKS = (extract_subtitles, read_subtitles)


def readable_subtitles(source: Source, run: Run) -> list[SubtitleTrack]:
    """The tracks that can become text; the others are named in the job's log."""
    for track in source.subtitles:
        if not track.is_text:
            run.log(f"{track} is left out: {_why(track)}", WARNING)
    return [track for track in source.subtitles if track.is_text]


def joined_texts(contexts: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """What the branches of subtitles bring to the join: lists, empty when there are none."""
    texts = [context for context in contexts if "text_key" in context]
    return {field: [context[field] for context in texts] for field in COLLECTED}


def texts_of(context: Context, run: Run) -> list[TextTrack]:
    """The subtitle tracks of the asset, once they are joined."""
    return [TextTrack.from_json(get_json(run, key)) for key in context["text_key"]]


def text_files(context: Context, run: Run) -> list[tuple[str, str]]:
    """All files of the asset's subtitles: the key of each, and its name inside the asset."""
    files = []
    for text, prefix in zip(texts_of(context, run), context["text_prefix"], strict=True):
        names = [hls.PLAYLIST_NAME, *text.file_names]
        files += [(f"{prefix}/{name}", f"{text.folder}/{name}") for name in names]
    return files


def _extract(source: Path, track: SubtitleTrack, run: Run) -> list[Cue]:
    """The track's cues on the clock of the source."""
    output = run.scratch / "subtitles.vtt"
    arguments = subtitle_command(track, input_path=source, output_path=output)
    done = ffmpeg.encode(
        arguments, run.resources.tools, expected_seconds=0.0, limits=Limits(run.cancelled)
    )
    if done.stderr_tail:
        said = done.stderr_tail.splitlines()[0].rpartition("] ")[2]
        run.log(f"{track} was read in part: {said}", WARNING)
    if output.stat().st_size > MAX_TEXT_BYTES:
        raise SourceError("it is too large for a text")
    return read_cues(output.read_text(encoding="utf-8", errors="replace"), track)


def _stored(context: Context, run: Run, text: TextTrack, files: Mapping[str, bytes]) -> Context:
    prefix = f"{run.area}/text"
    for name, content in files.items():
        run.resources.work.put_bytes(content, f"{prefix}/{name}")
    put_text(run, f"text/{hls.PLAYLIST_NAME}", hls.media_playlist(text))
    run.log(f"{text.cue_count} cues in {len(text.segments)} segments")
    return context.extended(
        text_key=put_json(run, "text.json", text.to_json()), text_prefix=prefix, status="packaged"
    )


def _left_out(context: Context, run: Run, track: SubtitleTrack | str, why: str) -> Context:
    run.log(f"{track} is left out: {why}", WARNING)
    return context.extended(status="left_out")


def _why(track: SubtitleTrack) -> str:
    if track.codec in IMAGE_CODECS:
        return "it is made of pictures, not of text"
    if track.codec in CAPTION_CODECS:
        return "closed captions are not read"
    return "FFmpeg cannot turn it into text"
