"""`voddelete` and `asset_delete`: whole folders, and single files, that are wanted no more.

What is there is looked at in a task of its own: whoever deletes may be killed and run again, and
finds less then, but tells of the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from celery import chain
from pydantic import Field

from adaptation.adapters import object_removal
from adaptation.adapters.containment import safe_key
from adaptation.adapters.publish import withdraw
from adaptation.adapters.removal import is_file, is_folder, remove_files
from adaptation.adapters.storage_config import LOCAL
from adaptation.context import Context
from adaptation.engine.tasks import Registry, TaskDefinition, WorkflowDefinition
from adaptation.errors import ParameterError
from adaptation.workflows.allowance import limit_of
from adaptation.workflows.parameters import PRINTED, CommonParameters, checked, confined
from adaptation.workflows.places import confined_place, place_of
from adaptation.workflows.resources import Run, publish_token
from adaptation.workflows.step import step
from adaptation.workflows.storage_places import (
    Place,
    confined_words,
    destination,
    placed_below,
    storage_place,
)
from adaptation.workflows.storing import store_of

FOLDER, FILES = "voddelete", "asset_delete"
MOST_FILES = 10_000
MOST_TOLD = 100
"""Missing files that the log names one by one."""

Words = Annotated[str, Field(min_length=1, max_length=4000)]


class DeletingParameters(CommonParameters):
    """What both workflows may be told."""

    content_id: str = Field(
        min_length=1,
        max_length=200,
        pattern=PRINTED,
        description="The client's own key of the content; jobs are found by it.",
    )


class FolderParameters(DeletingParameters):
    """What a client may say to `voddelete`."""

    folder: Words = Field(
        description="The folder to delete, with all that it holds: below output_root, or absolute."
    )


class FilesParameters(DeletingParameters):
    """What a client may say to `asset_delete`."""

    files: list[Words] = Field(
        min_length=1,
        max_length=MOST_FILES,
        description="The files to delete: paths below output_root, or absolute ones.",
    )


@step("publish")
def find_folder(context: Context, run: Run) -> Context:
    """See that there is a folder to delete."""
    folder = context["folder"]
    if place := storage_place(folder):
        is_there = object_removal.is_folder(store_of(place, run), place.key)
    else:
        is_there = is_folder(Path(folder), _root(run))
    if not is_there:
        raise ParameterError(
            f"there is no folder {folder}",
            code="folder_not_found",
            hint="Check its name; it may have been deleted before.",
        )
    return context


@step("publish")
def delete_folder(context: Context, run: Run) -> Context:
    """Take the folder away from readers in one moment, then delete it."""
    folder = context["folder"]
    if writers := run.resources.writers_below(folder):
        raise ParameterError(
            f"job {writers[0]} is not finished and writes to a folder in {folder}",
            code="output_busy",
            hint=f"Wait for job {writers[0]} or cancel it.",
        )
    run.check_now()
    if place := storage_place(folder):
        store = store_of(place, run)
        object_removal.remove_folder(store, place.key, lambda n, of: run.progress(n / of))
    else:
        withdraw(Path(folder), token=publish_token(run.claim.job_id), root=_root(run))
    run.log(f"deleted {folder}")
    return context


@step("publish")
def find_files(context: Context, run: Run) -> Context:
    """See which of the files are there, and that none is a folder."""
    named = list(dict.fromkeys(context["files"]))
    there = {path for path in named if not storage_place(path) and is_file(Path(path), _root(run))}
    for storage, keys in _by_storage(named).items():
        store = store_of(Place(storage, ""), run)
        there |= {str(Place(storage, key)) for key in object_removal.files_among(store, keys)}
    found = [path for path in named if path in there]
    missing = sorted(set(named) - there)
    for path in missing[:MOST_TOLD]:
        run.log(f"there is no file {path}", logging.WARNING)
    if len(missing) > MOST_TOLD:
        run.log(f"{len(missing) - MOST_TOLD} more files are not there", logging.WARNING)
    return context.extended(files=found)


@step("publish")
def delete_files(context: Context, run: Run) -> Context:
    """Delete the files that were there."""
    named = context["files"]
    paths = [Path(path) for path in named if not storage_place(path)]
    turns = iter(range(1, len(paths) + 1))
    run.check_now()
    if paths:
        remove_files(paths, _root(run), lambda _: run.progress(next(turns) / len(named)))
    for storage, keys in _by_storage(named).items():
        store = store_of(Place(storage, ""), run)
        object_removal.remove_files(store, keys, lambda *_: run.check())
    run.log(f"deleted {len(named)} files")
    return context


def register(registry: Registry) -> None:
    """Make both workflows and their tasks known; paths lie below the registry's output folder."""
    registry.add_tasks(find_folder, delete_folder, find_files, delete_files)
    registry.add_workflow(
        _workflow(
            FOLDER,
            "Deletes a folder with all that it holds: readers find all of it, or nothing.",
            FolderParameters,
            (find_folder, delete_folder),
            registry,
            output=lambda parameters: str(parameters["folder"]),
            report=lambda result: {"message": result["folder"], "files": [], "metadata": {}},
            example={"content_id": "film-42", "folder": "film-42"},
        )
    )
    registry.add_workflow(
        _workflow(
            FILES,
            "Deletes single files of assets.",
            FilesParameters,
            (find_files, delete_files),
            registry,
            report=_files_report,
            example={"content_id": "film-42", "files": ["film-42/sprite.jpg"]},
        )
    )


