"""Logs: one event, one line on stderr, with the ids bound where the work begins."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import structlog

Redact = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Makes the fields of a line fit to be shown."""


def set_up_logs(level: int = logging.WARNING, *, redact: Redact, as_json: bool = False) -> None:
    """Send our own and all libraries' records through one formatter to stderr.

    Args:
        level: the lowest severity shown, as in the module `logging`.
        redact: every line goes through it, with its event, fields and traceback.
        as_json: one JSON object a line, for machines.
    """
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        stamp,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )

    def redacted(_: object, __: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
        return redact(event)

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # A traceback becomes text before, since it may quote what must not be shown.
                structlog.processors.format_exc_info,
                redacted,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
