"""Spans for OpenTelemetry, where an operator asks for them; elsewhere nothing, at no cost.

Asked for by `OTEL_EXPORTER_OTLP_ENDPOINT`, with the extra `adaptation[otel]` installed. How they
are sent is set by OpenTelemetry's own variables, such as `OTEL_EXPORTER_OTLP_HEADERS`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider

logger = structlog.get_logger(__name__)

ASKED_BY = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
SERVICE = "adaptation"
Fact = str | int | float | bool
_TRACEPARENT = re.compile(
    r"00-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
)
"""W3C Trace Context, version 00."""
_given: ContextVar[str | None] = ContextVar("traceparent", default=None)


@contextmanager
def asked_by(traceparent: str | None) -> Iterator[None]:
    """Remember for the length of a block which trace it belongs to, also if none are sent here.

    Args:
        traceparent: as a client sent it; what is none is forgotten.
    """
    fits = traceparent is not None and _TRACEPARENT.fullmatch(traceparent)
    token = _given.set(traceparent if fits else None)
    try:
        yield
    finally:
        _given.reset(token)


def here() -> str | None:
    """The traceparent of what is done here: of the open span, else of who asked; None: no trace."""
    if provider() is not None:
        from opentelemetry.trace import get_current_span

        known = get_current_span().get_span_context()
        if known.is_valid:
            return f"00-{known.trace_id:032x}-{known.span_id:016x}-{known.trace_flags:02x}"
    return _given.get()


@contextmanager
def span(name: str, parent: str | None = None, **facts: Fact) -> Iterator[None]:
    """Tell how long the block takes.

    Args:
        name: of few kinds, without ids.
        parent: traceparent of the span it belongs to, perhaps of another process and day; None:
            of the one that is open here, or of none.
        facts: attributes.
    """
    known = provider()
    if known is None:
        yield
        return
    context = _context_of(parent)
    tracer = known.get_tracer(SERVICE)
    with tracer.start_as_current_span(name, context=context, attributes=facts):
        yield


def _context_of(parent: str | None) -> Context | None:
    from opentelemetry.trace import (
        NonRecordingSpan,
        SpanContext,
        TraceFlags,
        set_span_in_context,
    )

    found = _TRACEPARENT.fullmatch(parent or "")
    if found is None:
        return None
    trace, of_span, flags = (int(found[name], 16) for name in ("trace", "span", "flags"))
    remote = SpanContext(trace, of_span, is_remote=True, trace_flags=TraceFlags(flags))
    return set_span_in_context(NonRecordingSpan(remote))


def note(*, failed: bool = False, **facts: Fact) -> None:
    """Say more of the span that is open here.

    Args:
        failed: whether it is marked as an error.
        facts: attributes.
    """
    if provider() is None:
        return
    from opentelemetry.trace import Status, StatusCode, get_current_span

    current = get_current_span()
    current.set_attributes(facts)
    if failed:
        current.set_status(Status(StatusCode.ERROR))


@cache
def provider() -> TracerProvider | None:
    """Where spans go, the same for the whole process; None: nobody wants any."""
    if not any(os.environ.get(name) for name in ASKED_BY):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        logger.warning("no spans are sent", hint="pip install 'adaptation[otel]'")
        return None
    service = os.environ.get("OTEL_SERVICE_NAME") or SERVICE
    made = TracerProvider(resource=Resource.create({SERVICE_NAME: service}))
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return made
