"""Every error the engine raises on purpose, sorted by what the caller can do about it.

AdaptationError
├── SourceError     the material is at fault: the same input fails again, never retried
├── ParameterError  the request is at fault: mend it and submit again, never retried
├── Transient       the moment is at fault: the same call may pass later, retried
├── OutputError     the place to write to is at fault (full, read-only, taken)
├── ToolError       FFmpeg or Packager failed: carries the command and the end of its stderr
├── SettingsError   the configuration is at fault: names the setting
├── ApiError        a server refused a request: carries its status and what it said
├── SignatureInvalid  a callback is not from whom it says, or is too old
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
    MAY_PASS = frozenset({"tool_crashed", "tool_stalled", "tool_timeout", "tool_memory_limit"})
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


class ApiError(AdaptationError):
    """A server's answer that says no."""

    code = "answer_invalid"
    request_id = ""
    """By which the server's log knows the request."""
    job_id: int | None = None
    """The job that it is about."""
    retry_after_seconds: float | None = None
    """When the server wants to be asked again; None: it does not say."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, hint: str = ""
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.status = status
        self.retryable = status in {429, 502, 503, 504}


class ServerUnavailable(Transient):
    """A server cannot be reached, or its answer was lost."""

    code = "server_unavailable"


class NotEnded(Transient):
    """A job has not ended in the time that was given."""

    code = "job_not_ended"


class SignatureInvalid(AdaptationError):
    """A callback whose signature, time or body is not as it must be."""

    code = "signature_invalid"
