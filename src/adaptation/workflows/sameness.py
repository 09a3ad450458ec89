"""Requests for a ladder: which ask for the same work, and which can do none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adaptation.errors import SourceError
from adaptation.workflows.encoding import NAME
from adaptation.workflows.parameters import MEASURE, is_web
from adaptation.workflows.storage_places import storage_place


def fingerprint(checked: Mapping[str, Any], client: str) -> str:
    """Equal for requests of one client that would do the same work."""
    # An asset that is there is measured, not encoded once more.
    parameters = {name: value for name, value in checked.items() if name != MEASURE}
    identity: dict[str, Any] = {"workflow": NAME, "parameters": parameters}
    identity |= {"client": client} if client else {}
    if not is_web(checked["url"]) and (path := Path(checked["url"])).exists():
        facts = path.stat()
        identity["source"] = [facts.st_size, facts.st_mtime_ns]
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def check_source(url: str) -> None:
    """Refuse at once a local source that is not there.

    Raises:
        SourceError: `source_missing`.
    """
    if not is_web(url) and not storage_place(url) and not Path(url).is_file():
        raise SourceError(
            f"there is no file {url}",
            code="source_missing",
            hint="Check the path; folders are not sources.",
        )
