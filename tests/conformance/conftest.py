"""Stores of either kind, whose invariants are looked at after each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adaptation.engine.store import Store
from engine_kit import HandWorker, broken_invariants, small_registry


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store(store_url)
    store.create()
    yield store
    assert broken_invariants(store) == []
    store.close()


@pytest.fixture
def worker(store: Store, tmp_path: Path) -> HandWorker:
    return HandWorker(store, small_registry(), tmp_path)
