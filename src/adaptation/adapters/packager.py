"""Runs Shaka Packager and reads back the segments it wrote."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from adaptation.adapters.process import Finished, Limits, run
from adaptation.adapters.sandbox import Access
from adaptation.adapters.tools import Tools

TIMEOUT_SECONDS = 3600.0
"""Packager writes about 100 MB a second; an hour is a very long film on a very slow disk."""
INPUT_NAME = "input.mp4"
"""Name under which the encoded file is seen in the folder of the segments."""


def package(
    arguments: Sequence[str],
    input_path: Path,
    folder: Path,
    tools: Tools,
    cancelled: threading.Event | None = None,
) -> Finished:
    """Run Packager in `folder`, which is made when needed and holds only its segments then.

    Args:
        arguments: descriptor and options; the descriptor reads `INPUT_NAME`.
        input_path: the encoded file.
        folder: where the segments go.
        tools: where Packager is.
        cancelled: set by anybody to stop.

    Raises:
        ToolError, Transient, Cancelled: as `process.run`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # A name of our own: a comma in the real path would begin another option of the descriptor.
    link = folder / INPUT_NAME
    link.unlink(missing_ok=True)
    link.symlink_to(input_path.absolute())
    try:
        argv = [str(tools.packager), *arguments]
        return run(
            argv,
            access=Access(reads=(input_path,), writes=(folder,)),
            within=tools.sandbox,
            limits=Limits(cancelled, timeout_seconds=TIMEOUT_SECONDS),
            cwd=folder,
        )
    finally:
        link.unlink(missing_ok=True)
