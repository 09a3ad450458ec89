"""Runs Shaka Packager and reads back the segments it wrote."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from adaptation.adapters.process import Finished, Limits, run
from adaptation.adapters.sandbox import Access
from adaptation.adapters.tools import Tools

TIMEOUT_SECONDS = 3600.0
"""Packager writes about 100 MB a second; an hour is a very long film on a very slow disk."""
INPUT_NAME = "input.mp4"
"""Name under which the encoded file is seen in the folder of the segments."""
FLAGS_NAME = "flags"
"""File of the options that nobody else may see, in the same folder while Packager runs."""


def package(  # noqa: PLR0913 - what, where, and on which terms
    arguments: Sequence[str],
    input_path: Path,
    folder: Path,
    tools: Tools,
    *,
    cancelled: threading.Event | None = None,
    secrets: Sequence[str] = (),
) -> Finished:
    """Run Packager in `folder`, which is made when needed and holds only its segments then.

    Args:
        arguments: descriptor and options; the descriptor reads `INPUT_NAME`.
        input_path: the encoded file.
        folder: where the segments go.
        tools: where Packager is.
        cancelled: set by anybody to stop.
        secrets: options that hold keys: they go by a file, for all who are logged in see a command.

    Raises:
        ToolError, Transient, Cancelled: as `process.run`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # A name of our own: a comma in the real path would begin another option of the descriptor.
    link = folder / INPUT_NAME
    link.unlink(missing_ok=True)
    link.symlink_to(input_path.absolute())
    try:
        with _told(folder, secrets) as words:
            return run(
                [str(tools.packager), *arguments, *words],
                access=Access(reads=(input_path,), writes=(folder,)),
                within=tools.sandbox,
                limits=Limits(cancelled, timeout_seconds=TIMEOUT_SECONDS),
                cwd=folder,
            )
    finally:
        link.unlink(missing_ok=True)


@contextmanager
def _told(folder: Path, secrets: Sequence[str]) -> Iterator[list[str]]:
    """What to say instead of secret options, which lie in a file of ours meanwhile."""
    if not secrets:
        yield []
        return
    path = folder / FLAGS_NAME
    path.unlink(missing_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    try:
        path.write_text("".join(f"{option}\n" for option in secrets), encoding="ascii")
        yield [f"--flagfile={FLAGS_NAME}"]
    finally:
        path.unlink(missing_ok=True)
