"""Keys of a terminal, as they are pressed, and the terminal as it was afterwards."""

from __future__ import annotations

import codecs
import os
import select
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

NAMES = {
    "\x1b[A": "up",
    "\x1bOA": "up",
    "\x1b[B": "down",
    "\x1bOB": "down",
    "\x1b[5~": "page up",
    "\x1b[6~": "page down",
    "\x1b[H": "home",
    "\x1b[F": "end",
    "\r": "enter",
    "\n": "enter",
    "\x7f": "backspace",
    "\x08": "backspace",
    "\x1b": "escape",
}
"""What xterm and its kin send (ECMA-48 §5.4; application mode as of DECCKM)."""
GONE = "gone"
"""Told once nobody can press a key any more."""


class Keyboard:
    """Presses one at a time and unechoed, for the length of a block; Ctrl-C stays a signal."""

    def __init__(self) -> None:
        self._input = sys.stdin.fileno()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._former: list[Any] = []

    def __enter__(self) -> Self:
        import termios
        import tty

        self._former = termios.tcgetattr(self._input)
        tty.setcbreak(self._input)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        import termios

        termios.tcsetattr(self._input, termios.TCSADRAIN, self._former)

    def pressed(self, timeout_seconds: float) -> list[str]:
        """Keys since the last time, waiting for the first: by name, or the letter itself."""
        ready, _, _ = select.select([self._input], [], [], timeout_seconds)
        if not ready:
            text, self._rest = self._rest, ""  # an escape that nothing followed
            return list(keys_in(text))
        if not (found := os.read(self._input, 1024)):
            return [GONE]
        text = self._rest + self._decoder.decode(found)
        whole, self._rest = _cut(text)
        return list(keys_in(whole))


def can_tell_keys() -> bool:
    """Whether keys can be read one at a time here: on a terminal of a POSIX system."""
    return sys.platform != "win32" and sys.stdin is not None and sys.stdin.isatty()


def keys_in(text: str) -> Iterator[str]:
    """The keys that a terminal means by what it sends; what nobody knows is left out."""
    while text:
        length = _length(text)
        word, text = text[:length], text[length:]
        if word in NAMES:
            yield NAMES[word]
        elif len(word) == 1 and word.isprintable():
            yield word


def _length(text: str) -> int:
    """Of the first key."""
    if text[0] != "\x1b" or len(text) == 1 or text[1] not in "[O":
        return 1
    # A control sequence ends with its first letter or tilde, ECMA-48 §5.4.
    ends = (place for place, sign in enumerate(text[2:], 3) if "@" <= sign <= "~")
    return next(ends, len(text))


def _cut(text: str) -> tuple[str, str]:
    """What is whole, and an escape sequence at the end that is not."""
    start = text.rfind("\x1b")
    if start < 0:
        return text, ""
    tail = text[start:]
    is_whole = len(tail) > 1 and (tail[1] not in "[O" or ("@" <= tail[-1] <= "~" and len(tail) > 2))
    return (text, "") if is_whole else (text[:start], tail)
