"""Makes the encrypted copy of a track: Packager encrypts, and proves that the copy opens again."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from adaptation.adapters.asset_place import AssetPlace
from adaptation.adapters.packager import INPUT_NAME, package
from adaptation.errors import ToolError
from adaptation.media import hls
from adaptation.media.boxes import Init, need, read_init
from adaptation.media.cpix import ContentKey
from adaptation.media.encrypted import Sealed, protected_segment, sealed_samples
from adaptation.media.encrypted_track import Digests
from adaptation.media.index import Segment, Track
from adaptation.media.opened import opened_sample
from adaptation.media.package import package_command
from adaptation.media.protection import Protection, Scheme
from adaptation.media.whole_segment import opened_segment, sealed_segment, sequence_iv
from adaptation.workflows.resources import Run
from adaptation.workflows.track_parts import init_part, segment_part

BATCH_BYTES = 128 * 1024 * 1024
"""As much of a track is encrypted at a time: scratch holds it twice, memory `CUT_SECONDS` of it."""
SOURCE = "source.mp4"
"""File of what Packager is given, in scratch."""
SEGMENTS = "segments"
"""File of a track's encrypted segments that will lie in one file, before it has its beginning."""
CUT_SECONDS = 10.0
"""How Packager cuts what it makes, which is put together anew."""


@dataclass(frozen=True)
class Work:
    """What all tracks of a copy have in common."""

    run: Run
    asset_id: str
    asset: AssetPlace
    """The asset, to read from."""
    target: Path
    """Folder that stands for the asset, to write to."""
    told: Callable[[int], None]
    """Gets the size in bytes of each piece of a track that is done."""


@dataclass(frozen=True)
class Seal:
    """How one track is encrypted, with its key."""

    protection: Protection
    key: bytes = field(repr=False)

    @property
    def option(self) -> str:
        """What Packager is told of the key."""
        return f"--keys=label=:key_id={self.protection.key_id.hex()}:key={self.key.hex()}"


def seal_of(asset_id: str, scheme: Scheme, key: ContentKey) -> Seal:
    """How a key encrypts; an IV that nobody chose follows from what is encrypted.

    Args:
        asset_id: of what is encrypted.
        scheme: in `cbcs` all samples have one IV; in `aes128` each segment has its number.
        key: one that has an IV keeps it in `cbcs`. In `cenc` two tracks with one IV and one key
            would betray each other.
    """
    iv = b""
    if scheme == "cbcs":
        iv = key.iv or hashlib.sha256(asset_id.encode() + key.key_id).digest()[:16]
    elif scheme == "aes128":
        iv = key.iv or b""
    return Seal(Protection(scheme, key.key_id, iv, check=key.check), key.key)


def encrypt_track(work: Work, track: Track, seal: Seal, room_bytes: int) -> Digests:
    """Write the encrypted media segments of a track; the same attempt gives the same bytes.

    Those of a track in one file are put one behind the other, into `SEGMENTS`.

    Args:
        work: what all tracks have in common.
        track: the clear one.
        seal: its key.
        room_bytes: what is left free in front of the first one in `SEGMENTS`.

    Returns:
        Of the encrypted media segments.

    Raises:
        ToolError: as `package`; `output_mismatch`, the copy does not open with its key.
        Transient, Cancelled: as `package`.
    """
    folder = work.target / seal.protection.scheme / track.name
    folder.mkdir(parents=True, exist_ok=True)
    if track.is_one_file:
        with (folder / SEGMENTS).open("wb") as file:
            file.truncate(room_bytes)
    if seal.protection.scheme == "aes128":
        made = _sealed_segments(work, track, seal)
    else:
        (init,) = work.asset.contents([init_part(track)])
        made = _Job(work, track, seal, init).segments()
    digests = list[tuple[int, str]]()
    for segment, content in zip(track.segments, made, strict=True):
        with (folder / (SEGMENTS if track.is_one_file else segment.name)).open("ab") as file:
            file.write(content)
        digests.append((len(content), hashlib.sha256(content).hexdigest()))
        work.told(segment.size_bytes)
    return digests


