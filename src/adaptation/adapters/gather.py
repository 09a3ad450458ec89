"""Gathers what a playlist names: fetched a few at a time, kept over attempts, put together."""

from __future__ import annotations

import hashlib
import queue
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from adaptation.adapters.children import Children, Visit
from adaptation.adapters.process import Flag
from adaptation.adapters.scratch import naming_a_full_disk
from adaptation.errors import Cancelled, SourceError

PARALLEL = 4
"""How many files are fetched at a time: most of a segment's time is waiting for its first byte."""
KEY_BYTES = 16
"""Length of a key of AES-128."""
BLOCK_BITS = 128
COPY_BYTES = 1 << 20
LOOK_SECONDS = 0.1
"""How soon somebody's wish to stop is seen."""
BOX_NAMES = frozenset({b"ftyp", b"styp", b"moov", b"free", b"sidx"})
"""What an init segment begins with that is not encrypted."""

ABSENT = frozenset({"source_not_found", "source_missing"})
"""Codes by which the web and a folder say that there is no such file."""

T = TypeVar("T")


class Key(Protocol):
    """What a piece is encrypted with: AES-128-CBC."""

    @property
    def address(self) -> str:
        """Where the key lies."""

    @property
    def iv(self) -> bytes:
        """The initialisation vector, 16 bytes."""


class Piece(Protocol):
    """A file or a part of one."""

    @property
    def address(self) -> str:
        """Of the file."""

    @property
    def first_byte(self) -> int:
        """Where the piece begins in it."""

    @property
    def size_bytes(self) -> int | None:
        """How long it is; None: to the end."""

    @property
    def key(self) -> Key | None:
        """What it is encrypted with."""

    @property
    def is_init(self) -> bool:
        """Whether it is an init segment."""

    @property
    def may_be_absent(self) -> bool:
        """Whether nothing is missing if there is no such file."""


