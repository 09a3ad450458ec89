"""Writes a piece slowly, as a child process of a task: in two halves with a pause between.

usage: python piece_writer.py PATH MAIN_TASK_ID NUMBER SIZE_BYTES MILLISECONDS
"""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path


def main(place: Path, main_task_id: str, number: int, size_bytes: int, milliseconds: int) -> None:
    """Write it. Isolated from all other modules, so that it starts quickly."""
    content = hashlib.shake_256(f"{main_task_id}/{number}".encode()).digest(size_bytes)
    with place.open("wb") as file:
        file.write(content[: size_bytes // 2])
        file.flush()
        time.sleep(milliseconds / 1000)
        file.write(content[size_bytes // 2 :])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:]))
