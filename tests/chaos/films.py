"""A workflow without media, whose tasks do with files what encodings do: write, hand on, publish.

Each execution of a task adds a line to the ledger, which no database knows.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from celery import chain, chord

from adaptation.adapters import process
from adaptation.adapters.publish import publish
from adaptation.adapters.sandbox import Access
from adaptation.engine.tasks import Expand, Registry, WorkflowDefinition, task
from adaptation.errors import AdaptationError
from adaptation.workflows.resources import Run, get_file, publish_token, put_file
from chaos import piece_writer
from chaos.workload import FILM, RECORD, content

NAME = "film"
RECEIVER = "receiver"
"""The queue that all notifications go to."""
LONGEST_SECONDS = 60.0
"""A child that takes longer is hanging."""


def note(run: Run, context: dict[str, Any], deed: str) -> None:
    """Add a line to the ledger, whole whatever dies: one call, at the end of the file."""
    claim = run.claim
    words = [deed, claim.main_task_id, claim.name, claim.key, claim.task_id, claim.generation]
    line = json.dumps([*words, os.getpid()]) + "\n"
    ledger = os.open(context["ledger"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(ledger, line.encode())
    finally:
        os.close(ledger)


@task("probe")
def plan_film(context: dict[str, Any], run: Run) -> Expand:
    """Expand to the pieces and their film."""
    note(run, context, "executed")
    base = {name: context[name] for name in ("ledger", "output_folder")}
    steps = [write_piece.s(**piece) for piece in context["pieces"]]
    return Expand(base, chord(steps, publish_film.s()))


@task("transcode")
def write_piece(context: dict[str, Any], run: Run) -> dict[str, Any]:
    """Write one piece into scratch, then hand it on through the work area."""
    note(run, context, "executed")
    place = run.scratch / f"{context['number']}.part"
    _write(place, context, run)
    wanted = content(run.claim.main_task_id, context["number"], context["size_bytes"])
    if place.read_bytes() != wanted:
        raise AdaptationError(f"{place} was written wrong", code="piece_wrong")
    key = put_file(run, place, "piece.bin")
    base = {name: context[name] for name in ("ledger", "output_folder")}
    return base | {"key": key, "sha256": hashlib.sha256(wanted).hexdigest()}


@task("publish")
def publish_film(contexts: list[dict[str, Any]], run: Run) -> dict[str, Any]:
    """Join: check all pieces, make one file of them, publish it, and tell."""
    first = contexts[0]
    note(run, first, "executed")
    film = run.scratch / FILM
    with film.open("wb") as file:
        for piece in contexts:
            run.check()
            file.write(_checked(run, piece))
    record = run.scratch / RECORD
    record.write_text(json.dumps({"asset_id": run.claim.main_task_id}))
    output = Path(first["output_folder"])
    publish(
        [(film, FILM), (record, RECORD)],
        output,
        asset_id=run.claim.main_task_id,
        token=publish_token(run.claim.job_id),
        overwrite=False,
    )
    note(run, first, f"published {output.stat().st_ino}")
    run.notify(RECEIVER, {"main_task_id": run.claim.main_task_id, "pieces": len(contexts)})
    return {"pieces": len(contexts)}


def register(registry: Registry) -> None:
    """Make the workflow known to a process of the fleet, on queues that the product has."""
    registry.add_tasks(plan_film, write_piece, publish_film)
    registry.add_workflow(
        WorkflowDefinition(
            NAME,
            dict,
            lambda given: chain(plan_film.s(**given)),
            output=lambda given: str(given["output_folder"]),
        )
    )


def _write(place: Path, context: dict[str, Any], run: Run) -> None:
    number, size_bytes = context["number"], context["size_bytes"]
    words = [str(place), run.claim.main_task_id, number, size_bytes, context["milliseconds"]]
    if context["by_child"]:
        start = [sys.executable, "-I", "-S", piece_writer.__file__]
        limits = process.Limits(cancelled=run.cancelled, timeout_seconds=LONGEST_SECONDS)
        python = (Path(sys.prefix), Path(sys.base_prefix), Path(piece_writer.__file__))
        access = Access(reads=python, writes=(place.parent,))
        process.run([*start, *map(str, words)], access=access, limits=limits)
        return
    whole = content(run.claim.main_task_id, number, size_bytes)
    with place.open("wb") as file:
        file.write(whole[: size_bytes // 2])
        file.flush()
        run.cancelled.wait(context["milliseconds"] / 1000)
        run.check()
        file.write(whole[size_bytes // 2 :])


def _checked(run: Run, piece: dict[str, Any]) -> bytes:
    found = get_file(run, piece["key"]).read_bytes()
    if hashlib.sha256(found).hexdigest() != piece["sha256"]:
        raise AdaptationError(f"{piece['key']} is not what was written", code="piece_changed")
    return found
