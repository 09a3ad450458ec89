"""Clips whose frames tell their number, and what images, GIFs and sprites made of them show."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import bar_codes
import clips
import judges
from adaptation.context import Context
from adaptation.engine.model import Claim
from adaptation.engine.tasks import TaskRun
from adaptation.wiring import deploy
from adaptation.workflows.steps import download_file

SECONDS, RATE = 3, 25
X264 = "-c:v libx264 -preset veryfast -pix_fmt yuv420p"
USUAL: dict[str, dict[str, Any]] = {
    "capture_frame": {"frame_time": 1, "image_filename": "frame.png"},
    "generate_gif": {"start_at": 1, "duration": 1, "gif_filename": "film.gif", "height": 90},
    "build_thumbnails": {"preview_thumbnails_interval": 0.5},
}
"""Parameters of each workflow, beside source and folder."""


def make_numbered(folder: Path, options: str = "-bf 2 -g 25", name: str = "film.mp4") -> Path:
    """3 s of 320x180 at 25 fps with bar codes; a key frame each second, B-frames."""
    picture = bar_codes.numbered(rate=str(RATE), seconds=SECONDS)
    return clips.ffmpeg(folder, f"{picture} {X264} {options} {name}")


def make(workflow: str, source: object, folder: Path, **given: Any) -> Path:
    """Run the tasks of a workflow, and give the folder with what they made."""
    wanted = {"content_id": "film", "output_folder": str(folder), **USUAL[workflow], **given}
    run_tasks(workflow, {**wanted, "source": str(source)}, folder.with_suffix(".scratch"))
    return folder


def run_tasks(
    workflow: str, given: Mapping[str, Any], scratch: Path, generation: int = 1
) -> tuple[dict[str, Any], list[str]]:
    """The last context of a job, and its log."""
    deployment = deploy()
    definition = deployment.registry.workflow(workflow)
    canvas: Any = definition.author(definition.check(given))
    signatures = canvas.tasks
    context: dict[str, Any] = Context()
    claim = Claim(1, generation, 1, 1, "id", workflow, "1", "task", {}, 1, Context())
    scratch.mkdir(parents=True, exist_ok=True)
    run = TaskRun(replace(claim, limits=None), scratch, deployment.resources)
    for signature in signatures:
        task = deployment.registry.task(signature.task)
        found = task.function({**context, **signature.kwargs}, run)
        assert isinstance(found, dict)
        context = found
    assert download_file.name == signatures[0].task
    return context, [message for _, message in run.lines]


def size_of(image: Path) -> tuple[int, int]:
    """Width and height of an image in pixels, by its header."""
    head = image.read_bytes()[:24]
    if head.startswith(b"\x89PNG"):  # which not every ffprobe decodes
        width, height = struct.unpack(">II", head[16:])
        return width, height
    (stream,) = judges.streams(image)
    assert stream.get("sample_aspect_ratio", "1:1") in {"1:1", "0:1"}
    return stream["width"], stream["height"]


def numbers(path: Path, folder: Path) -> list[int]:
    """The number of each picture of an image or GIF."""
    folder.mkdir(parents=True, exist_ok=True)
    return bar_codes.read([path], folder)[0]


def numbers_on_sheet(
    sheet: Path, places: Sequence[tuple[int, int, int, int]], folder: Path
) -> list[int]:
    """The number of the picture at each place (x, y, width, height) of a sheet."""
    folder.mkdir(parents=True, exist_ok=True)
    outputs = [word for n in range(len(places)) for word in ("-map", f"[v{n}]", f"{n}.png")]
    cuts = (f"[s{n}]crop={w}:{h}:{x}:{y}:exact=1[v{n}]" for n, (x, y, w, h) in enumerate(places))
    split = f"[0:v]split={len(places)}{''.join(f'[s{n}]' for n in range(len(places)))}"
    command = [str(clips.tools().ffmpeg), "-nostdin", "-v", "error", "-y", "-i", str(sheet)]
    command += ["-filter_complex", ";".join([split, *cuts]), *outputs]
    subprocess.run(command, cwd=folder, check=True, timeout=60)
    read = bar_codes.read([folder / f"{n}.png" for n in range(len(places))], folder)
    return [found for (found,) in read]
