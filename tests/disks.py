"""File systems that are small or read-only, for tests that need the real thing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services import need_command


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """Mount a fresh tmpfs with `options` (`size=1m`, `ro`) at `folder` for one block, or skip."""
    mount = need_command("mount", package="mount")
    folder.mkdir(parents=True, exist_ok=True)
    command = [mount, "-t", "tmpfs", "-o", options, "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting a tmpfs needs root on Linux")
    try:
        yield folder
    finally:
        # Lazily: a child process that is just dying may still hold a file there.
        subprocess.run(["umount", "-l", str(folder)], check=True)
