"""The exit statuses of the command line, which scripts may rely on."""

from __future__ import annotations

from adaptation.errors import (
    AdaptationError,
    ApiError,
    OutputError,
    ParameterError,
    SettingsError,
    SourceError,
)

DONE = 0
JOB_FAILED = 1
USAGE = 2
UNREACHABLE = 3
NOT_FOUND = 4
INTERRUPTED = 130
BROKEN_PIPE = 141
"""128 + SIGPIPE, as for any filter whose reader has gone."""

_BY_CODE = {
    "database_unavailable": UNREACHABLE,
    "broker_unavailable": UNREACHABLE,
    "server_unavailable": UNREACHABLE,
    "answer_invalid": UNREACHABLE,
    "job_unknown": NOT_FOUND,
    "delivery_unknown": NOT_FOUND,
    "end_point_unknown": NOT_FOUND,
    "workflow_unknown": NOT_FOUND,
    "worker_unknown": NOT_FOUND,
    "asset_missing": NOT_FOUND,
    "state_forbids": USAGE,
    "work_removed": USAGE,
    "setting_unknown": NOT_FOUND,
    "client_unknown": NOT_FOUND,
    "key_unknown": NOT_FOUND,
    "storage_unreachable": UNREACHABLE,
}
_BAD_REQUEST = (ParameterError, SourceError, OutputError, SettingsError)


def status_of(error: AdaptationError) -> int:
    """The exit status for an error that ended a command before or outside a job."""
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    if isinstance(error, ApiError):
        return _of_answer(error.status)
    return USAGE if isinstance(error, _BAD_REQUEST) else JOB_FAILED


def _of_answer(status: int) -> int:
    """For what a server answered, when its code says nothing more precise."""
    if status == 404:
        return NOT_FOUND
    if status in {502, 503, 504}:
        return UNREACHABLE
    return USAGE if status < 500 else JOB_FAILED
