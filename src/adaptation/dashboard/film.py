"""What of a job's work can be looked at by now: a film that grows or is whole, or single files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import quote

from adaptation.adapters.made_files import (
    FilesFar,
    FilesHere,
    MadeFile,
    MadeFiles,
    missing_file,
    record_of,
)
from adaptation.adapters.media_types import MEDIA_TYPES
from adaptation.engine.model import Job
from adaptation.engine.states import JobState
from adaptation.errors import AdaptationError
from adaptation.media.asset_record import CLEAR, PROTECTION
from adaptation.media.dash import MANIFEST_NAME
from adaptation.media.hls import MASTER_NAME
from adaptation.wiring import Deployment
from adaptation.workflows import encoding, vodstream
from adaptation.workflows.additions import THUMBNAIL_NAME
from adaptation.workflows.deleting import FOLDER
from adaptation.workflows.report import PUBLISHED
from adaptation.workflows.storage_places import storage_place

ENCODERS = frozenset({encoding.NAME, vodstream.NAME})
"""Workflows whose asset can be watched while it is made, and is known by the job's id."""
SHOWN_TYPES = frozenset(MEDIA_TYPES) - {".json"}
"""Ends of names of files that are shown; an asset's record tells of its source."""
IMAGE_TYPES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif"})
SOON_SECONDS, LATER_SECONDS = 0.5, 2.0
"""When to ask again about a job that runs, and about one that does not yet."""
SYSTEMS = {"widevine": "Widevine", "playready": "PlayReady", "fairplay": "FairPlay"}

State = Literal["waiting", "growing", "whole", "files", "protected", "none"]


@dataclass(frozen=True)
class Film:
    """What is shown of a job."""

    job_id: int
    state: State
    sentence: str = ""
    """What there is to know about it."""
    again_seconds: float = 0.0
    """When it may be another; 0: it will not."""
    hls: str = ""
    """Address of the HLS master playlist."""
    dash: str = ""
    """Address of the DASH manifest."""
    mp4: str = ""
    """Address of an MP4 of the same film, for browsers that play no manifest."""
    poster: str = ""
    """Address of an image of it."""
    sprite: str = ""
    """Address of the WebVTT of small pictures for the time line."""
    images: list[tuple[str, str]] = field(default_factory=list)
    """Names and addresses of images that the job has made."""
    videos: list[tuple[str, str]] = field(default_factory=list)
    """The same of videos."""


def film_of(engine: Deployment, job: Job, *, far: bool = True) -> Film | None:
    """What is shown of a job; None: nothing that can be looked at is its work.

    Args:
        engine: where its files are looked for.
        job: as stored.
        far: whether a storage is asked, which may take a while.
    """
    if job.output is None or job.workflow == FOLDER:
        return None
    if not job.succeeded:
        return _unfinished(engine, job)
    if PUBLISHED not in (job.result or {}):
        return _of_files(job, _made(engine, job)[1])
    if storage_place(job.output) and not far:
        return Film(job.id, "waiting", f"Looking for it in {job.output} …", SOON_SECONDS)
    return _of_asset(engine, job)


@contextmanager
def opened(engine: Deployment, job: Job, name: str) -> Iterator[MadeFile]:
    """Open a file that a job has made.

    Args:
        engine: where it is looked for.
        job: as stored.
        name: relative to the folder of its work, with `/`.

    Raises:
        AdaptationError: as `MadeFiles.opened`; `file_missing` also for what is not shown.
    """
    if PurePosixPath(name).suffix.lower() not in SHOWN_TYPES:
        raise missing_file(name)
    live = _live(engine, job)
    # Its work keeps these names when it is whole.
    files = live if can_be_watched(live) else _whole(engine, job, name)
    with files.opened(name) as file:
        yield file


def can_be_watched(files: MadeFiles) -> bool:
    """Whether an asset that grows has something of all its tracks by now."""
    try:
        with files.opened(MASTER_NAME):
            return True
    except AdaptationError:
        return False


def address(job_id: int, name: str) -> str:
    """Where a file that a job has made is answered."""
    return f"/ui/jobs/{job_id}/media/{quote(name)}"


def _live(engine: Deployment, job: Job) -> FilesHere:
    root = engine.settings.live_root
    return FilesHere(root / str(job.id), root)


def _whole(engine: Deployment, job: Job, name: str) -> MadeFiles:
    """Where a job's finished work lies, if `name` can be part of it."""
    is_asset = job.workflow in ENCODERS if not job.ended else PUBLISHED in (job.result or {})
    folder, names = (str(job.output), [name]) if is_asset else _made(engine, job)
    if job.output is None or name not in names:
        raise missing_file(name)
    return _files(engine, folder)


