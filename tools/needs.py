"""Bring what the tests need besides Python packages: a browser, servers, Node and its packages.

usage: python tools/needs.py

As root on Debian and Ubuntu what is missing is installed with apt; elsewhere nothing is touched
and the tests say at their end what they had to skip. Never fails: the tests are the judges.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import apt
import assets

ROOT = Path(__file__).resolve().parent.parent
NEEDS = (
    (("chromium", "chromium-browser", "google-chrome"), ("chromium",)),
    (("redis-server",), ("redis-server",)),
    (("rabbitmq-server",), ("rabbitmq-server",)),
    (("initdb",), ("postgresql",)),
    (("node",), ("nodejs",)),
    (("npm",), ("npm",)),
    (("strace",), ("strace",)),
)
"""The commands of which one is enough, and the Debian packages that bring them."""


def main() -> None:
    """Install what is missing, as far as this machine and this user allow."""
    missing = [
        package for commands, packages in NEEDS if not _any(commands) for package in packages
    ]
    if missing and apt.available() and not apt.install(missing):
        # One package that a distribution lacks must not keep the others away.
        for package in missing:
            apt.install([package])
    if shutil.which("npm") and not _node_packages_are_current():
        subprocess.run(["npm", "ci"], check=False, cwd=ROOT, stdout=2, env=assets.environment())
    assets.main()


def _any(commands: tuple[str, ...]) -> bool:
    return any(shutil.which(command, path=_path()) for command in commands)


def _path() -> str:
    """Where commands are looked for: Debian keeps servers out of the ordinary places."""
    versions = (str(folder) for folder in Path("/").glob("usr/lib/postgresql/*/bin"))
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", *versions])


def _node_packages_are_current() -> bool:
    installed = ROOT / "node_modules" / ".package-lock.json"
    lock = ROOT / "package-lock.json"
    return installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime


if __name__ == "__main__":
    main()
