"""Tasks at work with storages: a source that lies in one, an asset that goes to one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from adaptation.adapters import object_publish
from adaptation.adapters.object_children import ObjectChildren, address_of
from adaptation.adapters.object_publish import LEADING
from adaptation.adapters.object_store import ObjectStore
from adaptation.adapters.source_folder import SourceFolder
from adaptation.adapters.source_place import ObjectFolder, SourcePlace
from adaptation.context import Context
from adaptation.errors import ParameterError
from adaptation.media.asset import Asset
from adaptation.media.asset_record import ASSET_NAME
from adaptation.workflows.allowance import Allowance
from adaptation.workflows.manifests import leading_files
from adaptation.workflows.resources import Run
from adaptation.workflows.storage_places import Place, storage_place


def fetched_source(context: Context, run: Run) -> tuple[Path, str, ObjectChildren]:
    """Bring a source from its storage to this machine.

    Returns:
        The file; and if it is a playlist, the address that what it names is relative to, and what
        brings that.

    Raises:
        SourceError: `source_too_large`.
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
    folder = place.key.rpartition("/")[0]
    return target, address_of(place.key), ObjectChildren(store, folder)


def check_destination(context: Context, run: Run) -> None:
    """Tell before any work is done whether the asset could go to its storage.

    Raises:
        OutputError: `output_exists`.
        ParameterError: `storage_unknown`, `storage_needed`.
        AdaptationError: as `ObjectStore.read`.
    """
    place = storage_place(str(context.get("output_folder")))
    if place is None:
        if not run.resources.shares_outputs:
            raise ParameterError(
                "the output would lie on whichever machine makes it: no folder is shared",
                code="storage_needed",
                hint="Name a destination_storage, or have the operator set ADAPTATION_OUTPUT_ROOT"
                " to a folder that all machines see.",
            )
        return
    store = store_of(place, run)
    # Workflows that have no such parameter put single files beside what is there.
    if "empty_target" in context:
        plan = plan_of(place, context["main_task_id"], _replaceable(context), run)
        object_publish.check_free(store, plan)


def source_folder(words: str, run: Run) -> SourcePlace:
    """A folder of sources that a job names: a path, or one of a storage.

    Raises:
        ParameterError: `storage_unknown`.
        AdaptationError: as `ObjectStore`.
    """
    if place := storage_place(words):
        folder = run.resources.download_folder(run.claim.job_id)
        return ObjectFolder(store_of(place, run), place.key, folder / "sources")
    roots = [root for root in (run.resources.assets_root, run.resources.source_root) if root]
    return SourceFolder(Path(words), tuple(roots))


def put_files(
    place: Place, run: Run, made: Sequence[tuple[Path, str]], further: Iterable[str] = ()
) -> None:
    """Put files into a folder of a storage beside what is there, each whole, in the order given.

    Args:
        place: the folder.
        run: the task.
        made: files and their names.
        further: names that an earlier publication of more files went on with; what is there of
            them without a gap is deleted.

    Raises:
        ParameterError: `storage_unknown`.
        AdaptationError: as `ObjectStore.put_file`.
    """
    store = store_of(place, run)
    for path, name in made:
        object_publish.put_beside(store, path, f"{place.key}/{name}")
    there = {found.key for found in store.objects(place.key)}
    spare = takewhile(there.__contains__, (f"{place.key}/{name}" for name in further))
    store.delete(list(spare))


def publish_to_storage(context: Context, run: Run, files: Iterable[tuple[Path, str]]) -> list[str]:
    """Make a new asset appear in its storage; see `adaptation.adapters.object_publish.publish`.

    Args:
        context: of the job.
        run: the task.
        files: all that the asset holds: path and name inside it, as in a folder; the manifests
            and the record are written anew, for all tracks lie below a folder of their version.

    Returns:
        The names of all its files there.
    """
    place = _place(context.folder_out)
    given = {name: path for path, name in files}
    base = object_publish.version_folder(context["main_task_id"])
    asset = replace(Asset.from_json(json.loads(given[ASSET_NAME].read_bytes())), base=base)
    pieces = [
        (path, f"{base}/{name}" if "/" in name else name)
        for name, path in given.items()
        if name not in LEADING
    ]
    pieces += leading_files(asset, run.scratch / "leading")
    plan = plan_of(place, context["main_task_id"], _replaceable(context), run)
    object_publish.publish(pieces, store_of(place, run), plan)
    # What could be watched while it grew has another place now, which no link can lead to.
    run.resources.live.remove(run.claim.job_id)
    return sorted(name for _, name in pieces)


def plan_of(
    place: Place, asset_id: str, may_replace: Callable[[str], bool], run: Run
) -> object_publish.Plan:
    """On which terms a task publishes an asset to a place; it tells how far it is."""
    return object_publish.Plan(
        folder=place.key,
        asset_id=asset_id,
        may_replace=may_replace,
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
