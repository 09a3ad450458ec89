"""The machine and its moment: what a figure is worth nothing without."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import psutil

import adaptation
from adaptation.adapters.tools import Tools, versions
from benchmarks import environment

ROOT = Path(__file__).resolve().parent.parent


def describe() -> dict[str, Any]:
    """Processor, memory and system."""
    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory_bytes": psutil.virtual_memory().total,
    }


def tool_versions(tools: Tools) -> dict[str, str]:
    """Everything that takes part, with its version."""
    return {
        "adaptation": f"{adaptation.__version__} ({_commit()})",
        "python": platform.python_version(),
        **versions(tools),
        **environment.versions(),
    }


def load() -> list[float]:
    """Processes that wanted to run in the last 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "no git"
    return done.stdout.strip() or "no commit"
