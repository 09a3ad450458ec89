"""Install Debian packages where this process may: as root, with apt-get."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

POLICY = Path("/usr/sbin/policy-rc.d")
"""The program Debian asks before a package may start its service; exit code 101 says no."""


def available() -> bool:
    """Whether packages can be installed here: root, and apt-get on the PATH."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: Sequence[str]) -> bool:
    """Install `packages` without a question and without starting a service; False: it failed."""
    print(f"installing with apt-get: {' '.join(packages)}", file=sys.stderr)
    with services_stay_off():
        # The package lists of a fresh container are empty, those of a laptop are good enough.
        return _apt_get("install", *packages) or (
            _apt_get("update") and _apt_get("install", *packages)
        )


@contextmanager
def services_stay_off() -> Iterator[None]:
    """Keep packages from starting their services: the tests start and end their own."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def _apt_get(verb: str, *packages: str) -> bool:
    # The lock is waited for: another make, or the machine's own updates, may hold it.
    command = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300", verb]
    if verb == "install":
        command.append("--no-install-recommends")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command += packages
    return subprocess.run(command, check=False, stdout=2, env=environment).returncode == 0
