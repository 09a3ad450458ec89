"""A polite end: the first signals are noted and work is handed back; the last is obeyed."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Self

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
"""Ctrl-C, a service manager's stop, a terminal that was closed; not all exist everywhere."""


class Interruption:
    """Notes that somebody asked this process to end, for the length of a `with` block."""

    def __init__(self, noted: int = 1) -> None:
        """Prepare.

        Args:
            noted: so many signals are noted; one more ends the process.
        """
        self._noted = noted
        self.count = 0
        """How many came."""
        self.signal_number: int | None = None
        """The signal that came; None as long as the work may go on."""
        self._former: dict[int, object] = {}

    def __enter__(self) -> Self:
        for name in SIGNALS:
            number = getattr(signal, name, None)
            # What was ignored stays ignored: `nohup` and `command &` in scripts rely on it.
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)  # type: ignore[arg-type] # what signal() itself gave

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.signal_number = number
        self.count += 1
        if self.count >= self._noted:
            # The next time it ends at once; a later start finds out and takes up the work.
            for known in self._former:
                signal.signal(known, signal.SIG_DFL)
