"""The tasks of a job around its tracks: fetch, probe, fan out, join, publish, tell."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adaptation.context import Context
from adaptation.engine.history import PLANNED
from adaptation.engine.tasks import Expand
from adaptation.engine.tasks import task as engine_task
from adaptation.errors import AdaptationError
from adaptation.media import dash, hls
from adaptation.media.inspection import check_length
from adaptation.media.picture import notes
from adaptation.media.playlist_source import Preference
from adaptation.workflows.allowance import Allowance
from adaptation.workflows.branches import branches
from adaptation.workflows.copying import choose
from adaptation.workflows.experience import planned_figures
from adaptation.workflows.finished import asset_files, put_in_place, tracks_of
from adaptation.workflows.gathering import (
    GATHERED_SECONDS,
    PREFERENCE,
    PROGRAMME_START,
    Gathered,
    gather,
    is_playlist,
)
from adaptation.workflows.material import (
    COPIED,
    check_end,
    file_state,
    material_of,
    read_material,
    source_path,
)
from adaptation.workflows.parameters import is_web
from adaptation.workflows.report import PUBLISHED, published
from adaptation.workflows.resources import (
    Run,
    put_file,
    put_text,
)
from adaptation.workflows.reuse import with_digest
from adaptation.workflows.step import step
from adaptation.workflows.storage_places import storage_place
from adaptation.workflows.storing import (
    check_destination,
    fetched_source,
)
from adaptation.workflows.texts import joined_texts, readable_subtitles, texts_of


@step("download", more_tries="retries")
def download_file(context: Context, run: Run) -> Context:
    """Bring the source to where every worker can read it; a local file stays where it is.

    Of a playlist all that it names is brought, and made one file.
    """
    context = context.extended(job_id=run.claim.job_id, main_task_id=run.claim.main_task_id)
    allowance, preference = Allowance.of(run), Preference(**context.get(PREFERENCE, {}))
    check_destination(context, run)
    if storage_place(context["url"]):
        path, address, children = fetched_source(context, run)
        if is_playlist(path):
            most = allowance.source_bytes
            gathered = gather(path, address, run, most, preference, children=children)
            return _with_gathered(context, run, gathered)
        return context.extended(source_key=put_file(run, path, "source"))
    if not is_web(context["url"]):
        state, path = file_state(context, run), Path(context["url"])
        allowance.check_size(context["url"], state[0])
        if is_playlist(path):
            # Resolved: by what it names a link is at the place that it leads to.
            real = path.resolve()
            gathered = gather(real, real.as_uri(), run, allowance.source_bytes, preference)
            return _with_gathered(context, run, gathered)
        return context.extended(source_path=context["url"], source_state=state)
    from adaptation.adapters.web import fetch

    folder = run.resources.download_folder(run.claim.job_id)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "source"
    fetched = fetch(
        context["url"],
        target,
        policy=run.resources.policy.granting(run.claim.limits),
        total_seconds=run.resources.fetch_seconds,
        most_bytes=allowance.source_bytes,
        cancelled=run.cancelled,
        on_progress=lambda done, total: run.progress(done / total if total else 0.0, bytes=done),
    )
    check_end(target, fetched.length_known)
    if not fetched.length_known:
        run.log("the server announced no length: a cut would show only in the container", 30)
    if is_playlist(target):
        gathered = gather(target, fetched.address, run, allowance.source_bytes, preference)
        return _with_gathered(context, run, gathered)
    return context.extended(source_key=put_file(run, target, "source"))


@step("probe")
def get_video_size(context: Context, run: Run) -> Context:
    """Read all packets of the source: size, tracks, and when each frame is shown."""
    context = with_digest(context, run)
    path = source_path(context, run)
    material = read_material(path, run.resources.tools, context["max_frame_rate"])
    Allowance.of(run).check_source(material.source)
    check_length("playlist", context.get(GATHERED_SECONDS, 0.0), material.source.duration_seconds)
    picture, source, timeline = material.picture, material.source, material.timeline
    run.log(f"source: {picture.width}x{picture.height}, {source.duration_seconds:.2f} s")
    if timeline.thinning > 1:
        run.log(f"one of {timeline.thinning} frames is kept: {float(timeline.frame_rate):.2f} fps")
    for note in notes(picture):
        run.log(note)
    choice = choose(context, material, path, run.resources.tools, run.cancelled)
    if choice.note:
        run.log(choice.note)
    return context.extended(
        **{COPIED: choice.copied},
        material_key=material.store(run),
        width=picture.width,
        height=picture.height,
        duration_seconds=source.duration_seconds,
    )


@step("playlist")
def add_playlist_header(context: Context, run: Run) -> Expand:
    """Open the playlists: decide on tracks and chunks, and fan out over them."""
    material = material_of(context, run)
    plan = material.plan(context, run.resources.parallel_chunks)
    Allowance.of(run).check_plan(plan, run.resources.parallel_chunks)
    texts = readable_subtitles(material.source, run)
    names = ", ".join(rung.name for rung in plan.ladder)
    for note in plan.notes:
        run.log(note)
    run.log(
        f"profile {plan.profile.name}: {len(plan.ladder)} renditions ({names}) in"
        f" {len(plan.chunks)} chunks, {len(plan.sounds)} sound tracks"
    )
    context = context.extended(
        **{PLANNED: planned_figures(plan)},
        ladder=[rendition.to_json() for rendition in plan.ladder],
    )
    return Expand(context, branches(plan, texts))


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
        [branch for branch in contexts if "track_key" in branch],
        collect=("track_key", "playlist_key", "media_key", "name"),
    ).extended(**joined_texts(contexts))
    master = hls.master_playlist(tracks_of(context, run), texts_of(context, run))
    return context.extended(master_key=put_text(run, "master.m3u8", master))


@step("package")
def chunk_dash(context: Context, run: Run) -> Context:
    """Write the DASH manifest over the very same segments."""
    manifest = dash.manifest(tracks_of(context, run), texts_of(context, run))
    return context.extended(manifest_key=put_text(run, "manifest.mpd", manifest))


@step("publish")
def publish(context: Context, run: Run) -> Context:
    """Make the asset appear in its folder, whole, by one switch."""
    names = put_in_place(context, run, asset_files(context, run))
    seconds = float(material_of(context, run).timeline.duration_seconds)
    context = context.extended(**{PUBLISHED: published(names, seconds)})
    run.log(f"published {context.folder_out}")
    return context


@step("notify")
def order_quality(context: Context, run: Run) -> Context:
    """Have the published asset measured by a job of its own; without that it is no worse."""
    try:
        number = run.resources.measure(run.claim.job_id)
    except AdaptationError as error:
        told = f"quality is not measured: {error.message} ({error.code})"
        run.log(told, logging.WARNING)
    else:
        run.log(f"quality is measured by job {number}")
    return context


TASKS = (
    download_file,
    get_video_size,
    add_playlist_header,
    notify,
    add_playlist_footer,
    chunk_dash,
    publish,
    order_quality,
)


def _with_gathered(context: Context, run: Run, gathered: Gathered) -> Context:
    key = put_file(run, gathered.path, "source")
    start = gathered.programme_start
    told = {} if start is None else {PROGRAMME_START: start.isoformat()}
    return context.extended(**{"source_key": key, GATHERED_SECONDS: gathered.least_seconds, **told})
