"""How long a fleet is without a leader: the product's controllers on a clock that a test sets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from adaptation.engine import controller as looks
from adaptation.engine.controller import LOOK_SECONDS, Controller
from adaptation.engine.transport import Dispatcher, make_app
from engine_kit import small_registry
from simulation.clocked import ClockedStore

BEGIN_SECONDS = 1_000_000.0
LEADERLESS_SECONDS = 5.0
STEP_SECONDS = 0.25
HOUR = 3600.0


@dataclass
class Clock:
    """One clock for the database and for all processes."""

    store: ClockedStore
    seconds: float = BEGIN_SECONDS
    _looker: threading.Thread = field(default_factory=threading.current_thread)

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds
        self.store.set_clock(int(self.seconds * 1000))

    def an_hour_of_work(self) -> None:
        """What takes an hour if whoever leads waits for it."""
        if threading.current_thread() is self._looker:
            self.pass_by(HOUR)

    def time(self) -> float:
        return self.seconds


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    store = ClockedStore(f"sqlite:///{tmp_path / 'store.db'}")
    clock = Clock(store)
    clock.pass_by(0)
    monkeypatch.setattr(looks, "monotonic", clock.time)
    monkeypatch.setattr(looks, "time", clock)
    yield clock
    store.close()


def controllers(clock: Clock, *names: str) -> list[Controller]:
    app = make_app("redis://127.0.0.1:1/0", small_registry().queues)
    return [
        Controller(
            store=clock.store,
            dispatcher=Dispatcher(app, local_only=True),
            holder=name,
            tidy=clock.an_hour_of_work,
            sweep_scratch=clock.an_hour_of_work,
        )
        for name in names
    ]


def leader(clock: Clock, *names: str) -> str | None:
    """Whose lease runs, by what the store says to a stranger and to each of them."""
    if clock.store.may_lead("sweep", "a stranger"):
        return None
    return next(name for name in names if clock.store.may_lead("sweep", name))


@pytest.mark.parametrize("phase", range(4))
def test_a_leader_that_is_killed_is_followed_within_5_seconds_of_the_fleets_clock(
    clock: Clock, phase: int
) -> None:
    first, second = controllers(clock, "first", "second")
    due = {"first": clock.seconds, "second": clock.seconds + LOOK_SECONDS * phase / 4}
    killed_at = clock.seconds + 7 + phase * STEP_SECONDS
    gap = 0.0
    while clock.seconds < killed_at + 8:
        for one in (first, second):
            alive = one is second or clock.seconds < killed_at
            if alive and clock.seconds >= due[one.holder]:
                one.look()
                due[one.holder] = clock.seconds + LOOK_SECONDS
        held = leader(clock, "first", "second")
        assert held != "second" or clock.seconds >= killed_at, "nobody leads beside the first"
        if clock.seconds >= killed_at and held != "second":
            gap = clock.seconds - killed_at
        clock.pass_by(STEP_SECONDS)

    assert 0 < gap <= LEADERLESS_SECONDS


def test_a_leader_goes_on_leading_while_it_deletes_for_an_hour(clock: Clock) -> None:
    (alone,) = controllers(clock, "alone")
    for _ in range(16):
        alone.look()
        assert leader(clock, "alone") == "alone"
        clock.pass_by(LOOK_SECONDS)
