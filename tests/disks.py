"""File systems that are small or read-only, for tests that need the real thing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """Mount a fresh tmpfs with `options` (`size=1m`, `ro`) at `folder` for one block, or skip."""
    folder.mkdir(parents=True, exist_ok=True)
    if not mount_tmpfs(folder, options):
        pytest.skip("mounting a tmpfs needs root on Linux, and the command mount")
    try:
        yield folder
    finally:
        unmount(folder)


def mount_tmpfs(folder: Path, options: str) -> bool:
    """Mount a fresh tmpfs on a folder; whether this user and system allow it."""
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    allowed = shutil.which("mount") is not None and os.geteuid() == 0
    return allowed and subprocess.run(command, check=False, capture_output=True).returncode == 0


def resize(folder: Path, kibibytes: int) -> None:
    """Give a mounted tmpfs another size."""
    command = ["mount", "-o", f"remount,size={kibibytes}k", str(folder)]
    subprocess.run(command, check=True)


@contextmanager
def filled(folder: Path, room_kibibytes: int) -> Iterator[None]:
    """Take all of a file system but some KiB for one block, whoever else is just writing there."""
    ballast = folder / "ballast"
    try:
        with ballast.open("wb") as file:
            while (taken := shutil.disk_usage(folder).free - room_kibibytes * 1024) > 0:
                with suppress(OSError):  # somebody was quicker: there is less to take now
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), taken)
        yield
    finally:
        ballast.unlink()


def unmount(folder: Path) -> None:
    """Take a file system away, lazily: a process that is just dying may still hold a file there."""
    subprocess.run(["umount", "-l", str(folder)], check=True)
