"""Work that many threads ask for at the same time, done for all of them by one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Given = TypeVar("Given")


@dataclass
class _Place(Generic[Asked, Given]):
    """Where one thread stands in line."""

    asked: Asked
    given: Future[Given] = field(default_factory=Future)
    turn: threading.Event = field(default_factory=threading.Event)
    """Set when it has been served, or must serve."""


class Together(Generic[Asked, Given]):
    """Serves those who come while others are served all at once, by one of their threads.

    Nobody waits for company: who comes alone is served alone, at once.
    """

    def __init__(self, serve: Callable[[Sequence[Asked]], Sequence[Given]], most: int) -> None:
        """Begin with nobody in line.

        Args:
            serve: gives something to each, all or nobody; if it raises, each is served alone, so
                that nobody fails for another's sake.
            most: as many are served at once.
        """
        self._serve = serve
        self._most = most
        self._line: list[_Place[Asked, Given]] = []
        self._busy = False
        self._lock = threading.Lock()

    def __call__(self, asked: Asked) -> Given:
        """What `serve` gives for this; raises what it raises for this alone."""
        place = _Place[Asked, Given](asked)
        with self._lock:
            self._line.append(place)
            serves, self._busy = not self._busy, True
        if not serves:
            place.turn.wait()
        if not place.given.done():
            self._serve_line()
        return place.given.result()

    def _serve_line(self) -> None:
        with self._lock:
            served = self._line[: self._most]
            del self._line[: self._most]
        try:
            self._give(served)
        finally:
            with self._lock:
                first = self._line[0] if self._line else None
                self._busy = first is not None
            # The next one begins before those who have got theirs go on.
            for place in (*([first] if first else []), *served):
                place.turn.set()

    def _give(self, served: Sequence[_Place[Asked, Given]]) -> None:
        try:
            found = self._serve([place.asked for place in served])
        except BaseException as error:  # noqa: BLE001 - raised again where it belongs
            if len(served) > 1:
                for place in served:
                    self._give([place])
            else:
                served[0].given.set_exception(error)
            return
        for place, given in zip(served, found, strict=True):
            place.given.set_result(given)