class Gathering:
    """The files of one playlist, in a folder that a later attempt goes on with."""

    def __init__(
        self,
        children: Children,
        folder: Path,
        *,
        cancelled: Flag,
        most_bytes: int | None = None,
        on_progress: Callable[[float], None] = lambda _: None,
    ) -> None:
        """Args say where files come from and gather.

        Args:
            children: where they come from.
            folder: where they gather.
            cancelled: set by anybody to stop.
            most_bytes: that all of them may have together.
            on_progress: told the part of the files that are here, 0 to 1, in the calling thread.
        """
        self._children = children
        self._folder = folder
        self._cancelled = cancelled
        self._on_progress = on_progress
        self._budget = _Budget(most_bytes)
        folder.mkdir(parents=True, exist_ok=True)

    def text(self, address: str, most_bytes: int) -> tuple[bytes, str]:
        """A playlist, fetched anew, and the address it really came from.

        Raises:
            SourceError: `source_too_large`, and what a fetch may.
            Transient, Cancelled: as `fetch`.
        """
        target = self._target(address)
        limit = _Budget(most_bytes)

        def bring(visit: Visit) -> str:
            return visit.bring(address, target, lambda done: limit.note(address, done))

        (came_from,) = self._all([bring])
        content = target.read_bytes()
        target.unlink()
        return content, came_from

    def fetch(self, tracks: Sequence[Sequence[Piece]]) -> None:
        """Bring all files of these tracks, those that are here already excepted.

        Raises:
            SourceError: `source_too_large`, `source_child_forbidden`, and what a fetch may.
            Transient, Cancelled: as `fetch`; what has come is kept.
        """
        pieces = [piece for track in tracks for piece in track]
        wanted = dict.fromkeys(piece.address for piece in pieces)
        wanted |= dict.fromkeys(piece.key.address for piece in pieces if piece.key)
        missing = list[str]()
        for address in wanted:
            target = self._target(address)
            if target.exists():
                self._budget.note(address, target.stat().st_size)
            else:
                missing.append(address)

        optional = {piece.address for piece in pieces if piece.may_be_absent}

        def bringing(address: str) -> Callable[[Visit], None]:
            return lambda visit: self._bring(visit, address, optional=address in optional)

        self._all([bringing(address) for address in missing], len(wanted))

    def put_together(self, pieces: Sequence[Piece], target: Path) -> None:
        """Put fetched pieces behind each other, decrypted, and delete their files.

        Raises:
            SourceError: `source_truncated`, `source_encrypted`.
            Transient: `scratch_full`.
            Cancelled: somebody wants to stop.
        """
        with naming_a_full_disk(target.parent, "scratch_full"), target.open("wb") as whole:
            for piece in pieces:
                self._check()
                with self._target(piece.address).open("rb") as file:
                    for part in self._plain(piece, file):
                        whole.write(part)
        for address in {piece.address for piece in pieces}:
            self._target(address).unlink(missing_ok=True)

    def forget(self) -> None:
        """Delete all files."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _target(self, address: str) -> Path:
        # By the address: of another one of another attempt nothing may be taken over.
        digest = hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()
        return self._folder / digest[:32]

    def _bring(self, visit: Visit, address: str, *, optional: bool) -> None:
        target = self._target(address)
        try:
            visit.bring(address, target, lambda done: self._budget.note(address, done))
        except SourceError as error:
            if not optional or error.code not in ABSENT:
                raise
            target.touch()

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled("the task was asked to stop")

    def _all(self, tasks: Sequence[Callable[[Visit], T]], total: int = 0) -> list[T]:
        """Do all of it, a few at a time; the first error ends the others."""
        if not tasks:
            return []
        stop, waiting = threading.Event(), queue.SimpleQueue[tuple[int, Callable[[Visit], T]]]()
        done = dict[int, T]()
        for numbered in enumerate(tasks):
            waiting.put(numbered)

        def work() -> None:
            with self._children.visit(stop) as visit:
                while not stop.is_set():
                    try:
                        number, task = waiting.get_nowait()
                    except queue.Empty:
                        return
                    done[number] = task(visit)

        with ThreadPoolExecutor(min(PARALLEL, len(tasks))) as pool:
            workers = [pool.submit(work) for _ in range(min(PARALLEL, len(tasks)))]
            try:
                self._watch(workers, lambda: 1 - (len(tasks) - len(done)) / max(total, len(tasks)))
            finally:
                stop.set()
        _raise_the_cause(workers)
        return [done[number] for number in range(len(tasks))]

    def _watch(self, workers: Sequence[Future[None]], part: Callable[[], float]) -> None:
        """Wait until all have ended or one has failed."""
        while True:
            ended, others = wait(workers, LOOK_SECONDS, FIRST_EXCEPTION)
            self._check()
            self._on_progress(part())
            if not others or any(worker.exception() for worker in ended):
                return

    def _plain(self, piece: Piece, file: BinaryIO) -> Iterator[bytes]:
        """The bytes of a piece as they were before encryption."""
        if piece.key is None or (piece.is_init and _is_plain(piece, file)):
            yield from _read(piece, file)
            return
        key = self._target(piece.key.address).read_bytes()
        if len(key) != KEY_BYTES:
            raise _not_opened(f"a key has {len(key)} bytes instead of {KEY_BYTES}")
        decryptor = Cipher(algorithms.AES128(key), modes.CBC(piece.key.iv)).decryptor()
        padding = PKCS7(BLOCK_BITS).unpadder()
        try:
            for part in _read(piece, file):
                yield padding.update(decryptor.update(part))
            yield padding.update(decryptor.finalize()) + padding.finalize()
        except ValueError as error:
            raise _not_opened("its key does not fit") from error


class _Budget:
    """Bytes that files may have together; safe to be told by several threads."""

    def __init__(self, most_bytes: int | None) -> None:
        self._most = most_bytes
        self._sizes = dict[str, int]()
        self._sum = 0
        self._lock = threading.Lock()

    def note(self, address: str, size_bytes: int) -> None:
        """Take the size of a file so far.

        Raises:
            SourceError: `source_too_large`.
        """
        with self._lock:
            self._sum += size_bytes - self._sizes.get(address, 0)
            self._sizes[address] = size_bytes
            if self._most is not None and self._sum > self._most:
                raise SourceError(
                    f"the playlist's files have more than {self._most:,} bytes",
                    code="source_too_large",
                    hint="Give a shorter one, or have the limit raised.",
                )


def _raise_the_cause(workers: Sequence[Future[None]]) -> None:
    """Raise what went wrong first: others were only told to stop because of it."""
    errors = [error for worker in workers if (error := worker.exception())]
    for error in sorted(errors, key=lambda one: isinstance(one, Cancelled)):
        raise error


def _is_plain(piece: Piece, file: BinaryIO) -> bool:
    """Whether an init segment is as it was before any encryption, RFC 8216 §4.3.2.5."""
    file.seek(piece.first_byte)
    return file.read(8)[4:] in BOX_NAMES


def _read(piece: Piece, file: BinaryIO) -> Iterator[bytes]:
    """The bytes of a piece as they are stored."""
    file.seek(piece.first_byte)
    left = piece.size_bytes
    while left is None or left:
        part = file.read(COPY_BYTES if left is None else min(left, COPY_BYTES))
        if not part:
            break
        left = None if left is None else left - len(part)
        yield part
    if left:
        raise SourceError(
            f"the source is cut short: {left:,} bytes are missing in a segment",
            code="source_truncated",
            hint="Copy or publish the files of the playlist again.",
        )


def _not_opened(what: str) -> SourceError:
    return SourceError(
        f"the source is encrypted and cannot be opened: {what}",
        code="source_encrypted",
        hint="Check that the server gives this machine the key itself, of 16 bytes.",
    )
