"""`adaptation encode`: one asset, made by an engine that lives as long as the command."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from adaptation.cli.request import Request, Slots


def encode(  # noqa: PLR0913 - each is an option of the command line
    source: str,
    folder: Annotated[str, Parameter(name="OUTPUT")],
    /,
    *,
    request: Request = Request(),  # noqa: B008 - frozen
    as_json: Annotated[bool, Parameter(name="--json")] = False,
    quiet: bool = False,
    slots: Slots = None,
) -> int:
    """Make one HLS + DASH asset of a video, here and now.

    What was interrupted goes on where it stopped when the same command is given again. The last
    line on stdout is the asset's folder.

    Args:
        source: A path, a file://, http:// or https:// URL, or storage://NAME/KEY.
        folder: The folder the asset appears as, whole, at the end; or storage://NAME/KEY.
        request: How the asset is to be.
        as_json: Print one JSON event a line on stdout instead.
        quiet: Say nothing but errors.
        slots: Tasks at the same time; as many as there are processors when not given.
    """
    from adaptation.cli.runs import Run, Style

    run = Run(request.parameters(source, folder), Style(as_json, quiet), slots)
    return run.report(run.perform())
