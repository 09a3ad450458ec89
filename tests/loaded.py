"""The command `adaptation` for scripts that call it often: it is loaded once and then forked.

usage: python loaded.py serve SOCKET            wait for calls, with all modules loaded
       python loaded.py call SOCKET WORDS…      what a script finds under the name `adaptation`

What a caller gives to a process is what the command has: words, environment, folder, and standard
streams; it gets SIGINT and SIGTERM, and its exit status is the caller's. A script whose commands
take a second each to be loaded, and a hundredth to be run, costs little that way.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from contextlib import suppress
from types import FrameType

LENGTH_BYTES = 8


def call(place: str, words: list[str]) -> int:
    """Have a command run, as if it were this process; returns its exit status."""
    folder = os.getcwd()  # noqa: PTH109 - to load pathlib takes longer than all of this
    said = json.dumps([words, folder, dict(os.environ)]).encode()
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(place)
        socket.send_fds(wire, [len(said).to_bytes(LENGTH_BYTES, "big")], [0, 1, 2])
        wire.sendall(said)
        answers = wire.makefile()
        pid = int(answers.readline())

        def pass_on(number: int, _: FrameType | None) -> None:
            os.kill(pid, number)

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, pass_on)
        return int(answers.readline())


def serve(place: str) -> int:
    """Fork for each call; only what is forked returns, with its exit status."""
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(place)
        door.listen()
        while True:
            wire, _ = door.accept()
            _reap()
            with wire:
                # One process waits for the other, which is the command.
                if os.fork() == 0:
                    door.close()
                    return _attend(wire)


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _attend(wire: socket.socket) -> int:
    head, streams, _, _ = socket.recv_fds(wire, LENGTH_BYTES, 3)
    with wire.makefile("rb") as reader:
        words, folder, environment = json.loads(reader.read(int.from_bytes(head, "big")))
    pid = os.fork()
    if pid:
        for stream in streams:
            os.close(stream)
        wire.sendall(b"%d\n" % pid)
        _, status = os.waitpid(pid, 0)
        wire.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    wire.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    return _run(words)


def _load() -> None:
    from importlib import import_module

    from adaptation.cli.app import COMMANDS

    for _, module, _ in COMMANDS:
        import_module(f"adaptation.cli.{module.partition(':')[0]}")
    # `adaptation.commons` reads the settings: each command has its own.
    for module in ("adaptation.wiring", "adaptation.api.server", "adaptation.dashboard.mounting"):
        import_module(module)


def _run(words: list[str]) -> int:
    from adaptation.cli.app import main

    sys.argv = ["adaptation", *words]
    return main(words)


if __name__ == "__main__":
    if sys.argv[1] == "call":
        sys.exit(call(sys.argv[2], sys.argv[3:]))
    _load()
    sys.exit(serve(sys.argv[2]))
