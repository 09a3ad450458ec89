"""Answers a file, or the part of it that was asked for (RFC 9110 §13 and §14)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager

from anyio import CancelScope
from anyio.to_thread import run_sync
from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from adaptation.adapters.made_files import MadeFile

PIECE_BYTES = 1 << 20
"""Read at once; of a storage that is one request."""
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
"""One range. Several at a time may be answered by the whole file, as is done here."""


async def ranged(
    request: Request,
    opening: AbstractContextManager[MadeFile],
    media_type: str,
    headers: dict[str, str],
) -> Response:
    """Answer a file, open until all of it that is wanted was sent or nobody listens any more.

    Args:
        request: whose headers Range, If-Range and If-None-Match count.
        opening: opens the file.
        media_type: of the file.
        headers: of every answer.

    Raises:
        AdaptationError: it cannot be opened.
    """
    file = await run_sync(opening.__enter__)
    try:
        answer = _answer(request, file, headers)
        if answer is None:
            return _body(request, opening, file, media_type, headers)
    except BaseException:
        await _closed(opening)
        raise
    await _closed(opening)
    return answer


def _answer(request: Request, file: MadeFile, headers: dict[str, str]) -> Response | None:
    """The answer where there is no body; None: there is one."""
    if f'"{file.etag}"' in request.headers.get("if-none-match", "").split(", "):
        return Response(status_code=304, headers={**headers, **_known(file)})
    if _span(request, file) == (0, 0):
        beyond = {"Content-Range": f"bytes */{file.size_bytes}"}
        return Response(status_code=416, headers={**headers, **beyond})
    return None


def _body(
    request: Request,
    opening: AbstractContextManager[MadeFile],
    file: MadeFile,
    media_type: str,
    headers: dict[str, str],
) -> Response:
    span = _span(request, file)
    first, end = span or (0, file.size_bytes)
    known = {**headers, **_known(file), "Content-Length": str(end - first)}
    if span:
        known["Content-Range"] = f"bytes {first}-{end - 1}/{file.size_bytes}"
    if request.method == "HEAD":
        end = first
    return StreamingResponse(
        _pieces(opening, file, first, end), 206 if span else 200, known, media_type
    )


async def _pieces(
    opening: AbstractContextManager[MadeFile], file: MadeFile, first: int, end: int
) -> AsyncIterator[bytes]:
    try:
        await run_sync(file.stream.seek, first)
        while first < end:
            piece = await run_sync(file.stream.read, min(PIECE_BYTES, end - first))
            if not piece:
                return
            first += len(piece)
            yield piece
    finally:
        await _closed(opening)


async def _closed(opening: AbstractContextManager[MadeFile]) -> None:
    # Also when nobody listens any more, which ends whatever waits here.
    with CancelScope(shield=True):
        await run_sync(opening.__exit__, None, None, None)


def _known(file: MadeFile) -> dict[str, str]:
    return {"Accept-Ranges": "bytes", **({"ETag": f'"{file.etag}"'} if file.etag else {})}


def _span(request: Request, file: MadeFile) -> tuple[int, int] | None:
    """First byte and the one behind the last; (0, 0): nothing of the file; None: all of it."""
    found = _RANGE.fullmatch(request.headers.get("range", "").strip())
    condition = request.headers.get("if-range", f'"{file.etag}"')
    if found is None or found[0] == "bytes=-" or condition != f'"{file.etag}"':
        return None
    size = file.size_bytes
    if not found[1]:
        return (max(0, size - int(found[2])), size) if int(found[2]) and size else (0, 0)
    first, last = int(found[1]), int(found[2]) if found[2] else size - 1
    if last < first <= size - 1:
        return None
    return (first, min(last, size - 1) + 1) if first < size else (0, 0)
