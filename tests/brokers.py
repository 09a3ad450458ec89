"""Brokers of the tests' own on the loopback: emptied, killed and started again as tests please."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection
from kombu.exceptions import OperationalError

from services import free_port, need_command, wait_until

START_SECONDS = 60.0
CONSUMER_TIMEOUT_SECONDS = 2.0
"""How long RabbitMQ lets a message wait for its acknowledgement, in tests; 30 min by default."""
PLAIN = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
"""The environment of a server: it belongs to no test."""
PLACES = ("/usr/lib/rabbitmq/bin", os.environ.get("PATH", os.defpath), "/usr/sbin")
"""Where RabbitMQ's own script is, before Debian's, which runs as another user."""


@dataclass
class Broker(ABC):
    """One server, which comes back under the same address."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Celery's URL."""

    @abstractmethod
    def start(self) -> None:
        """Start it and wait until it answers."""

    def url_over(self, port: int) -> str:
        """The URL when something on another port stands in between."""
        return self.url.replace(f":{self.port}", f":{port}")

    def kill(self) -> None:
        """Kill it, without a farewell."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it."""
        self._end(signal.SIGTERM)

    @abstractmethod
    def forget(self, *queues: str) -> None:
        """Forget these queues and all that is in them."""

    def waiting(self, queue: str) -> int:
        """How many messages wait in a queue; 0 if there is none."""
        with Connection(self.url) as connection:
            channel: Any = connection.default_channel
            try:
                found = channel.queue_declare(queue=queue, passive=True)
            except connection.channel_errors:
                return 0
            return int(found.message_count)

    def answers(self) -> bool:
        """Whether a client can work with it."""
        with Connection(self.url, connect_timeout=1) as connection:
            try:
                connection.ensure_connection(max_retries=1, timeout=1)
            except (OSError, OperationalError):
                return False
            return True

    def _end(self, signal_number: int) -> None:
        if self.process is not None:
            self.process.send_signal(signal_number)
            self.process.wait()
            self.process = None

    def _await(self) -> None:
        process = self.process
        assert process is not None
        if not wait_until(lambda: process.poll() is not None or self.answers(), START_SECONDS):
            pytest.fail(f"{process.args!r} does not answer")
        if process.poll() is not None:
            pytest.fail(f"{process.args!r} ended with status {process.returncode}")


class Redis(Broker):
    """Redis that keeps nothing on disk: killed, it has forgotten all."""

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = need_command("redis-server", package="redis-server")
        options = {"port": str(self.port), "bind": "127.0.0.1", "save": "", "dir": str(self.folder)}
        flags = [part for name, value in options.items() for part in (f"--{name}", value)]
        self.process = subprocess.Popen([command, *flags], env=PLAIN, stdout=subprocess.DEVNULL)
        self._await()

    def forget(self, *queues: str) -> None:  # noqa: ARG002 - it knows no queues, only lists
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(b"FLUSHALL\r\n")
            assert connection.recv(64).startswith(b"+OK")


class RabbitMQ(Broker):
    """RabbitMQ as a node of its own, with its own epmd, which both end with the tests."""

    epmd: subprocess.Popen[bytes] | None = None
    consumer_timeout_seconds = CONSUMER_TIMEOUT_SECONDS

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        command = self._command()
        environment = self._environment()
        if self.epmd is None:
            epmd = [need_command("epmd", package="erlang-base"), "-address", "127.0.0.1"]
            self.epmd = subprocess.Popen(epmd, env=environment)
        self.process = subprocess.Popen([command], env=environment, stdout=subprocess.DEVNULL)
        self._await()

    def forget(self, *queues: str) -> None:
        with Connection(self.url) as connection:
            channel: Any = connection.default_channel
            for queue in queues:
                channel.queue_delete(queue)

    def stop(self) -> None:
        super().stop()
        if self.epmd is not None:
            self.epmd.terminate()
            self.epmd.wait()

    def _command(self) -> str:
        found = shutil.which("rabbitmq-server", path=os.pathsep.join(PLACES))
        return found or need_command("rabbitmq-server", package="rabbitmq-server")

    def _environment(self) -> dict[str, str]:
        dist_port, epmd_port = (_written(self.folder / name) for name in ("dist", "epmd"))
        configuration = self.folder / "rabbitmq.conf"
        configuration.write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            f"consumer_timeout = {int(self.consumer_timeout_seconds * 1000)}\n"
            "vm_memory_high_watermark.absolute = 256MB\n"
            "disk_free_limit.absolute = 1MB\n"
            "log.console = false\n"
            "log.file.level = warning\n"
        )
        # How often it looks for the timeout has no other place.
        advanced = self.folder / "advanced.config"
        advanced.write_text("[{rabbit, [{channel_tick_interval, 500}]}].\n")
        plugins = self.folder / "enabled_plugins"
        plugins.write_text("[].\n")
        return PLAIN | {
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(epmd_port),
            "RABBITMQ_DIST_PORT": str(dist_port),
            "RABBITMQ_NODENAME": f"adaptation{self.port}@localhost",
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(configuration),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(advanced),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none"),
            # Waiting threads sleep instead of spinning: the tests need the processor.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none",
            # The script becomes the server instead of watching it: its process id is the server's.
            "NOTIFY_SOCKET": str(self.folder / "none"),
        }


def _written(place: Path) -> int:
    """A free port that stays the same over restarts."""
    if not place.exists():
        place.write_text(str(free_port()))
    return int(place.read_text())


@contextmanager
def running(kind: type[Broker], folder: Path) -> Iterator[Broker]:
    """Run a broker for the length of a block."""
    broker = kind(folder, free_port())
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()
