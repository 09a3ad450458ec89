"""Content keys and which track has which: CPIX documents, read and written (DASH-IF CPIX 2.3)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from uuid import UUID

from lxml import etree

from adaptation.errors import ParameterError, SourceError
from adaptation.media.index import Track

NAMESPACE = "urn:dashif:org:cpix"
SECRETS = "urn:ietf:params:xml:ns:keyprov:pskc"
"""Namespace of what holds a key, RFC 6030."""
VERSION = "2.3"
KEY_BYTES = 16
MOST_BYTES = 1024 * 1024
"""The largest document that is read."""
PIXELS = {
    "SD": (0, 768 * 576),
    "HD": (768 * 576 + 1, 1920 * 1080),
    "UHD": (1920 * 1080 + 1, None),
    "UHD1": (1920 * 1080 + 1, 4096 * 2160),
    "UHD2": (4096 * 2160 + 1, None),
}
"""The least and the most pixels of a picture of that kind, as Shaka Packager sorts them."""
KINDS = ("AUDIO", "VIDEO", *PIXELS)
"""What a key may be meant for."""
_RANGES = {
    "VideoFilter": {"minPixels", "maxPixels", "minFps", "maxFps"},
    "AudioFilter": {"minChannels", "maxChannels"},
    "BitrateFilter": {"minBitrate", "maxBitrate"},
}
"""The filters that are understood, each with its bounds."""
_WHOLE = re.compile(r"\d{1,15}")


@dataclass(frozen=True)
class ContentKey:
    """A key, by its id."""

    key_id: bytes
    """16 bytes."""
    key: bytes = field(repr=False)
    """16 bytes, secret."""
    iv: bytes | None = None
    """16 bytes, of `cbcs`; none: one is chosen."""


@dataclass(frozen=True)
class DrmSystem:
    """What players of a DRM system are told of a key, instead of what is told by default."""

    key_id: bytes
    system_id: UUID
    pssh: bytes = b""
    """Whole boxes."""
    content_protection: str = ""
    """XML that stands in DASH's `ContentProtection`."""
    hls_lines: str = ""
    """Lines of a media playlist."""
    hls_uri: str = ""
    """Address in `EXT-X-KEY`."""


@dataclass(frozen=True)
class Filter:
    """Bounds of what a rule is for; a track must keep to all of them."""

    name: str
    """Of CPIX: `VideoFilter`, `AudioFilter` or `BitrateFilter`."""
    bounds: tuple[tuple[str, int], ...] = ()
    """Attributes such as `maxPixels` with their numbers."""


@dataclass(frozen=True)
class Rule:
    """Which tracks a key is for."""

    key_id: bytes
    kind: str = ""
    """One of `KINDS`; counts when there are no filters. Empty: for any track."""
    filters: tuple[Filter, ...] = ()
    """Of each name one must fit."""

    @property
    def is_general(self) -> bool:
        """Whether it is for any track."""
        return not self.kind and not self.filters

    def fits(self, track: Track) -> bool:
        """Whether it is for this track."""
        if not self.filters:
            return _is_of_kind(track, self.kind)
        names = {one.name for one in self.filters}
        return all(
            any(_keeps(track, one) for one in self.filters if one.name == name) for name in names
        )


@dataclass(frozen=True)
class Document:
    """Keys, what is told of them, and what they are for."""

    keys: tuple[ContentKey, ...]
    systems: tuple[DrmSystem, ...] = ()
    rules: tuple[Rule, ...] = ()

    def key_of(self, track: Track) -> ContentKey:
        """The key of a track: by a rule that says what it is for, else by one for any track.

        Raises:
            ParameterError: `content_key_missing`, there is none, or there are several.
        """
        known = {key.key_id: key for key in self.keys}
        rules = self.rules or tuple(Rule(key.key_id) for key in self.keys)
        fitting = {rule.key_id for rule in rules if not rule.is_general and rule.fits(track)}
        fitting = fitting or {rule.key_id for rule in rules if rule.is_general}
        if len(fitting) != 1:
            several = ", ".join(sorted(key_id.hex() for key_id in fitting))
            raise ParameterError(
                f"track {track.name} has {f'several keys: {several}' if several else 'no key'}",
                code="content_key_missing",
                hint="Give one key for each track: by its label, or by the usage rules of CPIX.",
            )
        return known[fitting.pop()]


