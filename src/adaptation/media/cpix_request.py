"""What a key server is asked: a CPIX document with key ids and no keys (SPEKE 2.0)."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lxml import etree

from adaptation.errors import SourceError
from adaptation.media.cpix import PIXELS, VERSION, Document, Filter, Rule, write_rules
from adaptation.media.cpix_xml import NAMESPACE, SECRETS, SIGNATURES
from adaptation.media.protection import SYSTEMS, SystemName

ALL = "ALL"
"""The kind of one key for all tracks."""
_NAMES = uuid.UUID("6f6b3f0e-5a0c-5c39-9d5b-7a8a0c2b6b1e")
"""Where key ids come from: whoever encrypts chooses them, the same for the same content."""


@dataclass(frozen=True)
class KeyRequest:
    """Keys of one content."""

    content_id: str
    """What the server knows it by."""
    kinds: Sequence[str]
    """Of tracks with a key each, see `adaptation.media.cpix.KINDS`; empty: one for all."""
    scheme: str
    """How tracks will be encrypted: `cenc`, `cbcs`, or empty for AES-128 of HLS alone."""
    systems: Sequence[SystemName]
    """Whose players are to be told of the keys."""
    certificate: bytes = b""
    """For whom keys may be encrypted, DER; empty: they come in the clear."""

    @property
    def key_ids(self) -> Mapping[str, bytes]:
        """By kind."""
        return {
            kind: uuid.uuid5(_NAMES, f"{self.content_id}/{kind}").bytes
            for kind in self.kinds or (ALL,)
        }

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Which tracks each key is for."""
        return tuple(_rule(kind, key_id) for kind, key_id in self.key_ids.items())

    def text(self) -> bytes:
        """The document."""
        space: dict[str, str] = {None: NAMESPACE, "pskc": SECRETS, "ds": SIGNATURES}  # type: ignore[dict-item]  # None is the default one
        root = etree.Element(f"{{{NAMESPACE}}}CPIX", nsmap=space, version=VERSION)
        root.set("contentId", self.content_id)
        if self.certificate:
            _write_recipient(root, self.certificate)
        keys = etree.SubElement(root, f"{{{NAMESPACE}}}ContentKeyList")
        systems = etree.SubElement(root, f"{{{NAMESPACE}}}DRMSystemList")
        for key_id in self.key_ids.values():
            kid = str(uuid.UUID(bytes=key_id))
            key = etree.SubElement(keys, f"{{{NAMESPACE}}}ContentKey", kid=kid)
            if self.scheme:
                key.set("commonEncryptionScheme", self.scheme)
            for name in self.systems:
                _write_system(systems, kid, name)
        write_rules(root, self.rules)
        return etree.tostring(root, xml_declaration=True, encoding="UTF-8")

    def answered(self, document: Document) -> Document:
        """An answer, of which only what was asked for counts.

        Raises:
            SourceError: `key_server_answer`, it is for another content, or lacks a key.
        """
        if document.content_id not in {"", self.content_id}:
            raise _unusable(f"it is for {document.content_id!r:.100}")
        known = {key.key_id for key in document.keys}
        for kind, key_id in self.key_ids.items():
            if key_id not in known:
                raise _unusable(f"it has no key for {kind}, {uuid.UUID(bytes=key_id)}")
        asked = set(self.key_ids.values())
        keys = tuple(key for key in document.keys if key.key_id in asked)
        systems = tuple(one for one in document.systems if one.key_id in asked)
        return replace(document, keys=keys, systems=systems, rules=_used(self.rules))


def _rule(kind: str, key_id: bytes) -> Rule:
    """As SPEKE wants it, with filters; what the kind alone means here says the same."""
    if kind == ALL:
        return Rule(key_id, ALL, (Filter("VideoFilter"), Filter("AudioFilter")))
    if kind == "AUDIO":
        return Rule(key_id, kind, (Filter("AudioFilter"),))
    least, most = PIXELS.get(kind, (0, None))
    bounds = [("minPixels", least)] if least else []
    bounds += [("maxPixels", most)] if most else []
    return Rule(key_id, kind, (Filter("VideoFilter", tuple(bounds)),))


def _used(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    return tuple(Rule(rule.key_id) if rule.kind == ALL else rule for rule in rules)


def _write_recipient(root: etree._Element, certificate: bytes) -> None:
    listed = etree.SubElement(root, f"{{{NAMESPACE}}}DeliveryDataList")
    delivery = etree.SubElement(listed, f"{{{NAMESPACE}}}DeliveryData")
    key = etree.SubElement(delivery, f"{{{NAMESPACE}}}DeliveryKey")
    held = etree.SubElement(key, f"{{{SIGNATURES}}}X509Data")
    text = base64.b64encode(certificate).decode()
    etree.SubElement(held, f"{{{SIGNATURES}}}X509Certificate").text = text


def _write_system(systems: etree._Element, kid: str, name: SystemName) -> None:
    """Empty elements ask for what players of HLS and DASH are to be told."""
    element = etree.SubElement(systems, f"{{{NAMESPACE}}}DRMSystem", kid=kid)
    element.set("systemId", str(SYSTEMS[name]))
    if name not in {"fairplay", "aes"}:
        etree.SubElement(element, f"{{{NAMESPACE}}}PSSH")
        etree.SubElement(element, f"{{{NAMESPACE}}}ContentProtectionData")
    etree.SubElement(element, f"{{{NAMESPACE}}}HLSSignalingData", playlist="media")


def _unusable(what: str) -> SourceError:
    return SourceError(
        f"the key server's answer cannot be used: {what}",
        code="key_server_answer",
        hint="Ask who runs the key server: it must answer with the key ids and the content id that"
        " it was asked for.",
    )
