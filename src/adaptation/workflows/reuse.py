"""Reuses chunks that were encoded before: the same source, plan and tools give the same bytes."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from adaptation import __version__
from adaptation.adapters.chunk_cache import ChunkCache
from adaptation.adapters.chunk_entry import CachedFile
from adaptation.context import Context
from adaptation.errors import SourceError, ToolError
from adaptation.media.cascade import Rung
from adaptation.media.chunk import Chunk
from adaptation.media.coding import ENCODERS
from adaptation.media.index import INIT_NAME
from adaptation.media.reuse import chunk_key, placeless_command
from adaptation.media.segment import PicturePlan
from adaptation.workflows.cutting import PART_NAME, Part
from adaptation.workflows.encoders import build_facts
from adaptation.workflows.material import Material, source_path
from adaptation.workflows.resources import Run, get_file, put_file
from adaptation.workflows.watching import growing_asset

DIGEST = "source_sha256"
"""Field of the context: the digest of the source's content, when chunks may be reused."""
PIECE_BYTES = 1 << 20
DIGEST_PART = 0.5
"""Part of the work of reading a source that its digest is."""

Parts = dict[str, str]
"""The key of each rendition's part."""


@dataclass(frozen=True)
class Wanted:
    """A chunk as it is asked for."""

    material: Material
    """Of its source."""
    chunk: Chunk
    """Its frames."""
    rungs: Sequence[Rung]
    """What is made of it."""
    plans: Mapping[str, PicturePlan]
    """How each rendition is cut, by its name."""


def with_digest(context: Context, run: Run) -> Context:
    """Add the digest of the source's content, if there is a cache that needs it.

    Raises:
        SourceError: `source_changed` while it was read, `source_missing`.
        Cancelled: the work should stop.
    """
    if run.resources.chunk_cache is None:
        return context
    digest = _digest(source_path(context, run), run)
    # What was read must be what the chunks will be made of.
    source_path(context, run)
    return context.extended(**{DIGEST: digest})


def reused_or_made(context: Context, run: Run, wanted: Wanted, make: Callable[[], Parts]) -> Parts:
    """The parts of a chunk: from the cache, else made, and then kept there.

    The cache never fails a task: what goes wrong with it is logged, and the chunk is made.

    Raises:
        SourceError: `source_changed`, `source_missing`.
        Cancelled: the work should stop.
    """
    cache, key = run.resources.chunk_cache, _key(context, run, wanted)
    if cache is None or key is None:
        return make()
    source_path(context, run)
    place = _Place(cache, key, context["verify"] == "full")
    parts = _reused(context, run, wanted, place)
    if parts is None:
        parts = make()
        # A source that changed meanwhile must not lend its old digest to what came of it.
        source_path(context, run)
        _keep(run, wanted, place, parts)
    return parts


@dataclass(frozen=True)
class _Place:
    """Where a chunk lies in a cache."""

    cache: ChunkCache
    key: str
    is_full: bool
    """Whether every frame is decoded as proof."""


def _digest(path: Path, run: Run) -> str:
    digest, done = hashlib.sha256(), 0
    try:
        total = path.stat().st_size
        with path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                digest.update(piece)
                done += len(piece)
                run.progress(DIGEST_PART * done / max(total, done))
    except OSError as error:
        raise SourceError(
            f"{path.name} cannot be read: {error.strerror}",
            code="source_missing",
            hint="Check the path and its permissions.",
        ) from error
    return digest.hexdigest()


def _key(context: Context, run: Run, wanted: Wanted) -> str | None:
    """The chunk's name in the cache; none if its bytes are not known to follow from it."""
    encoders = {rung.coding.encoder for rung in wanted.rungs}
    # What a device makes depends on its driver, and nothing says which one that is.
    if DIGEST not in context or any(ENCODERS[name].is_hardware for name in encoders):
        return None
    try:
        facts = build_facts(encoders, run.resources.tools, run.cancelled)
    except ToolError:  # whoever encodes with it will say so
        return None
    source = wanted.material.source
    return chunk_key(
        {"sha256": context[DIGEST], "format": source.format_name},
        placeless_command(source, wanted.material.timeline, wanted.chunk, wanted.rungs),
        wanted.plans,
        {**facts, "adaptation": __version__},
    )


def _reused(context: Context, run: Run, wanted: Wanted, place: _Place) -> Parts | None:
    """Put an entry's files where an encoder would have put them, and show them."""
    number, folder = wanted.chunk.number + 1, run.scratch / "reused"
    try:
        names = place.cache.fetch(place.key, folder, is_full=place.is_full, check=run.check)
    except (OSError, ValueError) as error:
        run.log(f"chunk {number} cannot be reused: {error}", logging.WARNING)
        return None
    if names is None:
        return None
    asset, parts = growing_asset(context, run, wanted.material), Parts()
    for name in names:
        track, _, file = name.partition("/")
        key = put_file(run, folder / name, name)
        if file == PART_NAME:
            parts[track] = key
        elif asset:
            asset.add(track, get_file(run, key))
    if asset:
        asset.refresh(at_once=True)
    run.progress(1.0)
    run.log(f"chunk {number} reused from the cache")
    return parts


def _keep(run: Run, wanted: Wanted, place: _Place, parts: Parts) -> None:
    number = wanted.chunk.number + 1
    files = list(_files(run, parts))
    try:
        is_kept = place.cache.store(place.key, files, is_full=place.is_full, check=run.check)
    except (OSError, ValueError) as error:
        run.log(f"chunk {number} is not kept in the cache: {error}", logging.WARNING)
        return
    if not is_kept:
        run.log(f"chunk {number} has no place in the cache")


def _files(run: Run, parts: Parts) -> Iterator[CachedFile]:
    for track, key in parts.items():
        part = Part.read(run, key)
        digests = {file.name: file.sha256 for file in part.files}
        digests[INIT_NAME] = hashlib.sha256(part.init).hexdigest()
        digests[PART_NAME] = hashlib.sha256(get_file(run, key).read_bytes()).hexdigest()
        for name, digest in digests.items():
            yield CachedFile(get_file(run, f"{part.folder}/{name}"), f"{track}/{name}", digest)