def read_cpix(content: bytes) -> Document:
    """Read a document with keys in the clear.

    Raises:
        SourceError: `cpix_invalid`, names the element; `cpix_encrypted`.
    """
    root = _root(content)
    if root.find(f"{{{NAMESPACE}}}DeliveryDataList") is not None:
        raise _encrypted()
    keys = tuple(map(_key, _listed(root, "ContentKey")))
    if not keys:
        raise _invalid("ContentKeyList", "it has no key")
    known = {key.key_id for key in keys}
    if len(known) != len(keys):
        raise _invalid("ContentKeyList", "it has a key id twice")
    systems = tuple(_system(element, known) for element in _listed(root, "DRMSystem"))
    rules = tuple(_rule(element, known) for element in _listed(root, "ContentKeyUsageRule"))
    return Document(keys, systems, rules)


def cpix_text(document: Document) -> bytes:
    """Write a document that `read_cpix` reads back."""
    space: dict[str, str] = {None: NAMESPACE, "pskc": SECRETS}  # type: ignore[dict-item]  # as above
    root = etree.Element(f"{{{NAMESPACE}}}CPIX", nsmap=space, version=VERSION)
    _write_keys(root, document.keys)
    _write_systems(root, document.systems)
    _write_rules(root, document.rules)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _root(content: bytes) -> etree._Element:
    if len(content) > MOST_BYTES:
        raise _invalid("document", f"it has more than {MOST_BYTES:,} bytes")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise _invalid("document", "it is no XML") from error
    if etree.ElementTree(root).docinfo.internalDTD is not None:
        raise _invalid("document", "it declares a document type")
    if root.tag != f"{{{NAMESPACE}}}CPIX":
        raise _invalid("document", "its root is not CPIX")
    return root


def _listed(root: etree._Element, name: str) -> list[etree._Element]:
    return list(root.iterfind(f"{{{NAMESPACE}}}{name}List/{{{NAMESPACE}}}{name}"))


def _key(element: etree._Element) -> ContentKey:
    key_id = _id(element, "kid").bytes
    secret = f"{{{NAMESPACE}}}Data/{{{SECRETS}}}Secret/{{{SECRETS}}}"
    if element.find(f"{secret}EncryptedValue") is not None:
        raise _encrypted()
    key = _decoded(element.findtext(f"{secret}PlainValue"), "PlainValue")
    iv = element.get("explicitIV")
    chosen = None if iv is None else _decoded(iv, "explicitIV")
    if len(key) != KEY_BYTES:
        raise _invalid("PlainValue", f"the key has {len(key)} bytes instead of {KEY_BYTES}")
    if chosen is not None and len(chosen) != KEY_BYTES:
        raise _invalid("explicitIV", f"it has {len(chosen)} bytes instead of {KEY_BYTES}")
    return ContentKey(key_id, key, chosen)


def _system(element: etree._Element, known: set[bytes]) -> DrmSystem:
    lines = [
        _coded_text(one, "HLSSignalingData")
        for one in element.iterfind(f"{{{NAMESPACE}}}HLSSignalingData")
        if one.get("playlist", "media") == "media"
    ]
    return DrmSystem(
        key_id=_known_id(element, known),
        system_id=_id(element, "systemId"),
        pssh=_decoded(element.findtext(f"{{{NAMESPACE}}}PSSH", ""), "PSSH"),
        content_protection=_text_in(element, "ContentProtectionData"),
        hls_lines="".join(lines),
        hls_uri=_text_in(element, "URIExtXKey"),
    )


def _text_in(element: etree._Element, name: str) -> str:
    found = element.find(f"{{{NAMESPACE}}}{name}")
    return "" if found is None else _coded_text(found, name)


def _coded_text(element: etree._Element, name: str) -> str:
    try:
        return _decoded(element.text, name).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _invalid(name, "it is not in UTF-8") from error


def _rule(element: etree._Element, known: set[bytes]) -> Rule:
    filters = list[Filter]()
    for child in element.iterchildren(tag=etree.Element):
        name = etree.QName(child).localname
        if name not in _RANGES:
            raise _invalid("ContentKeyUsageRule", f"the filter {name:.40} is not understood")
        filters.append(_filter(name, child))
    kind = element.get("intendedTrackType", "").upper()
    if not filters and kind and kind not in KINDS:
        raise _invalid("ContentKeyUsageRule", f"the track type {kind:.40} is not understood")
    return Rule(_known_id(element, known), kind, tuple(filters))


