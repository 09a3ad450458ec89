"""What is known of the quality of what a job has made: measured, about to be, or why not."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adaptation.adapters.asset_folder import opened_asset
from adaptation.adapters.asset_place import AssetPlace
from adaptation.adapters.object_asset import opened_object_asset
from adaptation.adapters.object_store import ObjectStore
from adaptation.engine.model import Job
from adaptation.engine.store import Store
from adaptation.errors import AdaptationError
from adaptation.media.quality import QUALITY_NAME, Quality, worst_first
from adaptation.workflows import measure_quality
from adaptation.workflows.measuring import ASSET
from adaptation.workflows.storage_places import storage_place

MOST_BYTES = 64 * 1024 * 1024
"""Of a day of film in twenty renditions."""
MOST_WORST = 20
"""Segments that stand out, as told to programs."""
NONE, WAITING, MEASURING, FAILED, MEASURED = "none", "waiting", "measuring", "failed", "measured"


@dataclass(frozen=True)
class Standing:
    """How it stands with the quality of what a job has made."""

    state: str
    """One of `NONE`, `WAITING`, `MEASURING`, `FAILED` and `MEASURED`."""
    by: Job | None = None
    """The newest job that measures, if anything was asked for."""
    progress: float = 0.0
    """0 to 1, while it is measured."""
    quality: Quality | None = None
    """What was measured; also what an earlier measurement gave, while or after another one."""

    @property
    def error(self) -> dict[str, Any]:
        """`message`, `code` and `hint` of what went wrong; empty: nothing did."""
        if self.by is None or self.state != FAILED:
            return {}
        cancelled = {"message": "the measurement was cancelled", "code": "cancelled", "hint": ""}
        return {**cancelled, **(self.by.error or {})}

    def to_json(self) -> dict[str, Any]:
        """As the API and the command line tell it."""
        found = self.quality
        worst = worst_first(found.renditions)[:MOST_WORST] if found else []
        return {
            "state": self.state,
            "measured_by": self.by.id if self.by else None,
            "progress": self.progress,
            "error": self.error.get("message"),
            "code": self.error.get("code"),
            "hint": self.error.get("hint"),
            "measured_at": found.measured_at if found else None,
            "model": found.model if found else None,
            "width": found.width if found else None,
            "height": found.height if found else None,
            "renditions": [asdict(one) for one in found.renditions] if found else [],
            "worst": [
                {"rendition": bad.rendition, "below": bad.below, **asdict(bad.segment)}
                for bad in worst
            ],
        }


@dataclass(frozen=True)
class Shelf:
    """Where assets lie, for who only reads them."""

    root: Path
    """Below it no symbolic link is followed."""
    storage: Callable[[str], ObjectStore]
    """Opens a configured storage by its name."""

    def opened(self, folder: str) -> AbstractContextManager[AssetPlace]:
        """The asset in a folder, a path or one of a storage, for a block.

        Raises:
            SourceError: `asset_missing`.
            AdaptationError: as `opened_asset` and `opened_object_asset`.
        """
        if place := storage_place(folder):
            return nullcontext(opened_object_asset(self.storage(place.storage), place.key))
        return opened_asset(Path(folder), self.root)


def standing_of(store: Store, shelf: Shelf, job: Job) -> Standing:
    """How it stands with a job that makes an asset, or with one that measures another's."""
    known = [job] if job.workflow == measure_quality.NAME else measure_quality.tries(store, job)
    by = known[-1] if known else None
    quality = _read(shelf, job)
    if by is None:
        return Standing(MEASURED if quality else NONE, quality=quality)
    if by.succeeded:
        return Standing(MEASURED if quality else NONE, by, quality=quality)
    if by.ended:
        return Standing(FAILED, by, quality=quality)
    tasks = store.tasks(by.id)
    share = sum(task.progress for task in tasks) / max(1, len(tasks))
    has_begun = any(task.started_at for task in tasks)
    return Standing(MEASURING if has_begun else WAITING, by, share, quality)


def folder_of(job: Job) -> str | None:
    """The folder of the asset that a job has made or measured; None: it has none."""
    name = "source_folder" if job.workflow == measure_quality.NAME else "output_folder"
    folder = job.parameters.get(name)
    return folder if isinstance(folder, str) else None


def _read(shelf: Shelf, job: Job) -> Quality | None:
    """What was measured of the very asset that a job has made or measured."""
    folder = folder_of(job)
    own = job.main_task_id
    if job.workflow == measure_quality.NAME:
        own = str((job.result or {}).get(ASSET))
    if folder is None or not job.succeeded:
        return None
    try:
        with shelf.opened(folder) as place, place.reading(QUALITY_NAME) as file:
            found = Quality.from_json(json.loads(file.read(MOST_BYTES)))
    except (AdaptationError, OSError, ValueError):
        # Nothing was measured, or it was deleted: there is nothing to be told.
        return None
    return found if found.asset_id == own else None
