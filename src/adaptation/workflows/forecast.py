"""The forecast of `encoding_workflow`: its ladder, tasks, commands and costs before it is a job."""

from __future__ import annotations

import os
import shlex
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from adaptation.adapters.ffmpeg import encode_argv
from adaptation.adapters.tools import Tools
from adaptation.context import Context
from adaptation.engine.graph import lower
from adaptation.engine.tasks import Outlook
from adaptation.errors import Cancelled, Transient
from adaptation.limits import in_force
from adaptation.media.plan import EncodingPlan
from adaptation.media.rendition import target_size
from adaptation.workflows.allowance import Allowance
from adaptation.workflows.branches import branches, renditions
from adaptation.workflows.copying import choose
from adaptation.workflows.experience import Experience
from adaptation.workflows.gathering import is_playlist
from adaptation.workflows.material import COPIED, check_end, read_material
from adaptation.workflows.parameters import is_web, shown_source
from adaptation.workflows.resources import Resources
from adaptation.workflows.storage_places import Place, storage_place

SCRATCH = "SCRATCH"
"""Stands in commands for the folder that each task gets when it runs."""
FETCHED_BYTES = 64 * 1024 * 1024
"""A larger source is not brought here only to be looked at."""
FETCH_SECONDS = 30.0
"""Nor one that takes longer."""


class Elsewhere(Exception):
    """The source is not here, and will not be before the job runs."""


def rough(reason: Elsewhere) -> dict[str, Any]:
    """What is told of a source that is not here."""
    return {"sure": "rough", "based_on": f"the canvas alone: {reason}"}


def forecast(parameters: dict[str, Any], outlook: Outlook[Resources]) -> dict[str, Any]:
    """What a job would make of its source, in which pieces, and what that would cost.

    All of a source is read, as the job would. One that lies elsewhere is fetched if it is small;
    else only the tasks are told that come before it is read.

    Args:
        parameters: of the workflow, checked.
        outlook: what may be looked at; its scratch holds a fetched source.

    Returns:
        As docs/workflows.md says.

    Raises:
        SourceError: the source cannot become an asset.
        ParameterError: `rendition_invalid`, `passthrough_impossible`.
    """
    context = Context(parameters)
    allowance = Allowance(in_force(outlook.resources.limits, outlook.limits))
    url = context["url"]
    try:
        path = _looked_at(url, outlook, allowance)
        if is_playlist(path):
            raise Elsewhere("what a playlist names is gathered when the job runs")
    except Elsewhere as reason:
        return rough(reason)
    tools = outlook.resources.tools
    material = read_material(path, tools, context["max_frame_rate"])
    allowance.check_source(material.source)
    choice = choose(context, material, path, tools)
    context = context.extended(**{COPIED: choice.copied})
    plan = material.plan(context, outlook.resources.parallel_chunks)
    allowance.check_plan(plan, outlook.resources.parallel_chunks)
    texts = [track for track in plan.source.subtitles if track.is_text]
    added = [lower(branches(plan, texts)), lower(renditions(plan.ladder))]
    notes = [*plan.notes, choice.note] if choice.note else [*plan.notes]
    told = {
        "tasks": Counter(task.name for part in added for task in part.tasks),
        **shape(plan),
        "notes": notes,
        **costs(plan, outlook, "profile", context["profile"]),
    }
    return told | ({"commands": _commands(plan, path, tools)} if outlook.commands else {})


def _looked_at(url: str, outlook: Outlook[Resources], allowance: Allowance) -> Path:
    """A source on this machine, if it is here or small."""
    if place := storage_place(url):
        return _brought(place, outlook, allowance)
    return _fetched(url, outlook, allowance) if is_web(url) else Path(url)


def _brought(place: Place, outlook: Outlook[Resources], allowance: Allowance) -> Path:
    """Bring a small source here from its storage."""
    target = outlook.scratch / "source"
    try:
        store = outlook.resources.storage(place.storage)
        size_bytes = store.facts(place.key).size_bytes
        allowance.check_size(place.key, size_bytes)
        if size_bytes > FETCHED_BYTES:
            raise Elsewhere(f"{place.key} has {size_bytes:,} bytes, too many to be looked at")
        with _stop_after(FETCH_SECONDS) as stop:
            store.get_file(place.key, target, cancelled=stop)
    except Cancelled as error:
        raise Elsewhere(f"{place.key} takes too long to be fetched") from error
    except Transient as error:
        raise Elsewhere(error.message) from error
    return target


