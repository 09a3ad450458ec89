"""`adaptation encode`: one command, from the source to the published, verified asset."""

from __future__ import annotations

from pathlib import Path

from benchmarks import product
from benchmarks.setup import Bench
from benchmarks.shapes import Shape


def shape(bench: Bench, source: Path) -> Shape:
    """HLS and DASH over the same segments, verified and hashed."""
    return Shape(
        "adaptation encode",
        lambda out: [product.encode(bench.setup, source, out)],
        product.playlist,
        ("asset",),
        lambda out: {"encoder_cpu_seconds": product.encoder_cpu_seconds(out)},
    )
