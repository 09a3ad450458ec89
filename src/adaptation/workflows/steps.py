"""The tasks of a ladder: each takes a context, does one thing, proves it, and returns it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adaptation.adapters import ffmpeg, packager
from adaptation.adapters.publish import publish as publish_folder
from adaptation.adapters.tools import versions
from adaptation.context import Context
from adaptation.engine.tasks import Expand, TaskDefinition
from adaptation.engine.tasks import task as engine_task
from adaptation.errors import SourceError
from adaptation.media import dash, hls, verify
from adaptation.media.asset import ASSET_NAME, Origin, asset_text
from adaptation.media.encode import audio_command, keyframes, video_command
from adaptation.media.index import INIT_NAME, Kind, Track, index_track
from adaptation.media.inspection import Inspection
from adaptation.media.ladder import default_ladder
from adaptation.media.package import package_command
from adaptation.media.probe import AudioTrack, Source
from adaptation.media.rendition import Rendition, parse_renditions, target_size
from adaptation.media.timeline import Timeline
from adaptation.workflows.branches import branches
from adaptation.workflows.parameters import EncodingParameters, is_web, shown_source
from adaptation.workflows.resources import (
    Run,
    get_file,
    get_json,
    publish_token,
    put_file,
    put_json,
    put_text,
)

Step = Callable[[Context, Run], "Context | Expand"]


def step(queue: str) -> Callable[[Step], TaskDefinition]:
    """Make a task of a function over one context."""

    def make(function: Step) -> TaskDefinition:
        @functools.wraps(function)
        def run_step(payload: dict[str, Any], run: Run) -> dict[str, Any] | Expand:
            return function(Context(payload), run)

        return engine_task(queue)(run_step)

    return make


@step("download")
def download_file(context: Context, run: Run) -> Context:
    """Bring the source to where every worker can read it; a local file stays where it is."""
    context = context.extended(job_id=run.claim.job_id, main_task_id=run.claim.main_task_id)
    if not is_web(context["url"]):
        return context.extended(source_path=context["url"], source_state=_file_state(context))
    from adaptation.adapters.web import fetch

    folder = run.resources.download_folder(run.claim.job_id)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "source"
    fetched = fetch(
        context["url"],
        target,
        cancelled=run.cancelled,
        on_progress=lambda done, total: run.progress(done / total if total else 0.0, bytes=done),
    )
    if not fetched.length_known:
        run.log("the server announced no length: a cut would show only in the container", 30)
    return context.extended(source_key=put_file(run, target, "source"))


@step("probe")
def get_video_size(context: Context, run: Run) -> Context:
    """Read all packets of the source: size, tracks, and when each frame is shown."""
    path = _source(context, run)
    source, timeline = ffmpeg.inspect(path, run.resources.tools, Inspection())
    picture = source.video
    if picture is None:
        raise SourceError("the source has no picture", code="source_no_video")
    plan = {"source": source.to_json(), "timeline": timeline.to_json()}
    run.log(f"source: {picture.width}x{picture.height}, {source.duration_seconds:.2f} s")
    return context.extended(
        plan_key=put_json(run, "plan.json", plan),
        width=picture.width,
        height=picture.height,
        duration_seconds=source.duration_seconds,
    )


@step("playlist")
def add_playlist_header(context: Context, run: Run) -> Expand:
    """Open the playlists: decide which tracks they will list, and fan out over them."""
    source, timeline = _plan(context, run)
    if source.video is None:
        raise SourceError("the source has no picture", code="source_no_video")
    requested = context.get("renditions")
    ladder = parse_renditions(requested) if requested else default_ladder(source.video)
    names = ", ".join(rung.name for rung in ladder)
    run.log(f"{len(ladder)} renditions ({names}), {len(source.audio)} sound tracks")
    context = context.extended(frames=len(timeline), track_count=len(ladder) + len(source.audio))
    return Expand(context, branches(ladder, source.audio))


@step("probe")
def compute_target_size(context: Context, run: Run) -> Context:
    """The even size of one rendition: the source's shape, never larger than the source."""
    source, _ = _plan(context, run)
    if source.video is None:
        raise SourceError("the source has no picture", code="source_no_video")
    width, height = target_size(source.video.width, source.video.height, context["height"])
    return context.extended(width=width, height=height)


@step("transcode")
def transcode(context: Context, run: Run) -> Context:
    """Encode one rendition and prove it, packet by packet, against the source's frames."""
    source, timeline = _plan(context, run)
    output = run.scratch / "video.mp4"
    rendition = Rendition(context.quality, context["height"], context["bitrate"], context["codec"])
    arguments = video_command(
        source,
        timeline,
        rendition,
        (context["width"], context["height"]),
        segment_seconds=context["segment_seconds"],
        input_path=_source(context, run),
        output_path=output,
        preset=context["preset"],
    )
    _encode(arguments, float(timeline.duration_seconds), run)
    verify.check_video(
        ffmpeg.packets(output, run.resources.tools),
        timeline,
        keyframes(timeline, context["segment_seconds"]),
    )
    _prove(context, output, float(timeline.duration_seconds), run)
    return context.extended(transcoded_key=put_file(run, output, "video.mp4"))


@step("transcode")
def transcode_audio(context: Context, run: Run) -> Context:
    """Encode one sound track, once for all renditions, on the picture's clock."""
    source, timeline = _plan(context, run)
    track = _sound(source, context["stream_index"])
    output = run.scratch / "audio.mp4"
    arguments = audio_command(track, timeline, input_path=_source(context, run), output_path=output)
    seconds = track.end_seconds - float(timeline.start_seconds)
    _encode(arguments, seconds, run)
    verify.check_audio(ffmpeg.packets(output, run.resources.tools), seconds)
    _prove(context, output, seconds, run)
    return context.extended(transcoded_key=put_file(run, output, "audio.mp4"))