def _filter(name: str, element: etree._Element) -> Filter:
    bounds = list[tuple[str, int]]()
    for attribute, value in element.attrib.items():
        if str(attribute) not in _RANGES[name] or not _WHOLE.fullmatch(str(value)):
            raise _invalid(name, f"{attribute!s:.40} is not understood")
        bounds.append((str(attribute), int(value)))
    return Filter(name, tuple(bounds))


def _is_of_kind(track: Track, kind: str) -> bool:
    if kind in {"AUDIO", "VIDEO"}:
        return track.kind == kind.lower()
    least, most = PIXELS[kind]
    pixels = track.width * track.height
    return track.kind == "video" and least <= pixels and (most is None or pixels <= most)


def _keeps(track: Track, one: Filter) -> bool:
    if one.name != "BitrateFilter" and one.name != f"{track.kind.title()}Filter":
        return False
    facts: dict[str, int | Fraction] = {
        "Pixels": track.width * track.height,
        "Fps": track.frame_rate,
        "Channels": track.channels,
        "Bitrate": track.average_bandwidth,
    }
    return all(
        facts[name[3:]] >= bound if name.startswith("min") else facts[name[3:]] <= bound
        for name, bound in one.bounds
    )


def _known_id(element: etree._Element, known: set[bytes]) -> bytes:
    key_id = _id(element, "kid").bytes
    if key_id not in known:
        raise _invalid(etree.QName(element).localname, "it is of a key that is not listed")
    return key_id


def _id(element: etree._Element, name: str) -> UUID:
    try:
        return UUID(element.get(name, ""))
    except ValueError as error:
        raise _invalid(etree.QName(element).localname, f"its {name} is no UUID") from error


def _decoded(text: str | None, name: str) -> bytes:
    try:
        return base64.b64decode("".join((text or "").split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid(name, "it is not in Base64") from error


def _write_keys(root: etree._Element, keys: Sequence[ContentKey]) -> None:
    listed = etree.SubElement(root, f"{{{NAMESPACE}}}ContentKeyList")
    for key in keys:
        element = etree.SubElement(listed, f"{{{NAMESPACE}}}ContentKey", kid=_uuid(key.key_id))
        if key.iv is not None:
            element.set("explicitIV", _base64(key.iv))
        data = etree.SubElement(element, f"{{{NAMESPACE}}}Data")
        secret = etree.SubElement(data, f"{{{SECRETS}}}Secret")
        etree.SubElement(secret, f"{{{SECRETS}}}PlainValue").text = _base64(key.key)


def _write_systems(root: etree._Element, systems: Sequence[DrmSystem]) -> None:
    listed = etree.SubElement(root, f"{{{NAMESPACE}}}DRMSystemList")
    for system in systems:
        element = etree.SubElement(listed, f"{{{NAMESPACE}}}DRMSystem", kid=_uuid(system.key_id))
        element.set("systemId", str(system.system_id))
        told = {
            "PSSH": system.pssh,
            "ContentProtectionData": system.content_protection.encode(),
            "HLSSignalingData": system.hls_lines.encode(),
            "URIExtXKey": system.hls_uri.encode(),
        }
        for name, content in told.items():
            if content:
                etree.SubElement(element, f"{{{NAMESPACE}}}{name}").text = _base64(content)


def _write_rules(root: etree._Element, rules: Sequence[Rule]) -> None:
    listed = etree.SubElement(root, f"{{{NAMESPACE}}}ContentKeyUsageRuleList")
    for rule in rules:
        name = f"{{{NAMESPACE}}}ContentKeyUsageRule"
        element = etree.SubElement(listed, name, kid=_uuid(rule.key_id))
        if rule.kind:
            element.set("intendedTrackType", rule.kind)
        for one in rule.filters:
            bounds = {bound: str(number) for bound, number in one.bounds}
            etree.SubElement(element, f"{{{NAMESPACE}}}{one.name}", bounds)


def _uuid(key_id: bytes) -> str:
    return str(UUID(bytes=key_id))


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _invalid(element: str, what: str) -> SourceError:
    return SourceError(
        f"the CPIX document cannot be used: {element}: {what}",
        code="cpix_invalid",
        hint="Ask the key server for a document by CPIX 2.3 with 128-bit keys.",
    )


def _encrypted() -> SourceError:
    return SourceError(
        "the keys in the CPIX document are encrypted",
        code="cpix_encrypted",
        hint="Ask the key server for keys in the clear, over https.",
    )
