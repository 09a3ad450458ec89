"""The broker inside this process: Celery's memory transport, woken up instead of polling."""

from __future__ import annotations

import threading
from queue import Empty
from time import monotonic
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, memory

SCHEME = "inprocess"
"""URL scheme under which Celery finds this transport."""
LONGEST_WAIT_SECONDS = 0.25
"""How long a consumer sleeps at most, so that a stop is seen soon."""

arrived = threading.Event()
"""Set whenever a message arrives or room for one appears."""


class Channel(memory.Channel):
    """A memory channel that says when there is something to do."""

    queues: dict[str, Any] = {}  # noqa: RUF012 - shared by all channels, as in the parent

    def _put(self, queue: str, message: Any, **options: Any) -> None:
        super()._put(queue, message, **options)
        arrived.set()

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Acknowledge a message, which makes room for the next one."""
        super().basic_ack(delivery_tag, multiple=multiple)
        arrived.set()


class Transport(memory.Transport):
    """The memory transport with a wake-up: a message is taken within a millisecond or two."""

    Channel = Channel

    def drain_events(  # type: ignore[override] # the stubs of its two parents disagree
        self,
        connection: Any,  # noqa: ARG002 - the signature is kombu's
        timeout: float | None = None,
    ) -> None:
        """Deliver one message, waiting for it no longer than `timeout` seconds.

        Raises:
            TimeoutError: none came.
        """
        deadline = monotonic() + min(timeout or LONGEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
        cycle = self.cycle
        if cycle is None:
            raise ConnectionError("the in-process transport is closed")
        while True:
            arrived.clear()
            try:
                cycle.get(self._deliver, timeout=timeout)
            except Empty:
                left = deadline - monotonic()
                if left <= 0:
                    raise TimeoutError from None
                arrived.wait(left)
            else:
                return


def forget_messages() -> None:
    """Drop every message: the truth is in the store, and the next consumer asks it."""
    Channel.queues.clear()


TRANSPORT_ALIASES[SCHEME] = f"{__name__}:Transport"
