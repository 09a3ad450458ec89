"""Follows encoded files while they grow and writes their segments, each once and whole."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol

from adaptation.errors import OutputError, ToolError, Transient

POLL_SECONDS = 0.1
"""How often growing files are looked at: a segment lasts seconds, so this delays nobody."""
INIT_NAME = "init.mp4"
"""File of a track's init segment."""

OnWritten = Callable[[Path], None]


class Segmenter(Protocol):
    """Makes segments from the fragments of one file."""

    def init(self, encoded: bytes) -> bytes:
        """The init segment, from all that stands in front of the first fragment."""

    def feed(self, moof: bytes, media: bytes) -> Iterable[tuple[str, bytes]]:
        """Take the bodies of a fragment's boxes; gives names and contents of whole segments."""

    def finish(self) -> Iterable[tuple[str, bytes]]:
        """Say that no more fragments come."""


class Follower:
    """Turns one growing file into segments; begun again after a crash, it writes the same ones."""

    def __init__(self, source: Path, folder: Path, segmenter: Segmenter) -> None:
        """Begin at the start of the file, which need not exist yet.

        Args:
            source: a fragmented MP4 of one track.
            folder: where the segments go; made when needed.
            segmenter: cuts this file and no other.
        """
        self.source = source
        self.folder = folder
        self._segmenter = segmenter
        self._at = 0
        self._begun = False

    def poll(self) -> Iterator[Path]:
        """Write what has become complete; gives each file once it is there, also if it was before.

        Raises:
            ToolError: `output_broken`, `output_mismatch`.
            Transient: `disk_full`.
            OutputError: `output_invalid`.
        """
        if not self.source.exists():
            return
        with self.source.open("rb") as file:
            while found := _next_boxes(file, self._at):
                if found.moof:
                    yield from self._write(self._segmenter.feed(found.moof, found.media))
                elif found.holds_header:
                    file.seek(0)
                    init = self._segmenter.init(file.read(found.end))
                    yield from self._write([(INIT_NAME, init)])
                    self._begun = True
                self._at = found.end

    def finish(self) -> Iterator[Path]:
        """Write the rest, for the file will not grow any more.

        Raises:
            ToolError: `output_broken`, the file ends in the middle; else as `poll`.
        """
        yield from self.poll()
        if not self._begun or self._at != self.source.stat().st_size:
            raise ToolError(f"{self.source.name} ends in the middle", code="output_broken")
        yield from self._write(self._segmenter.finish())

    def _write(self, files: Iterable[tuple[str, bytes]]) -> Iterator[Path]:
        for name, content in files:
            _write_once(self.folder / name, content)
            yield self.folder / name


def segment_file(source: Path, folder: Path, segmenter: Segmenter) -> list[Path]:
    """Cut a finished file: the same segments as following it while it grows.

    Raises:
        ToolError, OutputError, Transient: as `Follower.finish`.
    """
    return list(Follower(source, folder, segmenter).finish())


class Following:
    """Follows files in a thread of its own while the block inside runs their encoder.

    The block's end is the encoder's end: the rest is written then. If the block fails, the rest
    is left, for it would be refused. If following fails, `on_failure` is called at once to stop
    the encoder, and leaving the block raises what went wrong.
    """

    def __init__(
        self,
        followers: Sequence[Follower],
        *,
        on_written: OnWritten = lambda _: None,
        on_round: Callable[[], None] = lambda: None,
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare.

        Args:
            followers: of the encoder's outputs.
            on_written: gets the path of each file when it is there; called in the thread, and at
                the end in the caller's.
            on_round: called each time when all files have been looked at.
            on_failure: stops the encoder; called in the thread.
        """
        self._followers = followers
        self._on_written = on_written
        self._on_round = on_round
        self._on_failure = on_failure
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def __enter__(self) -> Following:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        if self._failure is not None:
            # The encoder's own end is only what followed from it.
            raise self._failure from error
        if error is None:
            for follower in self._followers:
                self._tell(follower.finish())

    def _run(self) -> None:
        try:
            while not self._ended.wait(POLL_SECONDS):
                for follower in self._followers:
                    self._tell(follower.poll())
                self._on_round()
        except BaseException as failure:  # noqa: BLE001 (raised again in the caller's thread)
            self._failure = failure
            self._on_failure()

    def _tell(self, written: Iterable[Path]) -> None:
        for path in written:
            self._on_written(path)


@dataclass(frozen=True)
class _Found:
    """Boxes that are complete in a growing file."""

    end: int
    """Where they end."""
    holds_header: bool = False
    """Whether all of the header is there now."""
    moof: bytes = b""
    """Body of a fragment's `moof`; empty when it is no fragment."""
    media: bytes = b""
    """Body of its `mdat`."""


def _next_boxes(file: BinaryIO, at: int) -> _Found | None:
    """The box at a place, and with a `moof` also its media; none while they are incomplete."""
    head = _box(file, at)
    if head is None:
        return None
    kind, body, end = head
    if kind != b"moof":
        return _Found(end, holds_header=kind == b"moov")
    following = _box(file, end)
    if following is None:
        return None
    if following[0] != b"mdat":
        raise ToolError("a fragment has no media", code="output_broken")
    _, media, media_end = following
    return _Found(media_end, moof=_read(file, body, end), media=_read(file, media, media_end))


def _box(file: BinaryIO, at: int) -> tuple[bytes, int, int] | None:
    """Kind, start and end of a box's body; none while a part of it is missing."""
    head = _read(file, at, at + 16)
    if len(head) < 8:
        return None
    length, kind, body = int.from_bytes(head[:4], "big"), head[4:8], at + 8
    if length == 1:
        length, body = int.from_bytes(head[8:], "big"), at + 16
    # FFmpeg writes 0 first and the length when it knows it.
    if length < body - at or at + length > os.fstat(file.fileno()).st_size:
        return None
    return kind, body, at + length


def _read(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)


def _write_once(path: Path, content: bytes) -> None:
    """Let a file appear whole; one that has this content already is not touched."""
    try:
        if path.exists() and path.read_bytes() == content:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> OutputError | Transient:
    words = f"{path} cannot be written: {error.strerror}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Transient(words, code="disk_full", hint="Free some space, or name another folder.")
    return OutputError(words, hint="Check its permissions.")
