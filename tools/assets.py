"""Copies what npm has installed for the dashboard's pages into the package: `make assets`."""

from __future__ import annotations

import shutil
import sys
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


if __name__ == "__main__":
    sys.exit(main())
