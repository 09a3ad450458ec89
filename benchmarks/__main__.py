"""`make bench`: run every measurement and print its table."""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

from benchmarks import engine

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measure, print, and keep the figures as JSON in `benchmarks/results`."""
    print(f"# {platform.platform()}, Python {platform.python_version()}", file=sys.stderr)
    RESULTS.mkdir(exist_ok=True)
    figures = engine.measure()
    print(engine.table(figures))
    (RESULTS / "engine.json").write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
