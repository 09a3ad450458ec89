"""Proves images that were made here: each is decoded, and what is seen must be what was meant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from adaptation.adapters.inputs import allowed_input
from adaptation.adapters.process import Flag, Limits, run
from adaptation.adapters.sandbox import Access
from adaptation.adapters.tools import Tools
from adaptation.errors import ToolError

DEMUXERS = {"jpeg": "jpeg_pipe", "png": "png_pipe", "webp": "webp_pipe", "gif": "gif"}
"""How FFmpeg calls the readers of images."""
PROOF_SECONDS = 120.0
"""The largest GIF takes a few."""


def prove_image(  # noqa: PLR0913 - what it must be, and how to look
    path: Path,
    kind: str,
    tools: Tools,
    *,
    size: tuple[int, int],
    pictures: int = 1,
    cancelled: Flag | None = None,
) -> None:
    """Decode an image whole.

    Args:
        path: absolute.
        kind: one of `DEMUXERS`.
        tools: where FFmpeg is.
        size: width and height that it must have, in pixels.
        pictures: how many it must have.
        cancelled: set by anybody to stop.

    Raises:
        ToolError: `output_broken`, it cannot be decoded; `output_mismatch`, it is another one.
        Cancelled: `cancelled` was set.
    """
    # The name of its reader is forced: by their names images are taken for patterns.
    argv = [str(tools.ffmpeg), "-nostdin", "-hide_banner", "-v", "error"]
    argv += [*allowed_input(DEMUXERS[kind]), "-f", DEMUXERS[kind], "-i", f"file:{path}"]
    argv += ["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framecrc", "-"]
    limits = Limits(cancelled, timeout_seconds=PROOF_SECONDS)
    try:
        done = run(argv, access=Access(reads=(path,)), within=tools.sandbox, limits=limits)
        printed, complaint = done.stdout, done.stderr_tail
    except ToolError as error:
        if error.code != "tool_failed":
            raise
        printed, complaint = "", error.stderr_tail or error.message
    if complaint:
        raise ToolError(
            f"{path.name} does not decode cleanly: {complaint.partition(chr(10))[0]}",
            code="output_broken",
            stderr_tail=complaint,
        )
    _compare(printed.splitlines(), path.name, (size, pictures))


def _compare(lines: Sequence[str], name: str, meant: tuple[tuple[int, int], int]) -> None:
    """Hold what the decoder printed against what is meant: the size, and how many pictures."""
    shown = next((line for line in lines if line.startswith("#dimensions")), "").split()[-1:]
    found = sum(not line.startswith("#") for line in lines)
    (width, height), pictures = meant
    if shown != [f"{width}x{height}"] or found != pictures:
        raise ToolError(
            f"{name} has {found} pictures of {''.join(shown) or 'no size'} instead of {pictures}"
            f" of {width}x{height}",
            code="output_mismatch",
        )