def _workflow(
    name: str,
    description: str,
    model: type[CommonParameters],
    tasks: tuple[TaskDefinition, TaskDefinition],
    registry: Registry,
    **more: Any,
) -> WorkflowDefinition:
    first, second = tasks
    root = registry.output_root
    places = tuple(sorted(set(model.model_fields) - set(DeletingParameters.model_fields)))

    def check(given: Mapping[str, Any]) -> dict[str, Any]:
        known = checked(model, given, root, registry.has_storage)
        under, storage = known["output_root"], destination(known)

        def whole(key: str, words: str) -> str:
            place = placed_below(words, storage, under, key, registry.has_storage)
            return place or str(place_of(words, key, root, under))

        return _each(known, places, whole)

    def confine(given: Mapping[str, Any], within: str) -> dict[str, Any]:
        if not within:
            raise ParameterError(
                "this client has no folder of its own: what it deleted could be another's",
                code="output_root_missing",
                hint="Have an admin give it one: adaptation client set NAME --output-root FOLDER.",
            )
        known = confined(given, within, None)
        under, storage = known.get("output_root"), destination(known)

        def own(key: str, words: str) -> str:
            if place := confined_words(words, within, key):
                return place
            if storage not in (None, LOCAL):
                return safe_key(words, key)
            return confined_place(words, key, root, under)

        return _each(known, places, own)

    return WorkflowDefinition(
        name,
        description=description,
        parameters=model,
        check=check,
        confine=confine,
        author=lambda known: chain(
            first.s(**{key: known[key] for key in ("content_id", *places)}), second.s()
        ),
        limit=limit_of(registry),
        **more,
    )


def _by_storage(places: Iterable[str]) -> dict[str, list[str]]:
    """The keys of what lies in storages, by the storage."""
    found = dict[str, list[str]]()
    for place in map(storage_place, places):
        if place:
            found.setdefault(place.storage, []).append(place.key)
    return found


def _each(
    known: dict[str, Any], places: tuple[str, ...], kept: Callable[[str, str], str]
) -> dict[str, Any]:
    """The parameters with each place turned; what is no text is left for the check to refuse."""

    def turned(key: str, value: Any) -> Any:
        if isinstance(value, list):
            return [turned(key, one) for one in value]
        return kept(key, value) if isinstance(value, str) else value

    return known | {key: turned(key, known[key]) for key in places if key in known}


def _files_report(result: dict[str, Any]) -> dict[str, Any]:
    files = list(result["files"])
    message = f"{len(files)} {'file' if len(files) == 1 else 'files'} deleted"
    return {"message": message, "files": files, "metadata": {}}


def _root(run: Run) -> Path:
    root = run.resources.assets_root
    if root is None:
        raise ParameterError(
            "there is no folder of outputs", code="path_outside", hint="Set ADAPTATION_OUTPUT_ROOT."
        )
    return root
