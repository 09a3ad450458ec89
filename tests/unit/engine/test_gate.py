"""What a worker may still claim."""

from __future__ import annotations

import pytest

from adaptation.engine.gate import Gate


def test_a_closed_gate_lets_nothing_in_and_leaves_what_runs_alone() -> None:
    gate = Gate()
    assert gate.claim(lambda: "task") == "task"
    gate.close()
    assert gate.claim(lambda: "task") is None
    assert gate.busy == 1
    gate.done()
    assert gate.busy == 0


def test_a_number_of_tasks_is_not_exceeded_and_empty_looks_do_not_count() -> None:
    gate = Gate(max_tasks=2)
    assert gate.claim(lambda: None) is None
    assert not gate.is_closed
    assert [gate.claim(lambda: "task") for _ in range(3)] == ["task", "task", None]
    assert gate.is_spent
    assert gate.busy == 2


def test_two_who_look_at_once_share_what_is_left() -> None:
    gate = Gate(max_tasks=1)
    inner: list[str | None] = []

    def look() -> str:
        inner.append(gate.claim(lambda: "another"))
        return "task"

    assert gate.claim(look) == "task"
    assert inner == [None]


def test_a_look_that_fails_is_given_back() -> None:
    gate = Gate(max_tasks=1)
    with pytest.raises(ZeroDivisionError):
        gate.claim(lambda: 1 // 0)
    assert gate.busy == 0
    assert gate.claim(lambda: "task") == "task"
