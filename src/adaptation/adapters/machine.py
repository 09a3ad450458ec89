"""How busy this machine is, and what devices it has."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import psutil

DEVICES = ("nvidia*", "dri/renderD*", "dxg")
"""In /dev of Linux; without one no card encodes: NVIDIA's, all others', Windows' below WSL."""


def may_encode_in_hardware(devices: Path = Path("/dev")) -> bool:
    """Whether there is a device that may encode pictures; also where nobody can tell."""
    if not sys.platform.startswith("linux"):
        return True
    return any(any(devices.glob(pattern)) for pattern in DEVICES)


class Machine:
    """Watches the processors between two looks; each look may come from another thread."""

    def __init__(self, scratch: Path) -> None:
        """Begin to watch.

        Args:
            scratch: the folder whose disk is told of; it need not be there yet.
        """
        self._scratch = scratch
        self._lock = threading.Lock()
        self._before = _times()
        self._share = 0.0

    def load(self) -> dict[str, float | int]:
        """How busy it is.

        Returns:
            `cpu`: share of all processors since the look before, 0 to 1; `memory_used_bytes`,
            `memory_bytes`: used and there; `scratch_bytes`: size of the disk, where there is one.
        """
        memory = psutil.virtual_memory()
        found: dict[str, float | int] = {
            "cpu": round(self._cpu(), 3),
            "memory_used_bytes": memory.total - memory.available,
            "memory_bytes": memory.total,
        }
        place = next((at for at in (self._scratch, *self._scratch.parents) if at.exists()), None)
        if place is not None:
            found["scratch_bytes"] = psutil.disk_usage(str(place)).total
        return found

    def _cpu(self) -> float:
        with self._lock:
            busy, total = _times()
            busy_before, total_before = self._before
            if total > total_before:
                self._share = min(1.0, max(0.0, (busy - busy_before) / (total - total_before)))
                self._before = busy, total
            return self._share


def _times() -> tuple[float, float]:
    """Seconds that all processors were busy, and that there were, since the machine's start."""
    times = psutil.cpu_times()._asdict()
    # What guests of a virtual machine took is within `user` and `nice` already.
    total = sum(seconds for name, seconds in times.items() if not name.startswith("guest"))
    return total - times["idle"] - times.get("iowait", 0.0), total
