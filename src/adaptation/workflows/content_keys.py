"""Where content keys come from: the request, a client's defaults, a document, or a key server."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from adaptation.context import Context
from adaptation.errors import SourceError
from adaptation.media.asset import Asset
from adaptation.media.cpix import ContentKey, Document, Rule, read_cpix
from adaptation.media.cpix_delivery import Recipient
from adaptation.media.cpix_request import KeyRequest
from adaptation.media.cpix_xml import MOST_BYTES
from adaptation.workflows.drm_parameters import RawKey, copies_of, wanted_systems
from adaptation.workflows.material import file_state
from adaptation.workflows.parameters import is_web
from adaptation.workflows.resources import Run


def document_of(context: Context, asset: Asset, run: Run) -> Document | None:
    """The keys of a job: of a document, else those that are given, else those of a key server.

    Raises:
        SourceError: `cpix_invalid`, `cpix_encrypted`, `cpix_untrusted`, `key_server_answer`, and
            as `fetch`, `file_state` and `ask_key_server`.
        SettingsError: `cpix_key_file`.
        Transient, Cancelled: as `fetch` and `ask_key_server`.
    """
    if context["cpix"] and context["download_cpix"]:
        return _read(_downloaded(context["download_cpix"], run), run)
    given = [] if context["cpix"] else _given(context)
    if context["key_server"] and not given:
        return _asked(context, asset, run)
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


def _read(content: bytes, run: Run) -> Document:
    """A document whose keys may be encrypted for this deployment."""
    files = run.resources.key_files
    identity = files.identity()
    recipient = Recipient(*identity) if identity else None
    return read_cpix(content, recipient, files.signers())


def _asked(context: Context, asset: Asset, run: Run) -> Document:
    """Keys of a server; the client's `content_id` says which, or the asset's id."""
    from adaptation.adapters.key_server import ask_key_server

    identity = run.resources.key_files.identity()
    copies = copies_of(wanted_systems(context["drm"]))
    request = KeyRequest(
        content_id=str(context.get("content_id") or asset.asset_id),
        kinds=context["key_server_labels"],
        scheme=next((scheme for scheme in copies if scheme != "aes128"), ""),
        systems=[name for systems in copies.values() for name in systems],
        certificate=identity.certificate if identity else b"",
    )
    answer = ask_key_server(
        context["key_server"],
        request.text(),
        context["key_server_secret"],
        most_bytes=MOST_BYTES,
        policy=run.resources.policy.granting(run.claim.limits),
        cancelled=run.cancelled,
    )
    run.log(f"a key server gave keys for {request.content_id}")
    return request.answered(_read(answer, run))


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
