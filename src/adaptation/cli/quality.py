"""`adaptation quality`: how good each segment of an asset is, the worst first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from adaptation.cli import exits, output

AsJson = Annotated[bool, Parameter(name="--json")]
Rows = Annotated[int, Parameter(validator=Number(gte=0))]
"""Segments that are listed."""


def quality(
    job: str,
    /,
    *,
    limit: Rows = 10,
    rendition: str | None = None,
    measure: bool = False,
    as_json: AsJson = False,
) -> int:
    """Show how good each segment of a job's asset is: VMAF against its source, the worst first.

    A segment is the worse the further it lies below the mean of its own rendition.

    Args:
        job: Its number, or the id of its main task.
        limit: How many segments, 10 when not given.
        rendition: Only segments of this one.
        measure: Have it measured, by a job of its own that a running service takes up.
        as_json: Print a JSON object, with all segments.
    """
    from adaptation.cli.store import find_job
    from adaptation.errors import ParameterError
    from adaptation.wiring import deploy
    from adaptation.workflows import measure_quality
    from adaptation.workflows.measured import Shelf, standing_of

    deployment = deploy()
    try:
        deployment.store.create()
        found = find_job(deployment.store, job)
        if measure and not found.succeeded:
            raise ParameterError(
                f"job {found.id} has not made an asset that could be measured",
                code="quality_no_asset",
                hint="Wait until it is completed.",
            )
        if measure:
            ordered(measure_quality.order(deployment.engine, found.id, anew=True))
        shelf = Shelf(deployment.settings.assets_root, deployment.storage)
        told = standing_of(deployment.store, shelf, found).to_json()
    finally:
        deployment.close()
    return show(told, limit, rendition, as_json=as_json)


def ordered(number: int) -> None:
    """Tell that a job measures."""
    output.note(f"Job {number} measures it.")


def show(told: Mapping[str, Any], limit: int, rendition: str | None, *, as_json: bool) -> int:
    """Print how it stands, as the API tells it; returns the exit status."""
    if as_json:
        output.document(told)
        return exits.DONE
    if told["error"]:
        output.show_error({"message": told["error"], "code": told["code"], "hint": told["hint"]})
    if not told["renditions"]:
        return _show_none(told)
    for line in _renditions(told):
        output.data(line)
    if rows := list(_worst(told, rendition))[:limit]:
        output.data("")
        head = ("segment", "rendition", "at", "VMAF", "below", "worst picture", "kbit/s", "chunk")
        for line in output.aligned([head, *rows]):
            output.data(line)
    return exits.DONE


def _show_none(told: Mapping[str, Any]) -> int:
    if told["error"]:
        return exits.JOB_FAILED
    if told["state"] == "none":
        output.note("It was not measured.")
        output.note("hint: adaptation quality JOB --measure")
    else:
        share = round(100 * told["progress"])
        output.note(f"Job {told['measured_by']} measures it: {told['state']}, {share} %")
    return exits.DONE


def _renditions(told: Mapping[str, Any]) -> list[str]:
    rows = [("rendition", "size", "kbit/s", "VMAF", "harmonic", "worst picture")]
    for one in told["renditions"]:
        size, rate = f"{one['width']}x{one['height']}", f"{one['bitrate'] / 1000:.0f}"
        means = (f"{one[name]:.2f}" for name in ("vmaf", "vmaf_harmonic", "vmaf_min"))
        rows.append((one["name"], size, rate, *means))
    return output.aligned(rows)


def _worst(told: Mapping[str, Any], rendition: str | None) -> Iterator[tuple[str, ...]]:
    rows = [
        (one["vmaf"] - segment["vmaf"], segment["start"], one["name"], segment)
        for one in told["renditions"]
        for segment in one["segments"]
        if rendition in (None, one["name"])
    ]
    for below, start, name, one in sorted(rows, key=lambda row: (-row[0], *row[1:3])):
        minutes, seconds = divmod(start, 60)
        at = f"{int(minutes)}:{seconds:05.2f}"
        rate, mark = f"{one['bitrate'] / 1000:.0f}", "begins" if one["begins_chunk"] else ""
        scores = (f"{one['vmaf']:.2f}", f"{below:.2f}", f"{one['vmaf_min']:.2f}")
        yield (one["name"], name, at, *scores, rate, mark)
