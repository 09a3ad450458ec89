"""What a machine can do, as far as it is told quickly: versions, encoders, processors, memory."""

from __future__ import annotations

import os
import platform
from typing import Any

import psutil

from adaptation import __version__
from adaptation.adapters.machine import may_encode_in_hardware
from adaptation.adapters.tools import Tools, listed, versions
from adaptation.errors import ToolError
from adaptation.media.coding import ENCODERS
from adaptation.workflows.encoders import trouble


def describe(tools: Tools) -> dict[str, Any]:
    """What a worker says of itself when it signs on.

    `encoders` are those that FFmpeg was built with and that, where they need a device, have made
    a few pictures here; they are its `abilities`, by which it is given tasks.

    Raises:
        ToolError: FFmpeg did not answer in time; it may later.
    """
    facts: dict[str, Any] = {
        "adaptation": __version__,
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
    }
    try:
        facts |= versions(tools)
        built_in = listed(tools, "-encoders")
    except ToolError as error:
        if error.retryable:
            raise
        return {**facts, "tools": error.message, "abilities": []}
    # Without a device a dozen trials would fail one after the other: seconds of each start.
    hardware = may_encode_in_hardware()
    encoders = [
        name
        for name, encoder in ENCODERS.items()
        if name in built_in and (not encoder.is_hardware or (hardware and not trouble(name, tools)))
    ]
    return {**facts, "encoders": encoders, "abilities": encoders}
