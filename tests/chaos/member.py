"""A process of the fleet: the product's own command line, which knows one workflow more.

usage: python member.py HOST COMMAND…

It lives on a host of its own, as far as the system allows that: then no other process may ask
whether it is alive, and only its lease tells.
"""

from __future__ import annotations

import ctypes
import socket
import sys

CLONE_NEWUTS = 0x04000000
"""`unshare(2)`: a host name of our own."""


def move_to(host: str) -> bool:
    """Take another host name; whether this user and system allow it."""
    if not sys.platform.startswith("linux") or ctypes.CDLL(None).unshare(CLONE_NEWUTS) != 0:
        return False
    socket.sethostname(host)
    return True


def main(host: str, *words: str) -> int:
    """Run the command on that host; returns its exit status."""
    move_to(host)
    # Before anything of ours: who a process is, is told with its host's name.
    from adaptation.cli import main as command_line
    from adaptation.cli.imports import uncollected

    with uncollected():
        from adaptation.commons import deployment
        from chaos.films import register

    register(deployment.registry)
    return command_line(words)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
