"""A finished asset: which files it has, where they lie in the work area, how they are published."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from adaptation.adapters.publish import asset_id_of
from adaptation.adapters.publish import publish as publish_folder
from adaptation.adapters.tools import versions
from adaptation.context import Context
from adaptation.media import hls
from adaptation.media.asset_record import ASSET_NAME, Origin, asset_text
from adaptation.media.index import Track
from adaptation.media.sounds import linked
from adaptation.workflows.material import material_of
from adaptation.workflows.parameters import TOLD, shown_source
from adaptation.workflows.profiles import ENCODING
from adaptation.workflows.resources import Run, get_files, get_json, publish_token, put_text
from adaptation.workflows.storage_places import storage_place
from adaptation.workflows.storing import publish_to_storage
from adaptation.workflows.texts import text_files, texts_of

RECORD_KEY = "record_key"
"""Field of the context: key of the asset's record, of a workflow that writes its own."""

LINKED = "link_versions"
"""Field of the context: whether sounds of several files may be one sound in other encodings."""


def tracks_of(context: Context, run: Run) -> list[Track]:
    """The pictures and sounds of the asset, once they are joined."""
    found = [Track.from_json(get_json(run, key)) for key in context["track_key"]]
    return linked(found) if context.get(LINKED) else found


def asset_files(context: Context, run: Run) -> list[tuple[Path, str]]:
    """All files of an asset whose manifests are written: where each lies, and its name there."""
    files = [(context.get(RECORD_KEY) or _record(context, run), ASSET_NAME)]
    files += [(context["master_key"], context.master_playlist)]
    files += [(context["manifest_key"], context.dash_manifest)]
    for track, media, playlist in zip(
        tracks_of(context, run), context["media_key"], context["playlist_key"], strict=True
    ):
        files.append((playlist, f"{track.folder}/{hls.PLAYLIST_NAME}"))
        files += [(key, f"{track.folder}/{key.rpartition('/')[2]}") for key in get_json(run, media)]
    files += text_files(context, run)
    paths = get_files(run, [key for key, _ in files])
    return [(path, name) for path, (_, name) in zip(paths, files, strict=True)]


def put_in_place(context: Context, run: Run, files: Sequence[tuple[Path, str]]) -> list[str]:
    """Let an asset appear where the job wants it, whole, by one switch.

    Args:
        context: of the job: `output_folder`, `main_task_id`, `empty_target`, `replaces`.
        run: the task, which must still be its job's.
        files: all that the asset holds: path and name inside it.

    Returns:
        The names of its files there: in a storage, tracks lie below a folder of their version.

    Raises:
        OutputError, AdaptationError: as `adapters.publish.publish` or `publish_to_storage`.
    """
    run.check_now()
    if storage_place(context.folder_out):
        return publish_to_storage(context, run, files)
    output = Path(context.folder_out)
    publish_folder(
        files,
        output,
        asset_id=context["main_task_id"],
        token=publish_token(run.claim.job_id),
        # A job that is run anew takes the place of what it made before.
        overwrite=context["empty_target"] or asset_id_of(output) in context.get("replaces", ()),
        root=run.resources.assets_root,
    )
    run.resources.live.finish(run.claim.job_id, output)
    return [name for _, name in files]


def _record(context: Context, run: Run) -> str:
    """Write the record of an asset that was encoded from one source; returns its key."""
    origin = Origin(
        asset_id=context["main_task_id"],
        parameters={name: context[name] for name in TOLD}
        | {"url": shown_source(context["url"]), ENCODING: context[ENCODING]},
        tools=versions(run.resources.tools),
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )
    source = material_of(context, run).source
    record = asset_text(origin, source, tracks_of(context, run), texts_of(context, run))
    return put_text(run, ASSET_NAME, record)
