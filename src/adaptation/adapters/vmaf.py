"""Runs FFmpeg's libvmaf on local files, and gives what it has written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from adaptation.adapters.ffmpeg import STALL_SECONDS, encode_argv
from adaptation.adapters.process import Flag, Limits, run
from adaptation.adapters.progress import Progress, ProgressReader
from adaptation.adapters.sandbox import named_in
from adaptation.adapters.tools import Tools, listed
from adaptation.errors import ToolError


def check_filter(name: str, tools: Tools) -> None:
    """See that FFmpeg can measure.

    Raises:
        ToolError: `vmaf_missing`.
    """
    if name not in listed(tools, "-filters"):
        raise ToolError(
            f"not measured: FFmpeg has no {name}",
            code="vmaf_missing",
            hint="Set ADAPTATION_FFMPEG to an FFmpeg that has it, on every worker, or unset it;"
            " adaptation doctor tells.",
        )


def measure(  # noqa: PLR0913 - what is run, and how it is watched
    arguments: Sequence[str],
    tools: Tools,
    folder: Path,
    log_name: str,
    *,
    expected_seconds: float,
    on_progress: Callable[[Progress], None],
    cancelled: Flag | None = None,
) -> Mapping[str, Any]:
    """Run FFmpeg with a filter that writes a log of JSON into the folder it runs in.

    Args:
        arguments: inputs, filters and outputs, without the program.
        tools: where FFmpeg is.
        folder: of this run alone.
        log_name: of the log there.
        expected_seconds: media time of the output, to tell the progress by.
        on_progress: called about twice a second in the calling thread.
        cancelled: set by anybody to stop.

    Returns:
        The log.

    Raises:
        ToolError, Transient, Cancelled: as `process.run`; `output_broken`, there is no log.
    """
    argv = encode_argv(arguments, tools)
    access = replace(named_in(argv), writes=(folder,))
    follow = ProgressReader(expected_seconds, on_progress)
    limits = Limits(cancelled, STALL_SECONDS)
    log = folder / log_name
    # What an earlier run wrote must not be taken for what comes now.
    log.unlink(missing_ok=True)
    run(argv, access=access, within=tools.sandbox, on_line=follow.read, limits=limits, cwd=folder)
    try:
        found = json.loads(log.read_bytes())
    except (OSError, ValueError) as error:
        raise ToolError("FFmpeg wrote no scores", code="output_broken") from error
    if not isinstance(found, dict):
        raise ToolError("FFmpeg wrote no scores", code="output_broken")
    return found
