"""Ports that somebody listens on."""

from __future__ import annotations

import socket

import pytest

from adaptation.adapters.listening import listening


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_what_is_sent_does_not_wait_for_what_was_sent_before(host: str) -> None:
    with listening(host, 0) as listener, socket.create_connection(listener.getsockname()[:2]):
        accepted, _ = listener.accept()

        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
