"""A TCP port of this machine that somebody listens on."""

from __future__ import annotations

import ipaddress
import socket

from adaptation.errors import SettingsError


def listening(host: str, port: int) -> socket.socket:
    """Listen.

    Args:
        host: an address or a name of this machine.
        port: 0 takes any that is free.

    Raises:
        SettingsError: `address_taken`.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise SettingsError(
            f"Cannot listen on {host}:{port}: {error.strerror}",
            code="address_taken",
            hint="Name another port, or 0 for any that is free.",
        ) from error
    # Connections inherit it. An answer is sent as head and body, and without this the body waits
    # until the other side acknowledges the head, which most put off for 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def address_of(listener: socket.socket) -> str:
    """The URL of what listens there."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def is_of_this_machine_alone(host: str) -> bool:
    """Whether nobody from outside reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
