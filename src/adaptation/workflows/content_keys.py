"""Where content keys come from: the request, a client's own defaults, or a CPIX document."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from adaptation.context import Context
from adaptation.errors import SourceError
from adaptation.media.cpix import MOST_BYTES, ContentKey, Document, Rule, read_cpix
from adaptation.workflows.drm_parameters import RawKey
from adaptation.workflows.material import file_state
from adaptation.workflows.parameters import is_web
from adaptation.workflows.resources import Run


def document_of(context: Context, run: Run) -> Document | None:
    """The keys of a job, by its parameters `cpix`, `download_cpix` and `content_keys`.

    Raises:
        SourceError: `cpix_invalid`, `cpix_encrypted`, and as `fetch` and `file_state`.
        Transient, Cancelled: as `fetch`.
    """
    if context["cpix"]:
        return read_cpix(_downloaded(context["download_cpix"], run))
    given = _given(context)
    if not given:
        return None
    return Document(
        keys=tuple(
            ContentKey(
                bytes.fromhex(one.key_id),
                bytes.fromhex(one.key),
                bytes.fromhex(one.iv) if one.iv else None,
            )
            for one in given
        ),
        rules=tuple(Rule(bytes.fromhex(one.key_id), one.label or "") for one in given),
    )


def _given(context: Context) -> list[RawKey]:
    """Keys that the parameters hold; the old spelling of one counts beside the others."""
    pair: dict[str, Any] = {}
    if context["playready_key"]:
        key_id, _, key = context["playready_key"].partition(":")
        pair = {"key_id": UUID(key_id).hex, "key": key}
    return [RawKey(**one) for one in [*context["content_keys"], *([pair] if pair else [])]]


def _downloaded(address: str, run: Run) -> bytes:
    """A document with keys: it lies nowhere but in this attempt's own scratch, for a moment."""
    if not is_web(address):
        file_state(Context(url=address), run)
        try:
            with Path(address).open("rb") as stream:
                return stream.read(MOST_BYTES + 1)
        except OSError as error:
            raise SourceError(
                f"{Path(address).name} cannot be read: {error.strerror}",
                code="source_missing",
                hint="Check the path; every worker must be able to read it.",
            ) from error
    from adaptation.adapters.web import fetch

    target = run.scratch / "document"
    try:
        fetch(
            address,
            target,
            policy=run.resources.policy.granting(run.claim.limits),
            total_seconds=run.resources.fetch_seconds,
            most_bytes=MOST_BYTES,
            cancelled=run.cancelled,
        )
        return target.read_bytes()
    finally:
        target.unlink(missing_ok=True)
