"""The bench's own environment: what it compares with and draws by is no part of the product."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.processes import BenchError
from benchmarks.progress import note

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(__file__).resolve().parent / ".venv"
LOCK = ROOT / "requirements" / "bench.txt"
SHOWN = ("shaka-streamer", "matplotlib")
"""Packages whose versions stand beside the figures."""


def python() -> Path:
    """The environment's Python; the environment is made or brought up to date first.

    Raises:
        BenchError: it cannot be made.
    """
    stamp = FOLDER / ".made"
    if not stamp.exists() or stamp.read_text() != LOCK.read_text():
        note(f"making {FOLDER.relative_to(ROOT)} from {LOCK.relative_to(ROOT)}")
        _install()
        stamp.write_text(LOCK.read_text())
    return FOLDER / "bin" / "python"


def versions() -> dict[str, str]:
    """What the environment is locked to."""
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", LOCK.read_text(), re.MULTILINE))
    return {name: pins[name] for name in SHOWN}


def _install() -> None:
    uv, target = ROOT / ".venv" / "bin" / "uv", FOLDER / "bin" / "python"
    if uv.exists():
        _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, FOLDER)
        _run(uv, "pip", "sync", "--quiet", "--python", target, "--require-hashes", LOCK)
    else:
        _run(sys.executable, "-m", "venv", "--clear", FOLDER)
        _run(target, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", LOCK)


def _run(*command: str | Path) -> None:
    # uv knows only its own list of certificates unless told to use the machine's.
    variables = {"UV_SYSTEM_CERTS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", **os.environ}
    if subprocess.run(command, check=False, stdout=2, env=variables).returncode != 0:
        raise BenchError(f"the bench's environment cannot be made: {' '.join(map(str, command))}")
