"""RabbitMQ over kombu, with an end to every wait for the broker's answer.

py-amqp waits for ever where a connection is half open: it looks alive, and nobody answers. A
publisher would hold its slot, and the consumer's thread would miss the heartbeats that tell.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, pyamqp

SCHEME = "rabbitmq"
"""URL scheme under which Celery finds this transport; `rabbitmqs` over TLS."""
SCHEMES = {"amqp": SCHEME, "pyamqp": SCHEME, "amqps": f"{SCHEME}s"}
"""What people write -> what Celery is told."""
ANSWER_SECONDS = 3.0
"""How long the broker may take to answer a request or to confirm a message."""
GIVEN_UP_SECONDS = 0.01


class Patience:
    """Gives up waiting after a while, and for good."""

    def wait(
        self,
        method: Any,
        callback: Any = None,
        timeout: float | None = None,
        returns_tuple: bool = False,
    ) -> Any:
        """Wait for an answer.

        Raises:
            TimeoutError: none came in time.
        """
        base: Any = super()
        try:
            return base.wait(method, callback, timeout or self._answer_seconds(), returns_tuple)
        except TimeoutError:
            self._give_up()
            raise

    @abstractmethod
    def _answer_seconds(self) -> float: ...

    @abstractmethod
    def _give_up(self) -> None:
        """Wait no more: closing asks for answers, too."""


class Channel(Patience, pyamqp.Channel):
    """A channel that is answered soon or not at all."""

    connection: Connection | None

    def _answer_seconds(self) -> float:
        return self.connection.answer_seconds if self.connection else ANSWER_SECONDS

    def _give_up(self) -> None:
        if self.connection:
            self.connection.answer_seconds = GIVEN_UP_SECONDS


class Connection(Patience, pyamqp.Connection):
    """A connection whose every request is answered soon or not at all."""

    Channel = Channel

    def __init__(self, *args: Any, answer_seconds: float = ANSWER_SECONDS, **options: Any) -> None:
        self.answer_seconds = answer_seconds
        super().__init__(*args, **options)

    def _answer_seconds(self) -> float:
        return self.answer_seconds

    def _give_up(self) -> None:
        self.answer_seconds = GIVEN_UP_SECONDS


class Transport(pyamqp.Transport):
    """RabbitMQ over TCP."""

    Connection = Connection


class SecureTransport(pyamqp.SSLTransport):
    """RabbitMQ over TLS."""

    Connection = Connection


TRANSPORT_ALIASES[SCHEME] = f"{__name__}:Transport"
TRANSPORT_ALIASES[f"{SCHEME}s"] = f"{__name__}:SecureTransport"
