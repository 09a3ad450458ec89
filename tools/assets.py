"""Brings what makes the dashboard's pages live, from npm's packages, into the package.

usage: python tools/assets.py [--fetch]

Copies what npm has installed here (`make assets`). With `--fetch` npm brings just these packages,
to a folder of their own, unless the files are there already: where npm is missing or fails, the
pages work without them and nothing fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "src" / "adaptation" / "dashboard" / "static" / "vendor"
FILES = {
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "hx-sse.min.js": "htmx.org/dist/ext/hx-sse.min.js",
    "uplot.min.js": "uplot/dist/uPlot.iife.min.js",
    "uplot.css": "uplot/dist/uPlot.min.css",
    "modern-normalize.css": "modern-normalize/modern-normalize.css",
    "shaka-player.js": "shaka-player/dist/shaka-player.compiled-es2021.js",
}
"""Names in the package, and where npm has put the files."""
LOCK = ROOT / "package-lock.json"
FETCH_SECONDS = 180
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def main(modules: Path = ROOT / "node_modules") -> int:
    """Copy all, or tell what is missing."""
    missing = [source for source in FILES.values() if not (modules / source).is_file()]
    if missing:
        sys.stderr.write(f"{', '.join(missing)} is not in {modules.name}: run npm ci first\n")
        return 1
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, source in FILES.items():
        shutil.copyfile(modules / source, TARGET / name)
    return 0


def fetch() -> int:
    """Bring the files by npm, if it is here and they are not."""
    npm = shutil.which("npm")
    if npm is None or _is_current():
        return 0
    sys.stderr.write("Fetching the player and what else makes the pages live …\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in (ROOT / "package.json", LOCK, ROOT / ".npmrc"):
            shutil.copy(file, folder)
        command = [npm, "ci", "--omit=dev", "--ignore-scripts", "--silent"]
        try:
            subprocess.run(
                command, check=True, cwd=folder, stdout=2, timeout=FETCH_SECONDS, env=environment()
            )
        except (subprocess.SubprocessError, OSError) as error:
            sys.stderr.write(f"{error}: the pages do without; `make assets` tries again\n")
            return 0
        return main(folder / "node_modules")


def environment() -> dict[str, str]:
    """The environment for npm: Node knows only its own certificates unless told of others."""
    known = {"NODE_EXTRA_CA_CERTS": str(CERTIFICATES)} if CERTIFICATES.exists() else {}
    return {**known, **os.environ}


def _is_current() -> bool:
    newest = LOCK.stat().st_mtime
    files = [TARGET / name for name in FILES]
    return all(file.is_file() and file.stat().st_mtime >= newest for file in files)


if __name__ == "__main__":
    sys.exit(fetch() if "--fetch" in sys.argv[1:] else main())
