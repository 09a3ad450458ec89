"""The size of a run: how many jobs and faults, on what fleet, at which clocks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import brokers
from chaos.plan import Kind
from chaos.workload import Order, make_orders

BROKERS: dict[str, type[brokers.Broker]] = {"redis": brokers.Redis, "rabbitmq": brokers.RabbitMQ}
SHORT_PIECES, LONG_PIECES = 3, 12
"""Most pieces of a job."""


@dataclass(frozen=True)
class Wanted:
    """What is run; the clocks are the product's own where nothing else is said."""

    jobs: int
    faults: int
    seed: int
    broker: str = "redis"
    encodings: int = 0
    """How many of the jobs are real ones."""
    most_pieces: int = LONG_PIECES
    slow: float = 0.12
    """Share of the pieces that take long, as most of the product's tasks do."""
    children: float = 0.2
    """Share of the others that a child process writes, which costs more than all else of them."""
    workers: int = 3
    controllers: int = 2
    slots: int = 3
    """Of each worker."""
    max_jobs: int = 24
    """How many jobs are started at once."""
    lease_seconds: float = 30.0
    beat_seconds: float = 2.0
    """Between heartbeats, and between sweeps."""
    retry_delay_seconds: float = 5.0
    retry_limit: int = 3
    order_pause_seconds: float = 0.02
    """Between two orders of the client."""
    longest_seconds: float = 7200.0
    """After this the run is broken off: whatever has not ended is a violation."""

    def orders(self) -> list[Order]:
        """What the client will order."""
        return make_orders(
            self.seed,
            self.jobs,
            most_pieces=self.most_pieces,
            slow=self.slow,
            children=self.children,
            encodings=self.encodings,
        )

    def over(self, broker: str) -> Wanted:
        """The same with another broker."""
        return replace(self, broker=broker)

    def calm(self) -> Wanted:
        """The same without faults."""
        return replace(self, faults=0)


SHORT = Wanted(
    jobs=100,
    faults=len(Kind),
    seed=1,
    most_pieces=SHORT_PIECES,
    slow=0.02,
    children=0.05,
    lease_seconds=3.0,
    beat_seconds=0.5,
    retry_delay_seconds=0.5,
    retry_limit=6,
    longest_seconds=600.0,
)
"""What the tests have the time for."""
