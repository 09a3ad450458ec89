"""Makes the encrypted copy of a track: Packager encrypts, and proves that the copy opens again."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path

from adaptation.adapters.asset_place import AssetPlace
from adaptation.adapters.packager import INPUT_NAME, package
from adaptation.errors import ToolError
from adaptation.media import hls
from adaptation.media.boxes import Init, need, read_init
from adaptation.media.cpix import ContentKey
from adaptation.media.encrypted import Sealed, protected_init, protected_segment, sealed_samples
from adaptation.media.encrypted_track import EncryptedTrack, encrypted_track
from adaptation.media.index import Segment, Track
from adaptation.media.opened import opened_sample
from adaptation.media.package import package_command
from adaptation.media.protection import Protection, Scheme
from adaptation.media.whole_segment import opened_segment, sealed_segment, sequence_iv
from adaptation.workflows.resources import Run
from adaptation.workflows.track_parts import init_part, segment_part

BATCH_BYTES = 32 * 1024 * 1024
"""How much of a track is encrypted at a time: it is held in memory and in scratch, each twice."""
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


def encrypt_track(work: Work, track: Track, seal: Seal) -> EncryptedTrack:
    """Write the encrypted media segments of a track; the same attempt gives the same bytes.

    Those of a track in one file are put one behind the other, into `SEGMENTS`.

    Raises:
        ToolError: as `package`; `output_mismatch`, the copy does not open with its key.
        Transient, Cancelled: as `package`.
    """
    if seal.protection.scheme == "aes128":
        return _seal_segments(work, track, seal)
    (init,) = work.asset.contents([init_part(track)])
    job = _Job(work, track, seal, init)
    files = [_facts(job.sealed_init)]
    for batch in _batches(track.segments):
        pieces = work.asset.contents([segment_part(track, segment) for segment in batch])
        made = job.reassembled(batch, pieces)
        for segment, content in zip(batch, made, strict=True):
            _write(work, track, seal, segment, content)
            files.append(_facts(content))
        work.told(sum(map(len, pieces)))
    return encrypted_track(track, seal.protection, files)


def _seal_segments(work: Work, track: Track, seal: Seal) -> EncryptedTrack:
    """Encrypt whole segments, and open each again; the init segment stays clear.

    An encrypted one needs an IV of its own in the playlist (RFC 8216 §4.3.2.5), and tells nothing
    but how the track is coded.
    """
    (init,) = work.asset.contents([init_part(track)])
    files = [_facts(init)]
    for number, segment in enumerate(track.segments, start=hls.FIRST_NUMBER):
        work.run.check()
        (content,) = work.asset.contents([segment_part(track, segment)])
        iv = seal.protection.iv or sequence_iv(number)
        made = sealed_segment(content, seal.key, iv)
        if opened_segment(made, seal.key, iv) != content:
            raise _mismatch(f"track {track.name} does not open with its own key")
        _write(work, track, seal, segment, made)
        files.append(_facts(made))
        work.told(len(content))
    return encrypted_track(track, seal.protection, files)


def _write(work: Work, track: Track, seal: Seal, segment: Segment, content: bytes) -> None:
    folder = work.target / seal.protection.scheme / track.name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / (SEGMENTS if track.is_one_file else segment.name)).open("ab") as file:
        file.write(content)


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

    @cached_property
    def sealed_init(self) -> bytes:
        """The init segment of the copy, as far as decrypting needs it."""
        return protected_init(self.init, self.seal.protection)

    def reassembled(self, batch: Sequence[Segment], pieces: Sequence[bytes]) -> list[bytes]:
        """Segments with their samples encrypted, each of which opens again.

        Raises:
            ToolError: `output_mismatch`: to Packager a wrong key is as good as a right one.
        """
        rest, made = self._encrypted(batch[0].label, pieces), list[bytes]()
        for segment, piece in zip(batch, pieces, strict=True):
            samples = list(islice(rest, segment.sample_count))
            made.append(protected_segment(piece, self.header, samples))
            self._prove(piece, samples)
        if next(rest, None) is not None:
            raise _mismatch("there are more samples than before")
        return made

    def _prove(self, piece: bytes, samples: Sequence[Sealed]) -> None:
        """Open what was encrypted, without Packager, and compare it with what it was."""
        is_picture, seal = self.track.kind == "video", self.seal
        opened = b"".join(
            opened_sample(one, seal.protection, seal.key, is_picture=is_picture) for one in samples
        )
        if opened != need(piece, b"mdat"):
            raise _mismatch(f"track {self.track.name} does not open with its own key")

    def _encrypted(self, first: str, pieces: Sequence[bytes]) -> Iterator[Sealed]:
        """The samples of some segments as Packager encrypts them."""
        # Of eight bytes, and another one wherever the key is the same: it counts on from there.
        told = f"{self.work.asset_id}/{self.track.name}/{first}".encode()
        iv = self.seal.protection.iv or hashlib.sha256(told).digest()[:8]
        options = ["--enable_raw_key_encryption", "--clear_lead", "0"]
        options += ["--protection_scheme", self.seal.protection.scheme]
        secrets = [self.seal.option, f"--iv={iv.hex()}"]
        return self._through([self.init, *pieces], options, secrets)

    def _through(
        self, parts: Sequence[bytes], options: Sequence[str], secrets: Sequence[str]
    ) -> Iterator[Sealed]:
        """The samples of a file after it went through Packager."""
        run = self.work.run
        source, folder = run.scratch / "source.mp4", run.scratch / "made"
        try:
            with source.open("wb") as stream:
                stream.writelines(parts)
            command = [*package_command(self.track.kind, INPUT_NAME, CUT_SECONDS), *options]
            tools = run.resources.tools
            package(command, source, folder, tools, cancelled=run.cancelled, secrets=secrets)
            for path in sorted(folder.glob("*.m4s")):
                yield from sealed_samples(path.read_bytes(), self.header)
        finally:
            source.unlink(missing_ok=True)
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


def _facts(content: bytes) -> tuple[int, str]:
    return len(content), hashlib.sha256(content).hexdigest()


def _mismatch(what: str) -> ToolError:
    return ToolError(f"the encrypted copy is not what it should be: {what}", code="output_mismatch")
