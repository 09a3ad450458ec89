"""What the installed `adaptation` can do, by its own help: options come and go with versions."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache

PROGRAM = [sys.executable, "-m", "adaptation"]


@cache
def help_of(command: str) -> str:
    """What `--help` prints of a command; nothing for a command that does not exist."""
    argv = [*PROGRAM, command, "--help"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    # The help of an unknown command is that of the whole program.
    known = re.search(rf"^Usage: \S+ {re.escape(command)}\b", done.stdout, re.MULTILINE)
    return done.stdout if known else ""


def supports(command: str, option: str) -> bool:
    """Whether this version's command knows an option."""
    return re.search(rf"{re.escape(option)}\b", help_of(command)) is not None
