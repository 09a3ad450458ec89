"""Names what an encoded chunk is made of, so that an equal one need not be encoded again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from pathlib import Path

from adaptation.media.cascade import Rung, chunk_command
from adaptation.media.chunk import Chunk
from adaptation.media.probe import Source
from adaptation.media.segment import PicturePlan
from adaptation.media.timeline import Timeline

FORMAT = 1
"""Raised when the segmenter writes other bytes for the same plan, or an entry holds other files."""
SOURCE, SCRATCH = Path("/SOURCE"), Path("/SCRATCH")
"""Stand for the places that differ from task to task and change no byte."""


def placeless_command(
    source: Source, timeline: Timeline, chunk: Chunk, rungs: Sequence[Rung]
) -> list[str]:
    """The command of a chunk as it is the same in all places; arguments as `chunk_command`."""
    moved = [replace(rung, output_path=SCRATCH / rung.output_path.name) for rung in rungs]
    return chunk_command(source, timeline, chunk, moved, SOURCE)


def chunk_key(
    source: Mapping[str, str],
    arguments: Sequence[str],
    plans: Mapping[str, PicturePlan],
    versions: Mapping[str, str],
) -> str:
    """A digest that is the same for chunks whose segments have the same bytes, and for no others.

    Args:
        source: what tells the source from all others: its content's digest, how it is read.
        arguments: see `placeless_command`.
        plans: how each rendition is cut, by its name.
        versions: of everything that has a part in it.

    Returns:
        64 hexadecimal digits.
    """
    document = {
        "format": FORMAT,
        "source": dict(source),
        "arguments": list(arguments),
        "plans": {name: astuple(plan) for name, plan in plans.items()},
        "versions": dict(versions),
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
