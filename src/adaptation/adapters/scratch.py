"""Scratch: the temporary folder of each attempt of a task, on this host's own disk."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from adaptation.errors import Transient

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What the system says when there is no room left: on the disk, or in somebody's quota."""
_ATTEMPT = re.compile(r"(\d+)-(\d+)-(\d+)")


class Scratch:
    """The folder under which every attempt on this host works.

    One host may run several workers over one root: folders are named by job, task and generation,
    and a generation is claimed by one worker only.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def attempt(self, job_id: int, task_id: int, generation: int) -> Iterator[Path]:
        """Give an empty folder to one attempt and remove it however the attempt ends.

        Raises:
            Transient: `scratch_full`, from making the folder or from inside the `with` block.
        """
        folder = self.root / f"{job_id}-{task_id}-{generation}"
        with naming_a_full_disk(self.root, "scratch_full"):
            try:
                _remove(folder)
                folder.mkdir(parents=True, mode=0o700)
                yield folder
            finally:
                _remove(folder)

    def sweep(self, alive: Callable[[int, int, int], bool]) -> int:
        """Remove the folders of attempts that are not running any more, after a kill -9.

        Args:
            alive: whether the attempt (job_id, task_id, generation) is running.

        Returns:
            How many folders were removed.
        """
        if not self.root.is_dir():
            return 0
        # Listed before asking: a folder is made after its claim, so one that is seen here and
        # whose attempt is not running is never just about to be used.
        dead = [folder for folder, key in self._folders() if not alive(*key)]
        for folder in dead:
            _remove(folder)
        return len(dead)

    def free_bytes(self) -> int:
        """Bytes this host may still write to scratch."""
        self.root.mkdir(parents=True, exist_ok=True)
        return shutil.disk_usage(self.root).free

    def _folders(self) -> list[tuple[Path, tuple[int, int, int]]]:
        found = []
        for folder in self.root.iterdir():
            if match := _ATTEMPT.fullmatch(folder.name):
                job_id, task_id, generation = map(int, match.groups())
                found.append((folder, (job_id, task_id, generation)))
        return found


@contextmanager
def naming_a_full_disk(folder: Path, code: str) -> Iterator[None]:
    """Turn "no space left" inside the block into an error that names the folder.

    Raises:
        Transient: with `code`; room may come back when other work ends.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise Transient(
            f"No space left under {folder}",
            code=code,
            hint="Free some space there, or set ADAPTATION_HOME to a folder on a larger disk.",
        ) from error


def _remove(folder: Path) -> None:
    # A child process that is just dying may still write here: what stays is left to `sweep`.
    shutil.rmtree(folder, ignore_errors=True)
