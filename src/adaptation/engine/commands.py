"""Commands as they stand in a job's log: what a shell can be given, in lines of bounded length."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

PROMPT, ON = "$ ", "> "
"""Before a command, and before each further line of it, as shells show them."""
GOES_ON = " \\"
"""At the end of a line that another one follows."""
MOST_LETTERS = 3_500
"""Of one line, unless a single argument has more; log lines have 4,000."""


def shell_lines(argv: Sequence[str]) -> list[str]:
    """A command as lines of a log, the first behind `$ `, the others behind `> `."""
    lines, now = list[str](), ""
    for word in map(shlex.quote, argv):
        if now and len(now) + len(word) >= MOST_LETTERS:
            lines.append(now + GOES_ON)
            now = word
        else:
            now = f"{now} {word}" if now else word
    lines.append(now)
    return [f"{PROMPT if number == 0 else ON}{line}" for number, line in enumerate(lines)]


def commands_in(messages: Iterable[str]) -> list[str]:
    """The commands that one task's lines hold, each as a shell takes it."""
    found = list[str]()
    for message in messages:
        if message.startswith(PROMPT):
            found.append(message.removeprefix(PROMPT))
        elif message.startswith(ON) and found and found[-1].endswith(GOES_ON):
            found[-1] += f"\n{message.removeprefix(ON)}"
    return found
