"""What a command prints: data on stdout, everything else on stderr."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TAIL_LINES = 12
"""How much of a tool's last words an error shows; `show --json` has all that is kept."""
UNITS = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6))
COMMAND_LETTERS = 400
"""How much of a tool's command an error shows."""


@dataclass(frozen=True)
class LogChoice:
    """What the caller said about log lines."""

    level: str | None = None
    """Name of the lowest severity shown; None: as the command thinks fit."""
    as_json: bool = False


log_choice = LogChoice()
"""Set once, before a command runs."""


def begin_logs(default_level: int) -> None:
    """Send log lines to stderr, from the severity the caller chose, else `default_level`."""
    from adaptation.adapters.masking import redacted_fields
    from adaptation.logs import set_up_logs

    names = logging.getLevelNamesMapping()
    level = default_level if log_choice.level is None else names[log_choice.level.upper()]
    set_up_logs(level, redact=redacted_fields, as_json=log_choice.as_json)
    if log_choice.level is None:
        # What carries the messages is of interest only to who asks for it.
        for name in ("celery", "kombu"):
            logging.getLogger(name).setLevel(max(level, logging.WARNING))


def data(line: str) -> None:
    """Print a line of what was asked for."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def note(line: str = "") -> None:
    """Tell a person something."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def compact(value: Any) -> str:
    """A JSON document in one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def document(value: Any) -> None:
    """Print one JSON document in one line."""
    data(compact(value))


def event(name: str, /, **facts: Any) -> None:
    """Print one line of a stream of JSON events."""
    document({"event": name, **facts})


def size(size_bytes: int) -> str:
    """A number of bytes for a person."""
    for unit, factor in UNITS:
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes / 1e3:.1f} kB"


def percent(fraction: float) -> str:
    """A share as a person reads it, four columns and a sign."""
    return f"{100 * fraction:3.0f} %"


def clock(seconds: float) -> str:
    """A time as m:ss or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def shortened(command: str) -> str:
    """A command's beginning and end, where the inputs and outputs stand."""
    half = COMMAND_LETTERS // 2
    return command if len(command) <= 2 * half else f"{command[:half]} … {command[-half:]}"


def show_error(error: Mapping[str, Any], *, log: str = "") -> None:
    """Tell a person what went wrong, where, and what to do about it.

    Args:
        error: `message`, `code` and `hint`; perhaps `task`, and a tool's `command` and
            `stderr_tail`.
        log: the command that shows more.
    """
    from adaptation.adapters.masking import redacted_fields

    error = redacted_fields(error)
    note(f"error: {error['message']}")
    where = f", in the task {error['task']}" if error.get("task") else ""
    note(f"code: {error['code']}{where}")
    if error.get("command"):
        note(f"command: {shortened(str(error['command']))}")
    for line in str(error.get("stderr_tail") or "").splitlines()[-TAIL_LINES:]:
        note(f"  | {line}")
    if error.get("hint"):
        note(f"hint: {error['hint']}")
    if log:
        note(f"log: {log}")
