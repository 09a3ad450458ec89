"""Assets that are there already: opened wherever they lie, and published anew with what changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeGuard

from adaptation.adapters import object_publish
from adaptation.adapters.asset_folder import AssetFolder, opened_asset
from adaptation.adapters.asset_place import AssetPlace
from adaptation.adapters.object_asset import ObjectAsset, opened_object_asset
from adaptation.adapters.object_publish import Remote
from adaptation.adapters.object_store import ObjectStore
from adaptation.adapters.publish import check_output
from adaptation.adapters.publish import publish as publish_folder
from adaptation.media.asset import Asset
from adaptation.workflows.manifests import leading_files
from adaptation.workflows.resources import Run, publish_token
from adaptation.workflows.storage_places import Place, storage_place
from adaptation.workflows.storing import plan_of, store_of

FETCHED, WRITTEN = "fetched", "leading"
"""Folders in scratch: of what is brought from a storage, and of manifests and the record."""


@dataclass(frozen=True)
class Renewal:
    """An asset as it is to be; its names are those of `AssetPlace`."""

    asset: Asset
    """All that its manifests and its record are written from."""
    kept: Mapping[str, str]
    """Files that stay as they are: the name of each, and the one that it had."""
    made: Mapping[str, Path]
    """Files that are new, by name."""


@contextmanager
def opened_place(words: str, run: Run) -> Iterator[AssetPlace]:
    """The asset in a folder that a job names, a path or one of a storage, for a block.

    Raises:
        SourceError: `asset_missing`.
        ParameterError: `path_outside`, `storage_unknown`.
        AdaptationError: as `opened_object_asset`.
    """
    if place := storage_place(words):
        yield opened_object_asset(store_of(place, run), place.key)
        return
    with opened_asset(Path(words), run.resources.assets_root) as folder:
        yield folder


def check_renewable(output: str, asset_id: str, run: Run) -> None:
    """Tell before any work is done whether an asset could be published anew.

    Raises:
        OutputError: as `check_output`, `object_publish.check_free`.
        ParameterError: `storage_unknown`.
    """
    if place := storage_place(output):
        plan = plan_of(place, asset_id, _nothing_else, run)
        object_publish.check_free(store_of(place, run), plan)
    else:
        check_output(Path(output), overwrite=False, asset_id=asset_id)


def renew(place: AssetPlace, renewal: Renewal, output: str, run: Run) -> list[str]:
    """Let an asset appear as it is to be, in one moment; media that stay are not sent anywhere.

    Args:
        place: the asset as it is.
        renewal: as it is to be.
        output: the folder that it appears in, a path or one of a storage; it may be the same.
        run: the task, which must still be its job's.

    Returns:
        All its files: names relative to its folder, sorted.

    Raises:
        OutputError, AdaptationError: as `adapters.publish.publish`, `object_publish.publish`.
    """
    if target := storage_place(output):
        return _into_storage(place, renewal, target, run)
    return _into_folder(place, renewal, Path(output), run)


def _into_folder(place: AssetPlace, renewal: Renewal, output: Path, run: Run) -> list[str]:
    asset = replace(renewal.asset, base="")
    with _paths(place, list(renewal.kept.values()), run) as there:
        files = [(there[now], name) for name, now in renewal.kept.items()]
        files += [(path, name) for name, path in renewal.made.items()]
        files += leading_files(asset, run.scratch / WRITTEN)
        run.check_now()
        publish_folder(
            files,
            output,
            asset_id=asset.asset_id,
            token=publish_token(run.claim.job_id),
            overwrite=False,
            root=run.resources.assets_root,
            renew=True,
        )
    return sorted(name for _, name in files)


@contextmanager
def _paths(place: AssetPlace, names: Sequence[str], run: Run) -> Iterator[Mapping[str, Path]]:
    """Where files of an asset lie on this machine, for the length of a block."""
    if isinstance(place, AssetFolder):
        with place.files() as found:
            yield {name: path for path, name in found}
        return
    if not isinstance(place, ObjectAsset):
        raise TypeError(f"{place.name} is no place that files are brought from")
    yield place.fetch(names, run.scratch / FETCHED)


def _into_storage(place: AssetPlace, renewal: Renewal, target: Place, run: Run) -> list[str]:
    store = store_of(target, run)
    asset_id = renewal.asset.asset_id
    plan = plan_of(target, asset_id, _nothing_else, run)
    base = _new_base(asset_id, run)
    if _is_there(place, store, target):
        base = _base(place, renewal) or base
        plan = replace(plan, record_etag=place.etag)
    plan = replace(plan, base=base)
    with _pieces(place, renewal, run) as pieces:
        files = [(source, f"{base}/{name}" if "/" in name else name) for source, name in pieces]
        files += leading_files(replace(renewal.asset, base=base), run.scratch / WRITTEN)
        object_publish.publish(files, store, plan)
    return sorted(name for _, name in files)


@contextmanager
def _pieces(place: AssetPlace, renewal: Renewal, run: Run) -> Iterator[list[object_publish.Piece]]:
    """Where all files of an asset lie now, but for those that lead to them."""
    made: list[object_publish.Piece] = [(path, name) for name, path in renewal.made.items()]
    if isinstance(place, ObjectAsset):
        aside = run.scratch / FETCHED
        yield [
            *(
                (Remote(place.store, place.found(now), aside / name), name)
                for name, now in renewal.kept.items()
            ),
            *made,
        ]
        return
    with _paths(place, (), run) as there:
        yield [*((there[now], name) for name, now in renewal.kept.items()), *made]


def _is_there(place: AssetPlace, store: ObjectStore, target: Place) -> TypeGuard[ObjectAsset]:
    """Whether an asset lies in the very folder that it is to be in."""
    if not isinstance(place, ObjectAsset):
        return False
    return place.store.config == store.config and place.folder == target.key


def _base(place: ObjectAsset, renewal: Renewal) -> str:
    """The folder of media that an asset keeps; empty: one of its files changes or moves.

    Then some reader could find a manifest of before, and what it names in another state.
    """
    stays = all(name == now for name, now in renewal.kept.items())
    changed = (
        name
        for name, path in renewal.made.items()
        if name in place.objects
        and "/" in name
        and not object_publish.is_stored(place.store, path, place.objects[name])
    )
    return place.base if stays and next(changed, None) is None else ""


def _new_base(asset_id: str, run: Run) -> str:
    """A folder that no earlier job wrote to, and the same for all tries of this one."""
    return object_publish.version_folder(f"{asset_id}/{run.claim.main_task_id}")


def _nothing_else(asset_id: str) -> bool:  # noqa: ARG001 - as `Plan.may_replace`
    return False
