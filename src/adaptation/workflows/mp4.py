"""`createmp4`: the pictures and sounds of a folder in one MP4, copied and not encoded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from celery import chain
from celery.canvas import Signature
from pydantic import BaseModel, Field

from adaptation.adapters.containment import safe_key
from adaptation.adapters.publish import RECORD
from adaptation.adapters.source_folder import SourceFolder
from adaptation.adapters.source_place import SourcePlace
from adaptation.adapters.storage_config import LOCAL
from adaptation.context import Context
from adaptation.engine.graph import needing
from adaptation.engine.tasks import Expand, Registry, WorkflowDefinition
from adaptation.errors import OutputError, ParameterError, SourceError
from adaptation.media.mp4 import SOURCE_SUFFIXES
from adaptation.workflows.allowance import Allowance, limit_of
from adaptation.workflows.parameters import PRINTED, CommonParameters, checked, confined
from adaptation.workflows.places import source_place
from adaptation.workflows.remuxing import Remux, join, put_into
from adaptation.workflows.resources import Run
from adaptation.workflows.step import step
from adaptation.workflows.storage_places import (
    confined_folder,
    destination,
    into_source,
    joined,
    placed_below,
)
from adaptation.workflows.storing import source_folder

NAME = "createmp4"
MEZZANINE = "mezzanine"
STATE, MADE = "source_state", "made"
"""What the context calls the files of the source as they were first seen, and what was made."""
SPARE_BYTES = 64 * 1024 * 1024
"""Scratch that is needed beside the tracks and the MP4: indexes, and never much."""
MOST_RECORD_BYTES = 128 * 1024 * 1024
"""As much of an asset's record is read: that of a film of a day has a third of it."""
FORETOLD = {
    "sure": "rough",
    "based_on": "the canvas: the folder is read when the job runs",
    "tasks": {"create_mp4": 1},
}
"""What a dry run says beside the first tasks."""
CONTENT_ID = "{content_id}"
"""Stands for the content's key in a file's name."""


class Mp4Options(BaseModel):
    """Which MP4 is made of an asset or of files."""

    mp4_filename: str = Field(
        f"{CONTENT_ID}.mp4",
        min_length=1,
        max_length=400,
        description="Name of the MP4, which ends in .mp4.",
    )
    mezzanine: bool = Field(
        False, description="The MP4 holds all video tracks instead of the best one alone."
    )


class Mp4Parameters(Mp4Options, CommonParameters):
    """What a client may say to `createmp4`."""

    content_id: str = Field(
        min_length=1,
        max_length=200,
        pattern=PRINTED,
        description="The client's own key of the content; jobs are found by it.",
    )
    source_folder: str = Field(
        min_length=1,
        max_length=4000,
        description="The folder with an asset or with media files: below output_root if there is"
        " one, else below the folder of sources; or absolute.",
    )
    output_folder: str | None = Field(
        None, max_length=4000, description="The folder the MP4 appears in; null: source_folder."
    )


@step("probe")
def find_tracks(context: Context, run: Run) -> Expand:
    """Look at the folder, and claim as much scratch as copying its tracks takes."""
    context = context.extended(job_id=run.claim.job_id, main_task_id=run.claim.main_task_id)
    remux = remux_of(context, run)
    name = context["mp4_filename"]
    is_same = context["source_folder"] == context.folder_out
    if not remux.is_asset and is_same and _is_there(remux.folder, name):
        raise OutputError(
            f"{joined(context.folder_out, name)} is there already, among the sources",
            code="output_exists",
            hint="Give another mp4_filename or output_folder; no source is ever replaced.",
        )
    allowance = Allowance.of(run)
    allowance.check_size(remux.folder.name, size := remux.size_bytes)
    allowance.check_scratch(needed := scratch_bytes(remux))
    kind = "an asset" if remux.is_asset else f"{len(remux.files)} files"
    run.log(f"{remux.folder.name} holds {kind}, of which {size:,} bytes are looked at")
    context = context.extended(**{STATE: remux.state})
    return Expand(context, needing(create_mp4.s(), needed))


@step("package", more_tries="retries")
def create_mp4(context: Context, run: Run) -> Context:
    """Copy the tracks into one MP4, prove it, and put it into its folder, whole."""
    remux = remux_of(context, run)
    if remux.state != context[STATE]:
        raise SourceError(
            f"{remux.folder.name} was changed while the job ran",
            code="source_changed",
            hint="Wait until all its files are complete, then submit it again.",
        )
    name = context["mp4_filename"]
    made = run.scratch / "made.mp4"
    seconds = join(remux, made, run)
    run.check_now()
    put_into(made, context.folder_out, name, run)
    run.log(f"made {name}, {seconds:.2f} s")
    path = joined(context.folder_out, name)
    return context.extended(**{MADE: {"path": path, "seconds": seconds}})


def scratch_bytes(remux: Remux) -> int:
    """How much scratch copying takes at most."""
    return 2 * remux.size_bytes + SPARE_BYTES


