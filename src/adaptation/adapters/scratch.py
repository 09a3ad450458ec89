"""Scratch: the temporary folder of each attempt of a task, on this host's own disk."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import structlog

from adaptation.adapters.lock import locked
from adaptation.errors import Transient

logger = structlog.get_logger(__name__)

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What the system says when there is no room left: on the disk, or in somebody's quota."""
LEAST_BYTES = 1_048_576
"""A disk with less than this is full: whatever is begun there fails."""
LOCK_SECONDS = 1.0
"""How long a claim waits for others on this host: one of them may have been stopped."""
NOTHING = -1
_ATTEMPT = re.compile(r"(\d+)-(\d+)-(\d+)")
_PROMISE = ".promise"
"""Ends the name of the file beside an attempt's folder that says how much room it may take."""


class Scratch:
    """The folder under which every attempt on this host works.

    One host may run several workers over one root: folders are named by job, task and generation,
    and a generation is claimed by one worker only.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._was_full = False

    @contextmanager
    def attempt(self, job_id: int, task_id: int, generation: int) -> Iterator[Path]:
        """Give an empty folder to one attempt and remove it however the attempt ends.

        Raises:
            Transient: `scratch_full`, from making the folder or from inside the `with` block.
        """
        folder = self._folder(job_id, task_id, generation)
        with naming_a_full_disk(self.root, "scratch_full"):
            try:
                _remove(folder)
                folder.mkdir(parents=True, mode=0o700)
                yield folder
            finally:
                _remove(folder)
                _forget(folder)

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
            _forget(folder)
        return len(dead)

    @contextmanager
    def claiming(self) -> Iterator[int]:
        """Bytes that may be promised now, while nobody else who works under this root claims.

        Less than 0 where the disk is full: not even a task that needs no room is to be begun.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        lock = self.root.with_name(f".{self.root.name}.lock")
        with ExitStack() as held:
            with suppress(TimeoutError):
                held.enter_context(locked(lock, wait_seconds=LOCK_SECONDS))
            yield NOTHING if self._is_full() else self.free_bytes()

    def reserve(self, job_id: int, task_id: int, generation: int, size_bytes: int) -> None:
        """Promise room to an attempt, until `attempt` ends or its folder is swept."""
        folder = self._folder(job_id, task_id, generation)
        with suppress(OSError):  # the attempt itself will say what is wrong
            _promise(folder).write_text(str(size_bytes))

    def free_bytes(self) -> int:
        """Bytes that may be promised: what is free, less what is promised and not written yet."""
        self.root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.root).free
        return max(0, free - sum(_unwritten(folder) for folder, _ in self._folders()))

    def _is_full(self) -> bool:
        is_full = shutil.disk_usage(self.root).free < LEAST_BYTES
        if is_full != self._was_full:
            self._was_full = is_full
            level = logger.warning if is_full else logger.info
            level("scratch is full, nothing is begun" if is_full else "scratch has room again")
        return is_full

    def _folder(self, job_id: int, task_id: int, generation: int) -> Path:
        return self.root / f"{job_id}-{task_id}-{generation}"

    def _folders(self) -> list[tuple[Path, tuple[int, int, int]]]:
        """The folder of each attempt that has one, or was promised room."""
        found = {}
        for path in self.root.iterdir():
            if match := _ATTEMPT.fullmatch(path.name.removesuffix(_PROMISE)):
                job_id, task_id, generation = map(int, match.groups())
                found[self.root / match.group()] = (job_id, task_id, generation)
        return list(found.items())


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


def _promise(folder: Path) -> Path:
    return folder.with_name(folder.name + _PROMISE)


def _forget(folder: Path) -> None:
    with suppress(OSError):
        _promise(folder).unlink(missing_ok=True)


def _unwritten(folder: Path) -> int:
    """What an attempt was promised and has not used yet."""
    try:
        promised = int(_promise(folder).read_text())
    except (OSError, ValueError):
        return 0
    return max(0, promised - _used(folder))


def _used(folder: Path) -> int:
    """Bytes in a folder that others may change meanwhile."""
    used = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                used += Path(place, name).stat().st_size
    return used
