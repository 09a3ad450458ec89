"""Folders of assets that can be watched while their jobs run, one a job."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from adaptation.adapters.containment import held
from adaptation.adapters.exchange import swap
from adaptation.adapters.lock import locked
from adaptation.errors import ParameterError

KEEP_LINKS_SECONDS = 86_400
"""How long a finished asset can still be reached by the address it had while it grew."""
LOCK_SECONDS = 2.0
"""How long others may keep the lock: what can be watched is then not the newest."""
_LOCK = ".lock"


def write(target: Path, text: str) -> None:
    """Let a text appear or replace the one before, whole."""
    part = target.with_name(f".{uuid4().hex}.part")
    part.write_text(text)
    part.replace(target)


class LiveArea:
    """A folder with one folder for each running job: segments, playlists and a manifest.

    Segments are links of those in the work area: they cost no room, and the finished asset has the
    very same files under the same names. When a job is done, its folder becomes a link to the
    asset, so that whoever watches goes on to the end.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, job_id: int) -> Path:
        """Where the growing asset of a job lies."""
        return self.root / str(job_id)

    def add(self, job_id: int, source: Path, name: str) -> None:
        """Let a finished file appear; one that is there already is the same.

        Args:
            job_id: whose asset.
            source: a file of the work area that will not change.
            name: relative to the asset's folder.
        """
        *inner, last = name.split("/")
        with self._growing(job_id) as growing, held(growing, inner, make=True) as folder:
            target = folder / last
            with suppress(FileExistsError):
                try:
                    os.link(source, target)
                except FileExistsError:
                    raise
                except OSError:  # another file system, or one without links
                    part = target.with_name(f".{uuid4().hex}.part")
                    shutil.copyfile(source, part)
                    part.replace(target)

    @contextmanager
    def locked(self, job_id: int) -> Iterator[Path]:
        """Keep other workers from rewriting the playlists of this job: they may only grow.

        Gives the folder to write to.

        Raises:
            TimeoutError: another worker has the lock, and was perhaps stopped with it.
            OSError: the job is over, and its folder leads to the asset or is gone.
        """
        with self._growing(job_id) as folder, locked(folder / _LOCK, wait_seconds=LOCK_SECONDS):
            yield folder

    @contextmanager
    def _growing(self, job_id: int) -> Iterator[Path]:
        """The folder itself, not what is under its name by the time that something is written.

        A worker that was stopped for long would otherwise write into the finished asset.

        Raises:
            OSError: it leads to the finished asset.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            with held(self.root, (str(job_id),), make=True) as folder:
                yield folder
        except ParameterError as error:
            raise NotADirectoryError(
                errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(self.folder(job_id))
            ) from error

    def finish(self, job_id: int, asset: Path) -> None:
        """Lead to the finished asset from now on; nothing happens if nothing grew here."""
        folder = self.folder(job_id)
        if folder.is_symlink() or not folder.is_dir():
            return
        link = self.root / f".{uuid4().hex}.link"
        try:
            link.symlink_to(asset, target_is_directory=True)
        except OSError:  # Windows wants a privilege for it
            self.remove(job_id)
            return
        # At no moment is there nothing at this address.
        swap(link, folder)
        shutil.rmtree(link, ignore_errors=True)

    def remove(self, job_id: int) -> None:
        """Delete what has grown of a job that will not be finished, and links that are old."""
        folder = self.folder(job_id)
        if not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)
        for link in self.root.glob("*") if self.root.is_dir() else ():
            if link.is_symlink() and time.time() - link.lstat().st_mtime > KEEP_LINKS_SECONDS:
                link.unlink(missing_ok=True)
