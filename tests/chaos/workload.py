"""What the client asks for: jobs whose bytes are known beforehand, from a seed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

SHORTEST_MS, LONGEST_MS = 20, 300
SLOW_MS = 3000
"""Of a few pieces: long enough for their child to outlive a killed worker, if it could."""
SMALLEST_BYTES, LARGEST_BYTES = 1, 40_000
FILM, RECORD = "film.bin", "asset.json"


@dataclass(frozen=True)
class Piece:
    """One part of a film."""

    number: int
    size_bytes: int
    milliseconds: int
    """How long it takes to write."""
    by_child: bool
    """Whether a process of its own writes it, as FFmpeg does."""


@dataclass(frozen=True)
class Order:
    """One job as the client wants it."""

    main_task_id: str
    pieces: tuple[Piece, ...]
    """Empty: a real encoding instead."""

    @property
    def is_encoding(self) -> bool:
        """Whether the product's own workflow makes it."""
        return not self.pieces

    @property
    def tasks(self) -> int:
        """How many of our own tasks it takes."""
        return len(self.pieces) + 2 if self.pieces else 0

    def film(self) -> bytes:
        """What must be published."""
        return b"".join(
            content(self.main_task_id, piece.number, piece.size_bytes) for piece in self.pieces
        )

    def parameters(self) -> list[dict[str, Any]]:
        """Its pieces as JSON."""
        return [vars(piece) for piece in self.pieces]


def content(main_task_id: str, number: int, size_bytes: int) -> bytes:
    """The bytes of a piece."""
    return hashlib.shake_256(f"{main_task_id}/{number}".encode()).digest(size_bytes)


def make_orders(
    seed: int,
    jobs: int,
    *,
    most_pieces: int,
    slow: float = 0.0,
    children: float = 0.2,
    encodings: int = 0,
) -> list[Order]:
    """The same orders for the same seed; the encodings lie evenly among the others.

    Args:
        seed: of all that is drawn.
        jobs: in all.
        most_pieces: of one job, which has at least half as many.
        slow: share of the pieces that take long; a child process writes them.
        children: share of all others that a child process writes.
        encodings: how many of the jobs are real ones.
    """
    chance = random.Random(f"orders {seed}")
    every = jobs // encodings if encodings else jobs + 1
    orders = []
    for number in range(jobs):
        count = chance.randint((most_pieces + 1) // 2, most_pieces)
        pieces = tuple(_pieces(chance, count, slow, children))
        is_real = number % every == every // 2 and number // every < encodings
        orders.append(Order(f"order-{number:05d}", () if is_real else pieces))
    return orders


def _pieces(chance: random.Random, count: int, slow: float, children: float) -> Iterator[Piece]:
    for number in range(count):
        is_slow = chance.random() < slow
        yield Piece(
            number=number,
            size_bytes=chance.randint(SMALLEST_BYTES, LARGEST_BYTES),
            milliseconds=SLOW_MS if is_slow else chance.randint(SHORTEST_MS, LONGEST_MS),
            by_child=is_slow or chance.random() < children,
        )
