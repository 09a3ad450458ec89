"""`adaptation cache`: what is kept of encoded chunks to be reused, and how to be rid of it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from cyclopts import Parameter

from adaptation.adapters.chunk_cache import Usage
from adaptation.cli import output
from adaptation.errors import SettingsError
from adaptation.opening import Opening
from adaptation.settings import load_settings


def cache(
    *,
    clear: bool = False,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Tell what the cache of encoded chunks holds, or empty it.

    A chunk that was encoded before from the same source, in the same way and by the same tools is
    taken from there. ADAPTATION_CHUNK_CACHE gives it room, such as 20GB; without, none is kept.

    Args:
        clear: Remove all entries; jobs that run are not harmed.
        as_json: Print one JSON object; sizes are bytes.
    """
    settings = load_settings()
    folder, room = settings.chunk_cache_root, settings.chunk_cache
    chunks = Opening(settings).chunk_cache
    try:
        removed = chunks.clear() if clear else None
        usage = chunks.usage()
    except OSError as error:
        raise SettingsError(
            f"the cache of chunks in {folder} cannot be used: {error.strerror or error}",
            code="chunk_cache_unusable",
            hint="Check the folder's permissions, or name another: ADAPTATION_CHUNK_CACHE_FOLDER.",
        ) from error
    if as_json:
        facts = {"folder": str(folder), "room_bytes": room, **_document(usage)}
        output.document(facts | ({"removed": _document(removed)} if removed else {}))
        return
    if removed:
        output.data(f"removed  {removed.entries} entries, {output.size(removed.used_bytes)}")
    output.data(f"folder   {folder}")
    output.data(
        f"room     {output.size(room) if room else 'none: ADAPTATION_CHUNK_CACHE gives it some'}"
    )
    output.data(f"used     {output.size(usage.used_bytes)} in {usage.entries} entries")
    if usage.oldest_use and usage.newest_use:
        output.data(
            f"last use {_moment(usage.newest_use)}, of the oldest {_moment(usage.oldest_use)}"
        )


def _document(usage: Usage) -> dict[str, Any]:
    return {
        name: value.isoformat(timespec="seconds") if isinstance(value, datetime) else value
        for name, value in asdict(usage).items()
    }


def _moment(time: datetime) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M}"
