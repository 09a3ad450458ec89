"""`adaptation plan`: the ladder, tasks, commands and costs of an encode that is not made yet."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from adaptation.cli import output
from adaptation.cli.request import Request
from adaptation.errors import ParameterError

if TYPE_CHECKING:
    from adaptation.media.plan import EncodingPlan, Estimate
    from adaptation.wiring import Deployment

SCRATCH = "SCRATCH"
"""Stands in the commands for the folder that each task gets when it runs."""


def plan(
    source: str,
    /,
    *,
    request: Request = Request(),  # noqa: B008 - frozen
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Tell what `encode` would do and what it would cost; nothing is made.

    Reads the whole source, as the job would. The commands are those that will run, but for the
    folder of each task, which is written SCRATCH.

    Args:
        source: A path or a file:// URL; of a video that lies elsewhere nothing is known yet.
        request: How the asset is to be.
        as_json: Print one JSON object.
    """
    from adaptation.wiring import deploy

    forecast = _forecast(deploy(), request.parameters(source, None))
    if as_json:
        output.data(output.compact(forecast.document()))
    else:
        forecast.print()


@dataclass(frozen=True)
class _Forecast:
    """A plan with what the command line says of it."""

    plan: EncodingPlan
    parallel_chunks: int
    notes: list[str]
    """Why the ladder, and the way it is made, are as they are."""
    commands: list[tuple[str, str]]
    """What each command makes, and the command quoted for a shell."""
    tasks: dict[str, int]
    """How often each task runs."""

    def document(self) -> dict[str, Any]:
        """All of it as JSON."""
        size = self.plan.scratch_bytes(self.parallel_chunks)
        return {
            "source": self.plan.source.to_json(),
            "frames": len(self.plan.timeline),
            "duration_seconds": float(self.plan.timeline.duration_seconds),
            "segments": len(self.plan.starts),
            "profile": self.plan.profile.to_json(),
            "ladder": self._ladder(),
            "notes": self.notes,
            "copied": self.plan.copied.name if self.plan.copied else None,
            "chunks": [self._chunk(number) for number in range(len(self.plan.chunks))],
            "sounds": [sound.to_json() for sound in self.plan.sounds],
            "tasks": self.tasks,
            "commands": [{"makes": makes, "command": line} for makes, line in self.commands],
            "cpu_seconds": asdict(self.plan.cpu_seconds),
            "output_bytes": asdict(self.plan.output_bytes),
            "scratch_bytes": asdict(size),
        }

    def print(self) -> None:
        """All of it for a person."""
        from rich.console import Console
        from rich.table import Table

        console = Console(highlight=False, soft_wrap=True)
        table = Table("rendition", "size", "codec", "kbit/s", box=None, pad_edge=False)
        for rung in self._ladder():
            rate = f"{rung['bitrate'] / 1000:.0f}"
            table.add_row(rung["name"], f"{rung['width']}x{rung['height']}", rung["codec"], rate)
        console.print(table)
        for note in self.notes:
            console.print(note, markup=False)
        for sound in self.plan.sounds:
            console.print(f"{sound.name}: AAC, {sound.layout}", markup=False)
        console.print(f"\n{len(self.plan.starts)} segments in {len(self.plan.chunks)} chunks:")
        for chunk in self.document()["chunks"]:
            start, length = chunk["start_seconds"], chunk["duration_seconds"]
            console.print(f"  chunk {chunk['number'] + 1}: {start:.2f} s, {length:.2f} s long")
        runs = ", ".join(f"{name} x{count}" for name, count in self.tasks.items())
        console.print(f"\nTasks: {runs}", markup=False)
        cpu, size = self.plan.cpu_seconds, self.plan.output_bytes
        scratch = self.plan.scratch_bytes(self.parallel_chunks)
        console.print(f"\nCPU      {_span(cpu, 1, 's')}")
        console.print(f"asset    {_span(size, 1e-6, 'MB')}")
        console.print(f"scratch  {_span(scratch, 1e-6, 'MB')}\n")
        for makes, line in self.commands:
            console.print(f"# {makes}\n{line}", markup=False)

    def _ladder(self) -> list[dict[str, Any]]:
        from adaptation.media.rendition import target_size

        shape = self.plan.picture.width, self.plan.picture.height
        sizes = [target_size(*shape, rendition.height) for rendition in self.plan.ladder]
        return [
            {**rendition.to_json(), "width": width, "height": height}
            for rendition, (width, height) in zip(self.plan.ladder, sizes, strict=True)
        ]

    def _chunk(self, number: int) -> dict[str, Any]:
        chunk, timeline = self.plan.chunks[number], self.plan.timeline
        part = timeline.part(chunk.first_frame, chunk.end_frame)
        return {
            "number": number,
            "frames": len(chunk),
            "start_seconds": float(timeline.since_start(chunk.first_frame)),
            "duration_seconds": float(part.duration_seconds),
            "segments": len(chunk.starts),
        }


