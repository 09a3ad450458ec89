"""What the composition root gives to every task: tools, places and policies."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adaptation.adapters.addresses import PUBLIC_ONLY, AddressPolicy
from adaptation.adapters.chunk_cache import ChunkCache
from adaptation.adapters.key_files import KeyFiles
from adaptation.adapters.live import LiveArea
from adaptation.adapters.object_store import ObjectStore
from adaptation.adapters.object_work import numbered
from adaptation.adapters.storage import Storage
from adaptation.adapters.storage_config import storage_unknown
from adaptation.adapters.tools import Tools
from adaptation.engine.tasks import TaskRun
from adaptation.errors import SettingsError
from adaptation.limits import Value

NO_KEY_FILES = KeyFiles()
FETCHED_AT_ONCE = 8


def no_measuring(job_id: int) -> int:
    """For a process that takes no jobs in.

    Raises:
        SettingsError: `submit_impossible`.
    """
    raise SettingsError(
        f"job {job_id} cannot be followed by another one from here",
        code="submit_impossible",
        hint="Submit a job of measure_quality yourself.",
    )


def no_storage(name: str) -> ObjectStore:
    """For a process that knows of no storages.

    Raises:
        ParameterError: `storage_unknown`.
    """
    raise storage_unknown(name)


@dataclass(frozen=True)
class Resources:
    """The same for all tasks of a process."""

    tools: Tools
    work: Storage
    """The work area: the only way files get from one task to another."""
    downloads: Path
    """Folder for downloads under way, so that a cut one is resumed by the next attempt."""
    live: LiveArea
    """Where assets can be watched while they grow."""
    assets_root: Path | None = None
    """The folder of relative outputs: below it, symbolic links are not followed."""
    shares_outputs: bool = True
    """Whether all machines see the outputs that lie in folders."""
    source_root: Path | None = None
    """The folder of clients' local sources: the same; None: they have none."""
    parallel_chunks: int = 2
    """How many chunks of one job are meant to be encoded at a time. Part of the plan: the bytes
    depend on where chunks begin."""
    chunk_cache: ChunkCache | None = None
    """Chunks that were encoded before; none: each is encoded."""
    limits: Mapping[str, Value] = field(default_factory=dict)
    """What every client may use that has no limit of its own, see `adaptation.limits`."""

    policy: AddressPolicy = PUBLIC_ONLY
    """Which addresses may be reached."""
    fetch_seconds: float = 21_600.0
    """How long one attempt at fetching a source may take."""
    writers_below: Callable[[str], Sequence[int]] = lambda folder: ()  # noqa: ARG005
    """The unfinished jobs whose outputs lie inside a folder."""

    key_files: KeyFiles = NO_KEY_FILES
    """For whom and by whom documents with content keys may be encrypted and signed."""
    storage: Callable[[str], ObjectStore] = no_storage
    """Opens a configured storage by its name; raises `storage_unknown`."""
    measure: Callable[[int], int] = no_measuring
    """Has the asset of a job measured by another one, whose number it gives; see
    `adaptation.workflows.measure_quality.order`."""

    def download_folder(self, job_id: int) -> Path:
        """Where a job's downloads gather."""
        return self.downloads / str(job_id)

    def remove_work(self, job_id: int) -> None:
        """Delete everything a job left in the work area."""
        self.work.delete_prefix(f"jobs/{job_id}")
        self.forget(job_id)

    def jobs_beside(self) -> set[int]:
        """The jobs that have left something there."""
        return numbered(self.downloads) | numbered(self.live.root)

    def forget(self, job_id: int) -> None:
        """Delete what a job left beside the work area."""
        shutil.rmtree(self.download_folder(job_id), ignore_errors=True)
        self.live.remove(job_id)


Run = TaskRun[Resources]
"""An attempt of a task of ours."""


def publish_token(job_id: int) -> str:
    """Names a job's publication, so that what a killed one left beside the output is found."""
    return f"job{job_id}"


def put_json(run: Run, name: str, document: Any) -> str:
    """Store a JSON document under this attempt's prefix; returns its key."""
    key = f"{run.area}/{name}"
    run.resources.work.put_bytes(json.dumps(document, separators=(",", ":")).encode(), key)
    return key


def put_text(run: Run, name: str, text: str) -> str:
    """Store a text under this attempt's prefix; returns its key."""
    key = f"{run.area}/{name}"
    run.resources.work.put_bytes(text.encode(), key)
    return key


def put_file(run: Run, path: Path, name: str) -> str:
    """Store a finished file under this attempt's prefix; returns its key."""
    key = f"{run.area}/{name}"
    run.resources.work.put_file(path, key)
    return key


def get_file(run: Run, key: str) -> Path:
    """A path to read a stored file from."""
    return run.resources.work.open_local(key, run.cancelled)


def get_files(run: Run, keys: Sequence[str]) -> list[Path]:
    """Paths to read stored files from, in their order; what is far away is fetched side by side."""
    with ThreadPoolExecutor(FETCHED_AT_ONCE, "fetching") as pool:
        return list(pool.map(lambda key: get_file(run, key), keys))


def get_json(run: Run, key: str) -> Any:
    """Read a stored JSON document."""
    return json.loads(get_file(run, key).read_bytes())