def register(registry: Registry, assets_root: Path, source_root: Path | None) -> None:
    """Make the workflow and its tasks known.

    Args:
        registry: of this process.
        assets_root: the folder that relative output folders lie in.
        source_root: the folder that local sources of the API's clients lie in; None: there are
            none.
    """
    registry.add_tasks(find_tracks, create_mp4)
    registry.add_workflow(
        WorkflowDefinition(
            NAME,
            description="One MP4 of the pictures and sounds of a folder, copied and not encoded:"
            " of an asset, or of media files.",
            parameters=Mp4Parameters,
            check=lambda given: _check(given, registry, assets_root, source_root),
            confine=lambda given, within: _confine(given, within, assets_root, source_root),
            author=_author,
            output=lambda known: str(known["output_folder"]),
            report=_report,
            forecast=lambda known, outlook: dict(FORETOLD),  # noqa: ARG005
            limit=limit_of(registry),
            example={"content_id": "film-42", "source_folder": "film-42"},
        )
    )


def _author(known: dict[str, Any]) -> Signature[Any]:
    kept = "source_folder", "output_folder", "mp4_filename", MEZZANINE, "retries"
    return chain(find_tracks.s(**{name: known[name] for name in kept}))


def _check(
    given: Mapping[str, Any], registry: Registry, root: Path, source_root: Path | None
) -> dict[str, Any]:
    has = registry.has_storage
    known = checked(Mp4Parameters, into_source(given), root, has)
    storage, under = known["source_storage"], known["output_root"]
    place = placed_below(known["source_folder"], storage, under, "source_folder", has)
    if place is None:
        source, output = source_place(
            known["source_folder"],
            "source_folder",
            root=root,
            output_root=under,
            source_root=source_root,
            anywhere=True,
        )
        place = str(source)
        if given.get("output_folder") is None and destination(known) in (None, LOCAL):
            known["output_folder"] = str(output)
    known["source_folder"] = place
    known["mp4_filename"] = mp4_name(known["mp4_filename"], known["content_id"])
    return known


def _confine(
    given: Mapping[str, Any], within: str, root: Path, source_root: Path | None
) -> dict[str, Any]:
    known = confined(given, within, source_root)
    under, words = known.get("output_root"), known.get("source_folder")
    if isinstance(words, str) and (place := confined_folder(known, within, "source_folder")):
        known["source_folder"] = place
    elif isinstance(words, str):
        source, output = source_place(
            words,
            "source_folder",
            root=root,
            output_root=under,
            source_root=source_root,
            anywhere=False,
        )
        known["source_folder"] = str(source)
        if known.get("output_folder") is None:
            base = root.resolve() / (under or "")
            known["output_folder"] = output.relative_to(base).as_posix()
    return known


def mp4_name(words: str, content_id: str) -> str:
    """The name of the MP4.

    Raises:
        ParameterError: `parameter_invalid`, `path_outside`.
    """
    name = safe_key(words.replace(CONTENT_ID, content_id), "mp4_filename")
    # Any other ending could be that of a playlist, or of the asset's record.
    if "/" in name or PurePosixPath(name).suffix.lower() != ".mp4":
        raise ParameterError(
            f"mp4_filename {name!r:.100} is no name of an MP4",
            hint="Give a plain name that ends in .mp4, if content_id makes none.",
        )
    return name


def remux_of(context: Context, run: Run) -> Remux:
    """What is in the folder `source_folder` of a context by now.

    Raises:
        SourceError: `source_missing`, `asset_damaged`.
    """
    folder = source_folder(context["source_folder"], run)
    files = folder.files()
    found = [one for one in files if one.name == RECORD]
    if found:
        with folder.opened(RECORD) as stream:
            record = _json(stream.read(MOST_RECORD_BYTES))
        return Remux.of_asset(folder, found[0], record, mezzanine=context[MEZZANINE])
    media = [
        one
        for one in files
        if PurePosixPath(one.name).suffix.lower() in SOURCE_SUFFIXES
        # What an earlier attempt has made is no source.
        and (one.name != context["mp4_filename"] or context["source_folder"] != context.folder_out)
    ]
    if not media:
        raise SourceError(
            f"{folder.name} holds neither an asset nor media files",
            code="source_missing",
            hint=f"Files count that end in {', '.join(sorted(SOURCE_SUFFIXES))}.",
        )
    return Remux.of_files(folder, media, mezzanine=context[MEZZANINE])


def _is_there(folder: SourcePlace, name: str) -> bool:
    """Whether something has a name in a folder of sources, be it a source or not."""
    if isinstance(folder, SourceFolder):
        return (folder.path / name).exists()
    return name in {one.name for one in folder.files()}


def _json(content: bytes) -> object:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _report(result: dict[str, Any]) -> dict[str, Any]:
    made = result[MADE]
    return {
        "message": made["path"],
        "files": [made["path"]],
        "metadata": {"duration": made["seconds"]},
    }
