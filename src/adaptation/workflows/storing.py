"""Tasks at work with storages: a source that lies in one, an asset that goes to one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from adaptation.adapters import object_publish
from adaptation.adapters.object_store import ObjectStore
from adaptation.adapters.source_folder import SourceFolder
from adaptation.adapters.source_place import ObjectFolder, SourcePlace
from adaptation.context import Context
from adaptation.errors import SourceError
from adaptation.workflows.allowance import Allowance
from adaptation.workflows.gathering import is_playlist
from adaptation.workflows.resources import Run
from adaptation.workflows.storage_places import Place, storage_place


def folder_of(context: Context, folder: str) -> str:
    """Where a track's folder lies inside the asset: in a storage, in that of its version."""
    if storage_place(context.folder_out) is None:
        return folder
    return f"{object_publish.version_folder(context['main_task_id'])}/{folder}"


def fetched_source(context: Context, run: Run) -> Path:
    """Bring a source from its storage to this machine.

    Raises:
        SourceError: `source_too_large`, `source_playlist_unsupported`.
        ParameterError: `storage_unknown`.
        AdaptationError: as `ObjectStore.get_file`.
    """
    place = _place(context["url"])
    store = store_of(place, run)
    Allowance.of(run).check_size(place.key, store.facts(place.key).size_bytes)
    target = run.resources.download_folder(run.claim.job_id) / "source"
    store.get_file(
        place.key,
        target,
        cancelled=run.cancelled,
        on_progress=lambda done, total: run.progress(done / total if total else 0.0, bytes=done),
    )
    if is_playlist(target):
        raise SourceError(
            f"{place.key} is a playlist, and what it names is not fetched from a storage",
            code="source_playlist_unsupported",
            hint="Give the film as one file, or the http or https address of the playlist.",
        )
    return target


def check_destination(context: Context, run: Run) -> None:
    """Tell before any work is done whether the asset could go to its storage.

    Raises:
        OutputError: `output_exists`.
        ParameterError: `storage_unknown`.
        AdaptationError: as `ObjectStore.read`.
    """
    place = storage_place(str(context.get("output_folder")))
    if place is None:
        return
    store = store_of(place, run)
    # Workflows that have no such parameter put single files beside what is there.
    if "empty_target" in context:
        object_publish.check_free(store, _plan(context, run, place))


def source_folder(words: str, run: Run) -> SourcePlace:
    """A folder of sources that a job names: a path, or one of a storage.

    Raises:
        ParameterError: `storage_unknown`.
        AdaptationError: as `ObjectStore`.
    """
    if place := storage_place(words):
        return ObjectFolder(store_of(place, run), place.key, run.scratch / "sources")
    roots = [root for root in (run.resources.assets_root, run.resources.source_root) if root]
    return SourceFolder(Path(words), tuple(roots))


def put_files(place: Place, run: Run, made: Sequence[tuple[Path, str]]) -> None:
    """Put files into a folder of a storage beside what is there, each whole, in the order given.

    Raises:
        ParameterError: `storage_unknown`.
        AdaptationError: as `ObjectStore.put_file`.
    """
    store = store_of(place, run)
    for path, name in made:
        object_publish.put_beside(store, path, f"{place.key}/{name}")


def publish_to_storage(context: Context, run: Run, files: list[tuple[Path, str]]) -> None:
    """Make the asset appear in its storage; see `adaptation.adapters.object_publish.publish`."""
    place = _place(context.folder_out)
    object_publish.publish(files, store_of(place, run), _plan(context, run, place))
    # What could be watched while it grew has another place now, which no link can lead to.
    run.resources.live.remove(run.claim.job_id)


def _plan(context: Context, run: Run, place: Place) -> object_publish.Plan:
    return object_publish.Plan(
        folder=place.key,
        asset_id=context["main_task_id"],
        may_replace=_replaceable(context),
        cancelled=run.cancelled,
        on_progress=lambda done, total: run.progress(done / total if total else 0.0),
        confirm=run.check_now,
    )


def _replaceable(context: Context) -> Callable[[str], bool]:
    # A job that is run anew takes the place of what it made before.
    return lambda asset_id: context["empty_target"] or asset_id in context.get("replaces", ())


def _place(words: str) -> Place:
    place = storage_place(words)
    if place is None:
        raise ValueError(f"{words!r} is no place of a storage")
    return place


def store_of(place: Place, run: Run) -> ObjectStore:
    """The storage of a place, opened, if the job's client may use it.

    Raises:
        ParameterError: `storage_unknown`.
        AdaptationError: as `ObjectStore`.
    """
    Allowance.of(run).check_storage(place.storage)
    return run.resources.storage(place.storage)
