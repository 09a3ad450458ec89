"""The model that is simulated decides as the store does, on either database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine_kit import broken_invariants
from simulation.clocked import ClockedStore
from simulation.lockstep import NAMES, OPENING, Lockstep, Move

NUMBERS = st.integers(0, 59)
MOVES = st.lists(st.tuples(st.sampled_from(NAMES), NUMBERS, NUMBERS), min_size=80, max_size=160)
EACH = [(name, 1, 1) for name in dict.fromkeys(NAMES)]
"""So that none is left out, whatever is drawn."""
ROOM = [HealthCheck.too_slow, HealthCheck.data_too_large]
EXAMPLES = pytest.mark.parametrize("examples", [10, pytest.param(60, marks=pytest.mark.long)])


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[ClockedStore]:
    store = ClockedStore(f"sqlite:///{tmp_path / 'store.db'}")
    yield store
    store.close()


@pytest.fixture
def postgresql(postgres_url: str) -> Iterator[ClockedStore]:
    store = ClockedStore(postgres_url)
    yield store
    store.close()


def follow(store: ClockedStore, examples: int) -> None:
    """Make as many lists of moves on the model and on a store."""

    @settings(max_examples=examples, deadline=None, suppress_health_check=ROOM)
    @given(moves=MOVES)
    def make(moves: list[Move]) -> None:
        both = Lockstep(store)
        for move in (*OPENING, *moves, *EACH):
            both.make(move)
        assert broken_invariants(store) == []

    make()


@EXAMPLES
def test_the_model_makes_every_move_as_sqlite_does(sqlite: ClockedStore, examples: int) -> None:
    follow(sqlite, examples)


@EXAMPLES
def test_the_model_makes_every_move_as_postgresql_does(
    postgresql: ClockedStore, examples: int
) -> None:
    follow(postgresql, examples // 2)
