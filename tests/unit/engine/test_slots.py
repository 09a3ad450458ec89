"""When a worker listens to the queues of tasks."""

from __future__ import annotations

from adaptation.engine.intake import Slots


def test_a_worker_that_leaves_looks_full_and_says_so_at_once() -> None:
    slots, told = Slots(2), list[bool]()
    slots.on_freed = lambda: told.append(slots.full)
    assert not slots.full
    slots.rest()
    assert told == [True]