def _sealed_segments(work: Work, track: Track, seal: Seal) -> Iterator[bytes]:
    """Encrypt whole segments, and open each again; the init segment stays clear.

    An encrypted one needs an IV of its own in the playlist (RFC 8216 §4.3.2.5), and tells nothing
    but how the track is coded.
    """
    for number, segment in enumerate(track.segments, start=hls.FIRST_NUMBER):
        work.run.check()
        (content,) = work.asset.contents([segment_part(track, segment)])
        iv = seal.protection.iv or sequence_iv(number)
        made = sealed_segment(content, seal.key, iv)
        if opened_segment(made, seal.key, iv) != content:
            raise _mismatch(f"track {track.name} does not open with its own key")
        yield made


@dataclass(frozen=True)
class _Job:
    """One track on its way through Packager."""

    work: Work
    track: Track
    seal: Seal
    init: bytes

    @cached_property
    def header(self) -> Init:
        """What the clear init segment says."""
        return read_init(self.init)

    def segments(self) -> Iterator[bytes]:
        """Segments with their samples encrypted, each of which opens again.

        Raises:
            ToolError: `output_mismatch`: to Packager a wrong key is as good as a right one.
        """
        for batch in _batches(self.track.segments):
            with self._source(batch) as source:
                yield from self._reassembled(batch, source)

    def _reassembled(self, batch: Sequence[Segment], source: BinaryIO) -> Iterator[bytes]:
        rest = self._encrypted(batch[0].label)
        source.seek(len(self.init))
        for segment in batch:
            samples = list(islice(rest, segment.sample_count))
            piece = source.read(segment.size_bytes)
            made = protected_segment(piece, self.header, samples)
            self._prove(piece, samples)
            yield made
        if next(rest, None) is not None:
            raise _mismatch("there are more samples than before")

    def _prove(self, piece: bytes, samples: Sequence[Sealed]) -> None:
        """Open what was encrypted, without Packager, and compare it with what it was."""
        is_picture, seal = self.track.kind == "video", self.seal
        media, at = need(memoryview(piece), b"mdat"), 0
        for one in samples:
            opened = opened_sample(one, seal.protection, seal.key, is_picture=is_picture)
            # Views are compared byte by byte, which takes ten times as long.
            if opened != bytes(media[at : at + len(opened)]):
                raise _mismatch(f"track {self.track.name} does not open with its own key")
            at += len(opened)

    @contextmanager
    def _source(self, batch: Sequence[Segment]) -> Iterator[BinaryIO]:
        """A file of the clear segments, behind their init segment, for the length of a block."""
        path = self.work.run.scratch / SOURCE
        try:
            with path.open("w+b") as file:
                file.write(self.init)
                for segment in batch:
                    file.writelines(self.work.asset.contents([segment_part(self.track, segment)]))
                file.flush()
                yield file
        finally:
            path.unlink(missing_ok=True)

    def _encrypted(self, first: str) -> Iterator[Sealed]:
        """The samples of the source as Packager encrypts them."""
        # Of eight bytes, and another one wherever the key is the same: it counts on from there.
        told = f"{self.work.asset_id}/{self.track.name}/{first}".encode()
        iv = self.seal.protection.iv or hashlib.sha256(told).digest()[:8]
        options = ["--enable_raw_key_encryption", "--clear_lead", "0"]
        options += ["--protection_scheme", self.seal.protection.scheme]
        secrets = [self.seal.option, f"--iv={iv.hex()}"]
        run = self.work.run
        source, folder = run.scratch / SOURCE, run.scratch / "made"
        try:
            command = [*package_command(self.track.kind, INPUT_NAME, CUT_SECONDS), *options]
            tools = run.resources.tools
            package(command, source, folder, tools, cancelled=run.cancelled, secrets=secrets)
            for path in sorted(folder.glob("*.m4s")):
                yield from sealed_samples(path.read_bytes(), self.header)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _batches(segments: Sequence[Segment]) -> Iterator[list[Segment]]:
    batch, size_bytes = list[Segment](), 0
    for segment in segments:
        if batch and size_bytes + segment.size_bytes > BATCH_BYTES:
            yield batch
            batch, size_bytes = [], 0
        batch.append(segment)
        size_bytes += segment.size_bytes
    yield batch


def _mismatch(what: str) -> ToolError:
    return ToolError(f"the encrypted copy is not what it should be: {what}", code="output_mismatch")
