"""Every error the engine raises on purpose, sorted by what the caller can do about it.

AdaptationError
├── SourceError     the material is at fault: the same input fails again, never retried
├── ParameterError  the request is at fault: mend it and submit again, never retried
├── Transient       the moment is at fault: the same call may pass later, retried
├── OutputError     the place to write to is at fault (full, read-only, taken)
├── ToolError       FFmpeg or Packager failed: carries the command and the end of its stderr
├── SettingsError   the configuration is at fault: names the setting
└── Cancelled       somebody asked this work to stop
"""

from __future__ import annotations


class AdaptationError(Exception):
    """An error with a stable code, a sentence that names the thing, and a remedy."""

    code = "internal"
    """Stable identifier for programs, `snake_case`."""
    retryable = False
    """Whether the same work may succeed when it is tried again."""

    def __init__(self, message: str, *, code: str | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return self.message


class SourceError(AdaptationError):
    """The source cannot become an asset: missing, broken, cut short or of the wrong kind."""

    code = "source_invalid"


class ParameterError(AdaptationError):
    """A parameter is missing, unknown or out of range."""

    code = "parameter_invalid"


class Transient(AdaptationError):
    """Something outside failed in a way that may pass: a network, a busy disk, a lost worker."""

    code = "transient"
    retryable = True


class OutputError(AdaptationError):
    """The output cannot be written where it was asked for."""

    code = "output_invalid"


class ToolError(AdaptationError):
    """A tool ended badly or made something other than what was asked of it."""

    code = "tool_failed"
    MAY_PASS = frozenset({"tool_crashed", "tool_stalled", "tool_timeout"})
    """Codes after which another try is worth its while: the rest comes out the same again."""

    def __init__(
        self,
        message: str,
        *,
        command: str = "",
        stderr_tail: str = "",
        code: str | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.retryable = self.code in self.MAY_PASS
        self.command = command
        self.stderr_tail = stderr_tail


class SettingsError(AdaptationError):
    """A setting has a value the engine cannot work with."""

    code = "settings_invalid"


class Cancelled(AdaptationError):
    """The work was asked to stop: by a person, a pause, or a lease held by another worker."""

    code = "cancelled"
