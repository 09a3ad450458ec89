"""Spans for OpenTelemetry, where an operator asks for them; elsewhere nothing, at no cost.

Asked for by `OTEL_EXPORTER_OTLP_ENDPOINT`, with the extra `adaptation[otel]` installed. How they
are sent is set by OpenTelemetry's own variables, such as `OTEL_EXPORTER_OTLP_HEADERS`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

logger = structlog.get_logger(__name__)

ASKED_BY = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
SERVICE = "adaptation"
Fact = str | int | float | bool


@contextmanager
def span(name: str, **facts: Fact) -> Iterator[None]:
    """Tell how long the block takes.

    Args:
        name: of few kinds, without ids.
        facts: attributes.
    """
    known = provider()
    if known is None:
        yield
        return
    with known.get_tracer(SERVICE).start_as_current_span(name, attributes=facts):
        yield


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
