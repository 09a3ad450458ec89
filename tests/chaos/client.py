"""The outside: a client that repeats what was not answered, and a receiver of notifications."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

from kombu import Connection

from adaptation.engine.engine import Engine
from adaptation.workflows import encoding
from chaos import films
from chaos.beside import beside
from chaos.workload import Order

AGAIN_SECONDS = 0.2
TWICE = 0.05
"""Share of the orders that are sent once more, although they were answered."""
QUIET_SECONDS = 0.5


@dataclass(frozen=True)
class Shop:
    """Where orders go and what they are about."""

    engine: Engine
    assets: Path
    ledger: Path
    clip: Path | None
    """The source of real encodings."""

    def submit(self, order: Order) -> int:
        """Place an order; the job's id."""
        output = {"output_folder": str(self.assets / order.main_task_id)}
        workflow = encoding.NAME if order.is_encoding else films.NAME
        said = self._encoding() if order.is_encoding else self._film(order)
        job = self.engine.submit(workflow, said | output, main_task_id=order.main_task_id)
        return job.id

    def _film(self, order: Order) -> dict[str, Any]:
        return {"pieces": order.parameters(), "ledger": str(self.ledger)}

    def _encoding(self) -> dict[str, Any]:
        renditions = [{"name": "180p", "height": 180, "bitrate": 200}]
        return {"url": str(self.clip), "preset": "ultrafast", "renditions": renditions}


@dataclass
class Client:
    """Submits orders one after the other, and writes down what was accepted."""

    shop: Shop
    orders: Sequence[Order]
    log: Path
    pause_seconds: float
    """Between two orders."""
    repeats: int = 0
    """Orders whose answer did not come, and which were sent again."""
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Submit in the background."""
        with beside(self._submit_all, self._over) as self._thread:
            yield

    @property
    def is_done(self) -> bool:
        """Whether all orders were accepted."""
        return self._thread is not None and not self._thread.is_alive()

    def _submit_all(self) -> None:
        chance = random.Random("client")
        with self.log.open("a") as log:
            for order in self.orders:
                for _ in range(2 if chance.random() < TWICE else 1):
                    job_id = self._insist(order)
                    if job_id is None:
                        return
                    log.write(json.dumps([order.main_task_id, job_id]) + "\n")
                    log.flush()
                self._over.wait(self.pause_seconds)

    def _insist(self, order: Order) -> int | None:
        while not self._over.is_set():
            try:
                return self.shop.submit(order)
            except Exception:  # noqa: BLE001 - whatever it was: it is no answer
                self.repeats += 1
                self._over.wait(AGAIN_SECONDS)
        return None


@dataclass(frozen=True)
class Notice:
    """One notification that arrived."""

    identity: str
    main_task_id: str


@dataclass
class Receiver:
    """Takes notifications from the broker as they come."""

    url: str
    log: Path
    notices: list[Notice] = field(default_factory=list)
    heard: float = field(default_factory=time.monotonic)
    """When the last one came."""
    _over: threading.Event = field(default_factory=threading.Event)

    def running(self) -> AbstractContextManager[object]:
        """Receive for the length of a block."""
        return beside(self._receive_on, self._over)

    def _receive_on(self) -> None:
        while not self._over.is_set():
            try:
                with Connection(self.url, connect_timeout=2) as connection:
                    connection.ensure_connection(max_retries=1, timeout=2)
                    self._receive(connection)
            except Exception:  # noqa: BLE001 - the broker is away, in one of many words
                self._over.wait(AGAIN_SECONDS)

    def _receive(self, connection: Any) -> None:
        with connection.SimpleQueue(films.RECEIVER) as queue, self.log.open("a") as log:
            while not self._over.is_set():
                try:
                    message = queue.get(timeout=QUIET_SECONDS)
                except Empty:
                    continue
                notice = Notice(
                    str(message.properties.get("message_id")), message.payload["main_task_id"]
                )
                # Written down first: then the broker may forget it.
                log.write(json.dumps(vars(notice)) + "\n")
                log.flush()
                self.notices.append(notice)
                self.heard = time.monotonic()
                message.ack()
