"""Threads that come while others are served."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from adaptation.engine.together import Together

WAIT_SECONDS = 30.0


class Counter:
    """Doubles numbers, the first time only when so many others stand in line."""

    def __init__(self, others: int, most: int = 100) -> None:
        self.served: list[list[int]] = []
        self.threads: set[int] = set()
        self.double = Together(self._serve, most)
        self._others = others

    def _serve(self, asked: Sequence[int]) -> list[int]:
        self.served.append(list(asked))
        self.threads.add(threading.get_ident())
        while len(self.served) == 1 and len(self.double._line) < self._others:
            pass
        if 0 in asked:
            raise ValueError("nobody doubles nothing")
        return [2 * number for number in asked]

    def ask(self, numbers: Sequence[int]) -> list[int | Exception]:
        """What each of many threads is given, in the order of the numbers."""
        with ThreadPoolExecutor(len(numbers)) as pool:
            asked = [pool.submit(self.double, number) for number in numbers]
            errors = [one.exception(WAIT_SECONDS) for one in asked]
            return [
                error if isinstance(error, Exception) else one.result()
                for error, one in zip(errors, asked, strict=True)
            ]


def test_who_comes_alone_is_served_alone_by_itself() -> None:
    counter = Counter(0)

    assert [counter.double(number) for number in (1, 2, 3)] == [2, 4, 6]

    assert counter.served == [[1], [2], [3]]
    assert counter.threads == {threading.get_ident()}


def test_those_who_come_meanwhile_are_served_together() -> None:
    counter = Counter(5)

    assert counter.ask([1, 2, 3, 4, 5, 6]) == [2, 4, 6, 8, 10, 12]

    assert [len(served) for served in counter.served] == [1, 5]


def test_no_more_than_wanted_are_served_at_once() -> None:
    counter = Counter(7, most=3)

    assert counter.ask(range(1, 9)) == [2 * number for number in range(1, 9)]

    assert [len(served) for served in counter.served] == [1, 3, 3, 1]


def test_one_that_cannot_be_served_fails_alone() -> None:
    counter = Counter(5)

    given = counter.ask([1, 2, 0, 4, 5, 6])

    assert isinstance(given[2], ValueError)
    assert given[:2] + given[3:] == [2, 4, 8, 10, 12]


def test_after_a_failure_the_next_is_served() -> None:
    counter = Counter(0)

    with pytest.raises(ValueError, match="nothing"):
        counter.double(0)

    assert counter.double(4) == 8


def test_many_who_come_and_come_again_are_all_served() -> None:
    counter = Counter(0, most=4)

    def come(start: int) -> list[int]:
        return [counter.double(number) for number in range(start, start + 500)]

    with ThreadPoolExecutor(8) as pool:
        starts = range(1, 8000, 1000)
        for start, given in zip(starts, pool.map(come, starts), strict=True):
            assert given == [2 * number for number in range(start, start + 500)]