def _fetched(url: str, outlook: Outlook[Resources], allowance: Allowance) -> Path:
    """Bring a small source here."""
    from adaptation.adapters.web import fetch

    target = outlook.scratch / "source"

    def refuse_much(done: int, total: int | None) -> None:
        if max(done, total or 0) > FETCHED_BYTES:
            size = f"{total:,}" if total else f"more than {FETCHED_BYTES:,}"
            raise Elsewhere(f"{shown_source(url)} has {size} bytes, too many to be looked at")

    try:
        with _stop_after(FETCH_SECONDS) as stop:
            fetched = fetch(
                url,
                target,
                policy=outlook.resources.policy.granting(outlook.limits),
                most_bytes=allowance.source_bytes,
                on_progress=refuse_much,
                cancelled=stop,
                retries=0,
            )
    except Cancelled as error:
        told = f"{shown_source(url)} was not here after {FETCH_SECONDS:.0f} s"
        raise Elsewhere(told) from error
    except Transient as error:
        raise Elsewhere(error.message) from error
    check_end(target, fetched.length_known)
    return target


@contextmanager
def _stop_after(patience_seconds: float) -> Iterator[threading.Event]:
    stop = threading.Event()
    clock = threading.Timer(patience_seconds, stop.set)
    clock.start()
    try:
        yield stop
    finally:
        clock.cancel()
        clock.join()


def shape(plan: EncodingPlan) -> dict[str, Any]:
    """What is made, and in which pieces."""
    return {
        "source": plan.source.to_json(),
        "frames": len(plan.timeline),
        "duration_seconds": float(plan.timeline.duration_seconds),
        "segments": len(plan.starts),
        "profile": plan.profile.to_json(),
        "ladder": _ladder(plan),
        "copied": plan.copied.name if plan.copied else None,
        "chunks": [_chunk(plan, number) for number in range(len(plan.chunks))],
        "sounds": [sound.to_json() for sound in plan.sounds],
    }


def costs(
    plan: EncodingPlan, outlook: Outlook[Resources], parameter: str, profile: str
) -> dict[str, Any]:
    """What it takes, by what past jobs took.

    Args:
        plan: of the job.
        outlook: what may be looked at.
        parameter: which of the workflow's names the profile.
        profile: the name.
    """
    learned = Experience.of(outlook.past(parameter, profile))
    return {
        **seconds(learned, plan.task_seconds, outlook),
        "output_bytes": asdict(plan.output_bytes),
        "scratch_bytes": asdict(plan.scratch_bytes(outlook.resources.parallel_chunks)),
        "sure": "measured" if learned.jobs else "exact",
        "based_on": learned.told(profile),
    }


def seconds(
    learned: Experience, tasks: Sequence[float], outlook: Outlook[Resources]
) -> dict[str, Any]:
    """How long it takes: of processors, and until it is there.

    Args:
        learned: of past jobs.
        tasks: CPU seconds that a table says of each that takes much.
        outlook: says how many slots there are.
    """
    wall = learned.wall_seconds(tasks, outlook.slots, os.cpu_count() or 1)
    return {"cpu_seconds": asdict(learned.cpu_seconds(tasks)), "wall_seconds": asdict(wall)}


def _ladder(plan: EncodingPlan) -> list[dict[str, Any]]:
    shape = plan.picture.width, plan.picture.height
    sizes = [target_size(*shape, rendition.height) for rendition in plan.ladder]
    return [
        {**rendition.to_json(), "width": width, "height": height}
        for rendition, (width, height) in zip(plan.ladder, sizes, strict=True)
    ]


def _chunk(plan: EncodingPlan, number: int) -> dict[str, Any]:
    chunk, timeline = plan.chunks[number], plan.timeline
    part = timeline.part(chunk.first_frame, chunk.end_frame)
    return {
        "number": number,
        "frames": len(chunk),
        "start_seconds": float(timeline.since_start(chunk.first_frame)),
        "duration_seconds": float(part.duration_seconds),
        "segments": len(chunk.starts),
    }


def _commands(plan: EncodingPlan, path: Path, tools: Tools) -> list[dict[str, str]]:
    """What each command makes, and the command quoted for a shell."""
    scratch = Path("/", SCRATCH)
    commands = []
    if plan.copied:
        name = plan.copied.name
        commands.append((f"{name}, copied", plan.copy_arguments(path, scratch / f"{name}.mp4")))
    made = "all other renditions" if plan.copied else "all renditions"
    commands += [
        (f"chunk {chunk.number + 1}, {made}", plan.chunk_arguments(chunk, path, scratch))
        for chunk in plan.chunks
    ]
    commands += [
        (sound.name, plan.sound_arguments(sound, path, scratch / "audio.mp4"))
        for sound in plan.sounds
    ]
    return [
        {
            "makes": makes,
            "command": shlex.join(encode_argv(words, tools)).replace(str(scratch), SCRATCH),
        }
        for makes, words in commands
    ]
