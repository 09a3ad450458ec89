"""A client of the REST API for Python programs; it needs nothing of the engine."""

from __future__ import annotations

from adaptation.client.callbacks import verify_callback
from adaptation.client.client import Client
from adaptation.client.records import (
    Changes,
    Delivery,
    EndPoint,
    Event,
    Filters,
    Job,
    JobAtWork,
    LogLine,
    Overview,
    Queue,
    RunningTask,
    Setting,
    Submitted,
    Task,
    Terms,
    Worker,
    WorkerTask,
    Workflow,
)
from adaptation.errors import ApiError, NotEnded, ServerUnavailable, SignatureInvalid

__all__ = [
    "ApiError",
    "Changes",
    "Client",
    "Delivery",
    "EndPoint",
    "Event",
    "Filters",
    "Job",
    "JobAtWork",
    "LogLine",
    "NotEnded",
    "Overview",
    "Queue",
    "RunningTask",
    "ServerUnavailable",
    "Setting",
    "SignatureInvalid",
    "Submitted",
    "Task",
    "Terms",
    "Worker",
    "WorkerTask",
    "Workflow",
    "verify_callback",
]