def _forecast(deployment: Deployment, asked: dict[str, Any]) -> _Forecast:
    from adaptation.adapters.ffmpeg import encode_argv
    from adaptation.context import Context
    from adaptation.workflows.copying import choose
    from adaptation.workflows.encoding import NAME
    from adaptation.workflows.material import COPIED, read_material
    from adaptation.workflows.parameters import is_web

    context = Context(deployment.registry.workflow(NAME).check(asked))
    if is_web(context["url"]):
        raise ParameterError(
            "the plan of a video follows from its packets, and this one is not here yet",
            code="source_scheme",
            hint="Download it first, or just encode it.",
        )
    resources, path = deployment.resources, Path(context["url"])
    material = read_material(path, resources.tools, context["max_frame_rate"])
    choice = choose(context, material, path, resources.tools)
    context = context.extended(**{COPIED: choice.copied})
    planned = material.plan(context, resources.parallel_chunks)
    scratch, tools = Path("/", SCRATCH), resources.tools
    commands = []
    if planned.copied:
        name = planned.copied.name
        words = planned.copy_arguments(path, scratch / f"{name}.mp4")
        commands.append((f"{name}, copied", words))
    made = "all other renditions" if planned.copied else "all renditions"
    commands += [
        (
            f"chunk {chunk.number + 1}, {made}",
            planned.chunk_arguments(chunk, path, scratch),
        )
        for chunk in planned.chunks
    ]
    commands += [
        (sound.name, planned.sound_arguments(sound, path, scratch / "audio.mp4"))
        for sound in planned.sounds
    ]
    lines = [
        (makes, shlex.join(encode_argv(words, tools)).replace(str(scratch), SCRATCH))
        for makes, words in commands
    ]
    tasks = _tasks(deployment, context, planned)
    notes = [*planned.notes, choice.note] if choice.note else [*planned.notes]
    return _Forecast(planned, resources.parallel_chunks, notes, lines, tasks)


def _tasks(
    deployment: Deployment, context: dict[str, Any], planned: EncodingPlan
) -> dict[str, int]:
    """How often each task runs: what is authored, and what two of them add when they run."""
    from adaptation.engine.graph import lower
    from adaptation.workflows.branches import branches, renditions
    from adaptation.workflows.encoding import NAME

    authored = deployment.registry.workflow(NAME).author(context)
    texts = [track for track in planned.source.subtitles if track.is_text]
    canvases = [authored, branches(planned, texts), renditions(planned.ladder)]
    return dict(Counter(task.name for canvas in canvases for task in lower(canvas).tasks))


def _span(estimate: Estimate, factor: float, unit: str) -> str:
    low, expected, high = (factor * value for value in asdict(estimate).values())
    return f"about {expected:.3g} {unit} (between {low:.3g} and {high:.3g})"