@step("package")
def chunk_hls(context: Context, run: Run) -> Context:
    """Cut an encoded track into CMAF segments, shared by HLS and DASH, and index them."""
    folder = run.scratch / "segments"
    kind: Kind = "audio" if "stream_index" in context else "video"
    arguments = package_command(kind, packager.INPUT_NAME, context["segment_seconds"])
    encoded = get_file(run, context.transcoded_file)
    packager.package(arguments, encoded, folder, run.resources.tools, run.cancelled)
    init = (folder / INIT_NAME).read_bytes()
    track = index_track(context.quality, init, packager.read_segments(folder))
    if track.kind == "video":
        _, timeline = _plan(context, run)
        verify.check_track(track, timeline, keyframes(timeline, context["segment_seconds"]))
    track = replace(track, language=context.get("language", "und"), title=context.get("title", ""))
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


@step("notify")
def notify(context: Context, run: Run) -> Context:
    """Tell whoever listens on the queue of the top-level task how far the job is."""
    run.notify(
        context["main_task_id"],
        {
            "main_task_id": context["main_task_id"],
            "job_id": context["job_id"],
            "quality": context["quality_name"],
            "status": context["status"],
            "complete": context["complete"],
            "output_folder": context.folder_out,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        },
    )
    kept = {key: value for key, value in context.items() if key not in NOTICE_FIELDS}
    return Context(kept)


NOTICE_FIELDS = frozenset({"quality_name", "status", "complete"})
"""What a notification says of its own moment, and no later task may take for its own."""


@engine_task("playlist")
def add_playlist_footer(contexts: list[dict[str, Any]], run: Run) -> dict[str, Any]:
    """Join the branches and close HLS: the master playlist over all tracks."""
    context = Context.joined(
        contexts, collect=("track_key", "playlist_key", "segments_prefix", "name")
    )
    tracks = _tracks(context, run)
    return context.extended(master_key=put_text(run, "master.m3u8", hls.master_playlist(tracks)))


@step("package")
def chunk_dash(context: Context, run: Run) -> Context:
    """Write the DASH manifest over the very same segments."""
    tracks = _tracks(context, run)
    return context.extended(manifest_key=put_text(run, "manifest.mpd", dash.manifest(tracks)))


@step("publish")
def publish(context: Context, run: Run) -> Context:
    """Make the asset appear in its folder, whole, by one switch."""
    tracks = _tracks(context, run)
    source, _ = _plan(context, run)
    origin = Origin(
        asset_id=context["main_task_id"],
        parameters={name: context[name] for name in EncodingParameters.model_fields}
        | {"url": shown_source(context["url"])},
        tools=versions(run.resources.tools),
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )
    record_key = put_text(run, ASSET_NAME, asset_text(origin, source, tracks))
    files = [(get_file(run, record_key), ASSET_NAME)]
    files += [(get_file(run, context["master_key"]), context.master_playlist)]
    files += [(get_file(run, context["manifest_key"]), context.dash_manifest)]
    for track, prefix, playlist in zip(
        tracks, context["segments_prefix"], context["playlist_key"], strict=True
    ):
        files.append((get_file(run, playlist), f"{track.folder}/playlist.m3u8"))
        files += [
            (get_file(run, f"{prefix}/{name}"), f"{track.folder}/{name}")
            for name in file_names(track)
        ]
    run.check()
    publish_folder(
        files,
        Path(context.folder_out),
        asset_id=context["main_task_id"],
        token=publish_token(run.claim.job_id),
        overwrite=context["empty_target"],
    )
    run.log(f"published {context.folder_out}")
    return context


TASKS = (
    download_file,
    get_video_size,
    add_playlist_header,
    compute_target_size,
    transcode,
    transcode_audio,
    chunk_hls,
    add_playlist_info,
    notify,
    add_playlist_footer,
    chunk_dash,
    publish,
)


def file_names(track: Track) -> list[str]:
    """The files of a track's folder that hold media."""
    return [track.init_name, *(segment.name for segment in track.segments)]


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


def _plan(context: Context, run: Run) -> tuple[Source, Timeline]:
    plan = get_json(run, context["plan_key"])
    return Source.from_json(plan["source"]), Timeline.from_json(plan["timeline"])


def _tracks(context: Context, run: Run) -> list[Track]:
    return [Track.from_json(get_json(run, key)) for key in context["track_key"]]


def _sound(source: Source, index: int) -> AudioTrack:
    return next(track for track in source.audio if track.index == index)


def _source(context: Context, run: Run) -> Path:
    """The source on this machine, unchanged since the job began."""
    if "source_key" in context:
        return get_file(run, context["source_key"])
    if _file_state(context) != context["source_state"]:
        raise SourceError(
            f"{context['url']} was changed while the job ran",
            code="source_changed",
            hint="Wait until the file is complete, then submit it again.",
        )
    return Path(context["source_path"])


def _file_state(context: Context) -> list[int]:
    """Size in bytes and time of the last change, in nanoseconds."""
    try:
        facts = Path(context["url"]).stat()
    except OSError as error:
        raise SourceError(
            f"{context['url']} cannot be read: {error.strerror}",
            code="source_missing",
            hint="Check the path; every worker must be able to read it.",
        ) from error
    return [facts.st_size, facts.st_mtime_ns]
