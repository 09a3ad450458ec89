"""The command line over a server's API: which commands there are, and whose key they use."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adaptation.errors import ParameterError, SettingsError

if TYPE_CHECKING:
    from adaptation.client import Client

OPTION = "--server"
VALUED = frozenset({OPTION, "--client", "--log-level"})
"""Options before a command that take the next word."""
SERVER = "ADAPTATION_SERVER"
CLIENT = "ADAPTATION_CLIENT"
KEY = "ADAPTATION_API_KEY"
KEY_FILE = "ADAPTATION_API_KEY_FILE"
COMMANDS = {
    "submit": "remote.submit:submit",
    "plan": "remote.submit:plan",
    "top": "top.there:top",
    "ls": "remote.jobs:ls",
    "show": "remote.jobs:show",
    "quality": "remote.quality:quality",
    "logs": "remote.follow:logs",
    "watch": "remote.follow:watch",
    "cancel": "remote.control:cancel",
    "pause": "remote.control:pause",
    "resume": "remote.control:resume",
    "retry": "remote.control:retry",
    "rerun": "remote.control:rerun",
    "priority": "remote.control:priority",
    "callbacks": "remote.callbacks:callbacks",
    "redeliver": "remote.callbacks:redeliver",
    "settings": "remote.fleet:settings",
    "queue": "remote.fleet:queue",
    "workflows": "remote.fleet:workflows",
    "workers": "remote.fleet:workers",
}
"""The commands that a server can be asked for, and their places beside the local ones."""


@dataclass(frozen=True)
class Choice:
    """Which server is asked, and as whom."""

    server: str = ""
    client: str = ""


choice = Choice()
"""Set once, before a command runs."""


def is_meant(words: Sequence[str], commands: Iterable[str]) -> bool:
    """Whether a command line is for a server: it says so, or the environment does.

    The environment counts for commands that a server can be asked for; the others run here.

    Args:
        words: of the command line.
        commands: all that there are.

    Raises:
        ParameterError: `usage`: it names a server for a command that runs here.
    """
    command = _command(words, set(commands))
    if any(word.partition("=")[0] == OPTION for word in words):
        if command is not None and command not in COMMANDS:
            raise ParameterError(
                f"{command} runs on this machine, and asks no server",
                code="usage",
                hint=f"Leave {OPTION} out. A server is asked by: {', '.join(COMMANDS)}.",
            )
        return True
    return bool(os.environ.get(SERVER)) and command in COMMANDS


def _command(words: Sequence[str], known: Container[str]) -> str | None:
    before = ["", *words]
    named = (
        word
        for word, last in zip(words, before, strict=False)
        # A client may have the name of a command.
        if word in known and last not in VALUED
    )
    return next(named, None)


@contextmanager
def opened_client() -> Iterator[Client]:
    """The server, for the length of a block.

    Raises:
        SettingsError: `server_invalid`, or `credentials_missing`.
    """
    from adaptation.client import Client

    with Client(choice.server, choice.client, _key()) as client:
        yield client


def _key() -> str:
    """The key, which never stands in a command line: others on the machine could read it."""
    if key := os.environ.get(KEY, "").strip():
        return key
    file = os.environ.get(KEY_FILE, "")
    if not file:
        raise SettingsError(
            "there is no api-key for the server",
            code="credentials_missing",
            hint=f"Put it into a file, and the file's name into {KEY_FILE}; or set {KEY}.",
        )
    try:
        return Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{KEY_FILE}: {file} cannot be read: {error}",
            code="credentials_missing",
            hint="Check the file's name and permissions.",
        ) from error