def _files(engine: Deployment, folder: str) -> MadeFiles:
    if place := storage_place(folder):
        return FilesFar(engine.storage(place.storage), place.key)
    return FilesHere(Path(folder), engine.settings.assets_root)


def _made(engine: Deployment, job: Job) -> tuple[str, list[str]]:
    """The folder that single files were put into, and their names."""
    workflow = engine.registry.workflows.get(job.workflow)
    told = workflow.report(job.result) if workflow and job.succeeded and job.result else {}
    paths = [str(path) for path in told.get("files", ())]
    output = str(job.output)
    # Of some workflows the output is a folder, of others a file.
    folder = output if all(one.startswith(f"{output}/") for one in paths) else _parent(output)
    return folder, [one[len(folder) + 1 :] for one in paths if one.startswith(f"{folder}/")]


def _parent(output: str) -> str:
    return output.rpartition("/")[0]


def _unfinished(engine: Deployment, job: Job) -> Film:
    if can_be_watched(_live(engine, job)):
        sentence = "The job ended before it was whole: this is what there is of it."
        return Film(
            job.id,
            "growing",
            sentence if job.ended else "It is still being encoded, and plays as far as it is.",
            hls=address(job.id, MASTER_NAME),
            dash=address(job.id, MANIFEST_NAME),
        )
    if job.ended:
        return Film(job.id, "none", "There is nothing to see: the job ended before.")
    wait = SOON_SECONDS if job.state is JobState.STARTED else LATER_SECONDS
    return Film(job.id, "waiting", _when(job), wait)


def _when(job: Job) -> str:
    """When there will be something to see."""
    start = {
        JobState.STARTED: "",
        JobState.PAUSED: "The job is paused. ",
        JobState.SCHEDULED: "The job waits for its time. ",
    }.get(job.state, "The job waits for its turn. ")
    if job.workflow in ENCODERS:
        what = "The picture comes by itself as soon as each track has its first segment"
        return f"{start}{what}: some seconds after encoding begins."
    return f"{start}What it makes comes here by itself when it has ended."


def _of_files(job: Job, names: list[str]) -> Film:
    by_kind: dict[bool, list[tuple[str, str]]] = {True: [], False: []}
    for name in names:
        suffix = PurePosixPath(name).suffix.lower()
        if suffix in IMAGE_TYPES | {".mp4"}:
            by_kind[suffix in IMAGE_TYPES].append((name, address(job.id, name)))
    if not any(by_kind.values()):
        return Film(job.id, "none", "Nothing that the job made can be looked at here.")
    return Film(job.id, "files", images=by_kind[True], videos=by_kind[False])


def _of_asset(engine: Deployment, job: Job) -> Film:
    """A finished asset, if it is still there and still this one."""
    record = record_of(_files(engine, str(job.output)))
    if not record:
        return Film(job.id, "none", f"There is no asset in {job.output} any more.")
    if job.workflow in ENCODERS and record.get("asset_id") != job.main_task_id:
        return Film(job.id, "none", f"Another job has replaced the asset in {job.output} since.")
    if sentence := _locked(record):
        return Film(job.id, "protected", sentence)
    names = [str(name) for name in (job.result or {})[PUBLISHED]["files"] if "/" not in name]
    manifests = record.get("manifests", {})
    return Film(
        job.id,
        "whole",
        hls=address(job.id, manifests.get("hls", MASTER_NAME)),
        dash=address(job.id, manifests.get("dash", MANIFEST_NAME)),
        mp4=_first(job, names, {".mp4"}),
        poster=_first(job, names, {".jpg"}, THUMBNAIL_NAME),
        sprite=_first(job, names, {".vtt"}),
    )


def _first(job: Job, names: list[str], suffixes: set[str], only: str = "") -> str:
    fit = (one for one in names if PurePosixPath(one).suffix in suffixes and one == (only or one))
    found = next(fit, None)
    return address(job.id, found) if found else ""


def _locked(record: Mapping[str, Any]) -> str:
    """Why an asset does not play here; empty: it does."""
    told = record.get(PROTECTION) or {}
    scheme = told.get("active", CLEAR)
    if scheme == CLEAR:
        return ""
    systems = ", ".join(SYSTEMS.get(one, one) for one in told.get("systems", ()))
    missing = "the address of its keys" if scheme == "aes128" else "a licence server"
    return (
        f"The asset is encrypted ({scheme}; {systems or 'no system'}): to play it takes {missing},"
        " which this page has none of. Play it where your own player has one."
    )
