"""Why a tool ended badly: one code for each reason, with what to do about it."""

from __future__ import annotations

import shlex
import signal
from dataclasses import dataclass
from pathlib import Path

from adaptation.adapters import launcher
from adaptation.errors import AdaptationError, SettingsError, SourceError, ToolError, Transient

NO_ROOM = ("No space left on device", "Disk quota exceeded")
NO_MEMORY = (
    "Cannot allocate memory",
    "std::bad_alloc",
    "Out of memory",
    "out of memory",
    # For the stack of one more thread.
    "pthread_create() failed: Resource temporarily unavailable",
)
FILE_TOO_LARGE = ("File too large",)
BAD_SOURCE = (
    "Invalid data found when processing input",
    "moov atom not found",
    "EBML header parsing failed",
    "Could not find codec parameters",
    "could not find codec parameters",
    "Decode error rate",
    "no decoder found for",
    "not on whitelist",
)
"""What FFmpeg says when the source is at fault."""
DENIED = ("Permission denied", "Operation not permitted")
NEARLY = 0.7
"""The kernel's two accounts of processor time differ; so much of the limit says who was stopped."""
LIMIT_SIGNALS = {
    "SIGXCPU": "tool_cpu_limit",
    "SIGXFSZ": "tool_file_limit",
    # Nobody else kills a tool that way: whoever is asked to stop is not judged.
    "SIGKILL": "tool_memory_limit",
}
"""What the system ends a process with that uses too much; a crash has other signals."""
AGAIN = "It is tried again; should it end alike each time, this source brings it about."
HINTS = {
    "tool_crashed": f"{AGAIN} Update FFmpeg, or export the source anew.",
    "tool_stalled": AGAIN,
    "tool_timeout": AGAIN,
    "tool_cpu_limit": "The source asks for more work than it should: export it anew.",
    "tool_file_limit": "The source asks for more output than it should: export it anew.",
    "tool_memory_limit": "Give the worker more memory or fewer slots (ADAPTATION_SLOTS);"
    " a picture of enormous size brings it about, too.",
    "tool_failed": "Its last words say why; `adaptation doctor` tells what the tools can do.",
    "tool_output_too_long": "The source makes it say more than any film gives reason for.",
}
"""The remedy for each code."""


@dataclass(frozen=True)
class End:
    """How a command ended that was not asked to."""

    argv: tuple[str, ...]
    returncode: int
    """Exit status; negative: the signal it died of."""
    stderr_tail: str = ""
    """The end of its stderr."""
    cpu_seconds: float = 0.0
    """User and system time it took."""
    cpu_limit_seconds: float | None = None
    """The most it was given."""

    @property
    def signal_name(self) -> str:
        """The signal it died of, also where a shell around it tells; empty: none."""
        number = -self.returncode if self.returncode < 0 else self.returncode - 128
        # FFmpeg has statuses above 128 of its own, none of them near these numbers.
        if number in set(signal.Signals) and 0 < number < 32:
            return signal.Signals(number).name
        return ""


def judged(end: End) -> AdaptationError:
    """The error that fits the way a tool ended."""
    if end.returncode == launcher.NOT_CONFINED and "cannot be confined" in end.stderr_tail:
        return SettingsError(
            f"no tool can be run: {end.stderr_tail}",
            code="sandbox_missing",
            hint="`adaptation doctor` says what is missing. Set ADAPTATION_SANDBOX to best-effort"
            " to do without.",
        )
    if _says(end, NO_ROOM):
        hint = "Free some space and try again."
        return Transient("the disk is full", code="disk_full", hint=hint)
    return tool_error(end.argv, _ending(end), _code(end), end.stderr_tail)


def tool_error(argv: tuple[str, ...], what: str, code: str, stderr_tail: str = "") -> ToolError:
    """An error of a tool, with the remedy for its code."""
    hint = HINTS[code]
    if code == "tool_failed" and any(words in stderr_tail for words in DENIED):
        hint = "It may open only what its task needs. For a tool with libraries or drivers of its"
        hint += " own name their folders in ADAPTATION_SANDBOX_PROGRAMS."
    message = f"{Path(argv[0]).name} {what}"
    command = shlex.join(argv)
    return ToolError(message, code=code, command=command, stderr_tail=stderr_tail, hint=hint)


def blamed(error: ToolError, source: str) -> AdaptationError:
    """The same error, or that of the source, if the tool's last words put it down to that.

    Args:
        error: of a tool that read a source.
        source: its name.
    """
    if error.code != "tool_failed" or not any(words in error.stderr_tail for words in BAD_SOURCE):
        return error
    last = error.stderr_tail.rpartition("\n")[2].rpartition("] ")[2]
    return SourceError(
        f"{source} cannot be decoded: {last}",
        code="source_unreadable",
        hint="Check that it plays to its end, or export it anew.",
    )


def _code(end: End) -> str:
    if end.signal_name in LIMIT_SIGNALS:
        return LIMIT_SIGNALS[end.signal_name]
    # FFmpeg catches SIGXCPU, tidies up and ends with a status.
    if end.cpu_limit_seconds and end.cpu_seconds >= NEARLY * end.cpu_limit_seconds:
        return "tool_cpu_limit"
    if _says(end, FILE_TOO_LARGE):
        return "tool_file_limit"
    if _says(end, NO_MEMORY):
        return "tool_memory_limit"
    return "tool_crashed" if end.signal_name else "tool_failed"


def _ending(end: End) -> str:
    if end.signal_name:
        return f"died of {end.signal_name}"
    return f"ended with status {end.returncode}: {end.stderr_tail.rpartition(chr(10))[2]}"


def _says(end: End, phrases: tuple[str, ...]) -> bool:
    return any(phrase in end.stderr_tail for phrase in phrases)
