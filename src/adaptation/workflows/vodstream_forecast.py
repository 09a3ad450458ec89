"""The forecast of `vodstream`: what becomes of a folder, by what its job would decide itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from adaptation.adapters.storage import LocalStorage
from adaptation.context import Context
from adaptation.engine.graph import lower
from adaptation.engine.model import Claim
from adaptation.engine.tasks import Outlook
from adaptation.errors import Transient
from adaptation.media.plan import COPIES, SOUND_SECONDS, Estimate, copy_seconds, stored_bytes
from adaptation.workflows import extras
from adaptation.workflows.assembling import Assembly, assembly
from adaptation.workflows.branches import renditions
from adaptation.workflows.experience import Experience
from adaptation.workflows.forecast import FETCHED_BYTES, Elsewhere, costs, rough, seconds, shape
from adaptation.workflows.resources import Resources, Run
from adaptation.workflows.sources import found_sources
from adaptation.workflows.storage_places import storage_place
from adaptation.workflows.storing import source_folder

WITHOUT = "; without what goes with the asset: MP4, images, encrypted copies"
"""What the costs leave out."""


def forecast(
    workflow: str, parameters: Mapping[str, Any], outlook: Outlook[Resources]
) -> dict[str, Any]:
    """What a job would make of its folder, in which tasks, and what that would cost.

    All sources are read, as the job would. Those that lie in a storage are fetched if they are
    small; else only the tasks are told that come before they are read.

    Args:
        workflow: its name.
        parameters: of the workflow, checked, with those that its tasks want to know besides.
        outlook: what may be looked at; its scratch holds fetched sources.

    Returns:
        As docs/workflows.md says.

    Raises:
        SourceError: the folder cannot become an asset.
        AdaptationError: more is wanted than the client may use.
    """
    later = extras.added_tasks(parameters)
    run = _trial(workflow, outlook)
    try:
        made = _planned(Context(parameters), run)
    except Elsewhere as reason:
        return {**rough(reason), "tasks": later}
    told = _ladder_told(made, outlook) if made.plan else _copies_told(made, outlook)
    added = [lower(made.tracks), *([lower(renditions(made.renditions))] if made.plan else [])]
    later += Counter(task.name for part in added for task in part.tasks)
    return {"tasks": later, **told, "notes": [sentence for _, sentence in run.lines]}


def _trial(workflow: str, outlook: Outlook[Resources]) -> Run:
    """An attempt of no job, of which nothing stays."""
    claim = Claim(
        task_id=0,
        generation=0,
        job_id=0,
        run_no=0,
        main_task_id="",
        workflow=workflow,
        key="",
        name="",
        params={},
        attempt=1,
        payload={},
        limits=dict(outlook.limits) if outlook.limits is not None else None,
    )
    work, downloads = LocalStorage(outlook.scratch / "work"), outlook.scratch / "downloads"
    resources = replace(outlook.resources, work=work, downloads=downloads, chunk_cache=None)
    return Run(claim, outlook.scratch, resources)


def _planned(context: Context, run: Run) -> Assembly:
    place = storage_place(context["source_folder"])
    try:
        if place:
            files = source_folder(context["source_folder"], run).files()
            if (size_bytes := sum(file.size_bytes for file in files)) > FETCHED_BYTES:
                raise Elsewhere(f"{place.key} has {size_bytes:,} bytes, too many to be looked at")
        return assembly(found_sources(context, run), run)
    except Transient as error:
        if place:
            raise Elsewhere(error.message) from error
        raise


def _ladder_told(made: Assembly, outlook: Outlook[Resources]) -> dict[str, Any]:
    """Of a ladder that is encoded."""
    if made.plan is None:
        raise ValueError("pictures are taken as they are")
    name = made.context["encoding_profile"]
    told = {**shape(made.plan), **costs(made.plan, outlook, "encoding_profile", name)}
    return told | {"based_on": told["based_on"] + WITHOUT}


def _copies_told(made: Assembly, outlook: Outlook[Resources]) -> dict[str, Any]:
    """Of pictures that are taken as they are."""
    pictures, timeline = made.programme.pictures, made.programme.lead.known.timeline
    length = float(timeline.duration_seconds)
    sizes = [sum(one.known.stored.gop_bytes) for one in pictures]
    tasks = [*map(copy_seconds, sizes), *[SOUND_SECONDS * length] * made.encoded_sounds]
    asset = stored_bytes(sum(sizes), made.sounds, length)
    return {
        "source": made.programme.lead.file.source.to_json(),
        "frames": len(timeline),
        "duration_seconds": length,
        "segments": made.segments,
        "ladder": [
            {**rendition.to_json(), "width": read.file.picture.width, "file": read.file.name}
            for rendition, read in zip(made.renditions, pictures, strict=True)
        ],
        "sounds": [sound.to_json() for sound in made.sounds],
        **seconds(Experience.of(()), tasks, outlook),
        "output_bytes": asdict(asset),
        # Each task has what a tool writes beside its segments.
        "scratch_bytes": asdict(Estimate(asset.low, COPIES * asset.expected, COPIES * asset.high)),
        "sure": "exact",
        "based_on": f"the sources' packets, and a table{WITHOUT}",
    }
