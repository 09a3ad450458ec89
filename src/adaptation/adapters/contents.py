"""What is in a media file that need not have a picture: its streams and their packets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adaptation.adapters.ffmpeg import probe
from adaptation.adapters.inputs import refuse_codecs
from adaptation.adapters.process import OnLine
from adaptation.adapters.tools import Tools


def streams(path: Path, tools: Tools) -> Mapping[str, Any]:
    """The headers of a file: ffprobe's `format` and `streams`.

    Raises:
        SourceError: `source_unreadable`, `source_format_refused`.
    """
    printed = probe(path, tools, ["-of", "json", "-show_format", "-show_streams"], None)
    document: Mapping[str, Any] = json.loads(printed.stdout or "{}")
    refuse_codecs(document, path.name)
    return document


def read_packets(path: Path, tools: Tools, on_line: OnLine) -> None:
    """Read all packets of a file.

    Args:
        path: of the file.
        tools: where ffprobe is.
        on_line: gets `stream_index,pts_time,duration_time,flags` of each, times in seconds.

    Raises:
        SourceError: as `streams`.
    """
    entries = "packet=stream_index,pts_time,duration_time,flags"
    probe(path, tools, ["-of", "csv=p=0", "-show_entries", entries], on_line)
