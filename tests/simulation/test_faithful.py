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
MOVES = st.lists(st.tuples(st.sampled_from(NAMES), NUMBERS, NUMBERS), min_size=100, max_size=200)
ROOM = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]


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


def follow(store: ClockedStore, moves: list[Move]) -> Lockstep:
    both = Lockstep(store)
    for move in (*OPENING, *moves):
        both.make(move)
    assert broken_invariants(store) == []
    return both


@settings(max_examples=30, deadline=None, suppress_health_check=ROOM)
@given(moves=MOVES)
def test_the_model_makes_every_move_as_sqlite_does(sqlite: ClockedStore, moves: list[Move]) -> None:
    follow(sqlite, moves)


@settings(max_examples=12, deadline=None, suppress_health_check=ROOM)
@given(moves=MOVES)
def test_the_model_makes_every_move_as_postgresql_does(
    postgresql: ClockedStore, moves: list[Move]
) -> None:
    follow(postgresql, moves)
