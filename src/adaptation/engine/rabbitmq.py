"""RabbitMQ over kombu, with an end to every wait for the broker's answer.

py-amqp waits for ever where a connection is half open: it looks alive, and nobody answers. A
publisher would hold its slot, and the consumer's thread would miss the heartbeats that tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, pyamqp

SCHEME = "rabbitmq"
"""URL scheme under which Celery finds this transport; `rabbitmqs` over TLS."""
SCHEMES = {"amqp": SCHEME, "pyamqp": SCHEME, "amqps": f"{SCHEME}s"}
"""What people write -> what Celery is told."""
ANSWER_SECONDS = 3.0
"""How long the broker may take to answer a request or to confirm a message."""
GIVEN_UP_SECONDS = 0.01


class Channel(pyamqp.Channel):
    """A channel that is answered soon or not at all."""

    connection: Connection | None

    def wait(self, *method: Any, **options: Any) -> Any:
        """Wait for an answer.

        Raises:
            TimeoutError: none came in time.
        """
        if self.connection is None:
            return super().wait(*method, **options)
        with self.connection.patience():
            return super().wait(*method, **options)


class Connection(pyamqp.Connection):
    """A connection whose every request is answered soon or not at all."""

    Channel = Channel

    def __init__(self, *args: Any, answer_seconds: float = ANSWER_SECONDS, **options: Any) -> None:
        self._answer_seconds = answer_seconds
        self._deadline: float | None = None
        super().__init__(*args, **options)

    def wait(self, *method: Any, **options: Any) -> Any:
        """Wait for an answer to what concerns the connection itself.

        Raises:
            TimeoutError: none came in time.
        """
        with self.patience():
            return super().wait(*method, **options)

    def blocking_read(self, timeout: float | None = None) -> Any:
        """Read a frame; while an answer is awaited, heartbeats do not count as one."""
        if self._deadline is not None:
            timeout = self._deadline - monotonic()
            if timeout <= 0:
                raise TimeoutError("RabbitMQ does not answer")
        return super().blocking_read(timeout)

    @contextmanager
    def patience(self) -> Iterator[None]:
        """Bound what is awaited in the block. Who was patient in vain is not patient again."""
        outer = self._deadline
        self._deadline = outer or monotonic() + self._answer_seconds
        try:
            yield
        except TimeoutError:
            # Closing asks for answers, too.
            self._answer_seconds = GIVEN_UP_SECONDS
            raise
        finally:
            self._deadline = outer


class Transport(pyamqp.Transport):
    """RabbitMQ over TCP."""

    Connection = Connection


class SecureTransport(pyamqp.SSLTransport):
    """RabbitMQ over TLS."""

    Connection = Connection


TRANSPORT_ALIASES[SCHEME] = f"{__name__}:Transport"
TRANSPORT_ALIASES[f"{SCHEME}s"] = f"{__name__}:SecureTransport"
