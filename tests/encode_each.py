"""A process that encodes one source after the other: `python encode_each.py OUTPUT SOURCE…`."""

from __future__ import annotations

import sys
from pathlib import Path

from adaptation.wiring import deploy


def main(output: str, *sources: str) -> None:
    deployment = deploy()
    for number, source in enumerate(sources):
        deployment.encode(
            source,
            str(Path(output, str(number))),
            renditions=[{"height": 90, "bitrate": 100}],
            preset="ultrafast",
        )
    deployment.store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
