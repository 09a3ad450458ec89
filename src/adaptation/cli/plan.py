"""`adaptation plan`: the ladder, tasks, commands and costs of an encode that is not made yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from adaptation.cli import output
from adaptation.cli.request import Request
from adaptation.errors import ParameterError

if TYPE_CHECKING:
    from rich.console import Console


def plan(
    source: str,
    /,
    *,
    request: Request = Request(),  # noqa: B008 - frozen
    fetch: bool = False,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Tell what `encode` would do and what it would cost; nothing is made.

    Reads the whole source, as the job would. The commands are those that will run, but for the
    folder of each task, which is written SCRATCH. Seconds follow what past jobs took, if there
    are any.

    Args:
        source: A path or a file:// URL; with --fetch, an http:// or https:// URL, or
            storage://NAME/KEY, too.
        request: How the asset is to be.
        fetch: Bring a video of up to 64 MiB that lies elsewhere here to look at it.
        as_json: Print one JSON object.
    """
    from adaptation.wiring import deploy
    from adaptation.workflows.encoding import NAME
    from adaptation.workflows.parameters import is_web
    from adaptation.workflows.storage_places import storage_place

    if (is_web(source) or storage_place(source)) and not fetch:
        raise ParameterError(
            "the plan of a video follows from its packets, and this one is not here yet",
            code="source_scheme",
            hint="Add --fetch to look at up to 64 MiB of it, or just encode it.",
        )
    deployment = deploy()
    try:
        told = deployment.forecast(NAME, request.parameters(source, None), commands=True)
    finally:
        deployment.close()
    if as_json:
        counts = {task["name"]: task["count"] for task in told["tasks"]}
        output.data(output.compact(told | {"tasks": counts}))
    else:
        _print(told)


def _print(told: Mapping[str, Any]) -> None:
    """All of it for a person."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    # Of a source that was not read nothing but the first tasks is known.
    if "ladder" in told:
        _print_shape(told, console)
    runs = ", ".join(f"{task['name']} x{task['count']}" for task in told["tasks"])
    console.print(f"\nTasks: {runs}\n", markup=False)
    for line in _costs(told):
        console.print(line, markup=False)
    console.print(f"sure     {told['sure']}: {told['based_on']}\n", markup=False)
    for command in told.get("commands", ()):
        console.print(f"# {command['makes']}\n{command['command']}", markup=False)


def _print_shape(told: Mapping[str, Any], console: Console) -> None:
    from rich.table import Table

    table = Table("rendition", "size", "codec", "kbit/s", box=None, pad_edge=False)
    for rung in told["ladder"]:
        rate = f"{rung['bitrate'] / 1000:.0f}"
        table.add_row(rung["name"], f"{rung['width']}x{rung['height']}", rung["codec"], rate)
    console.print(table)
    for note in told["notes"]:
        console.print(note, markup=False)
    for sound in told["sounds"]:
        console.print(f"{sound['name']}: AAC, {sound['layout']}", markup=False)
    console.print(f"\n{told['segments']} segments in {len(told['chunks'])} chunks:")
    for chunk in told["chunks"]:
        start, length = chunk["start_seconds"], chunk["duration_seconds"]
        console.print(f"  chunk {chunk['number'] + 1}: {start:.2f} s, {length:.2f} s long")


def _costs(told: Mapping[str, Any]) -> Iterable[str]:
    for title, name, factor, unit in COSTS:
        if name in told:
            yield f"{title:<8} {_span(told[name], factor, unit)}"


COSTS = (
    ("CPU", "cpu_seconds", 1.0, "s"),
    ("time", "wall_seconds", 1.0, "s"),
    ("asset", "output_bytes", 1e-6, "MB"),
    ("scratch", "scratch_bytes", 1e-6, "MB"),
)
"""Title, name in the forecast, factor and unit of what is told of the costs."""


def _span(estimate: Mapping[str, float], factor: float, unit: str) -> str:
    low, expected, high = (factor * estimate[name] for name in ("low", "expected", "high"))
    return f"about {expected:.3g} {unit} (between {low:.3g} and {high:.3g})"
