"""Content keys and which track has which: CPIX documents, read and written (DASH-IF CPIX 2.3)."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from uuid import UUID

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from lxml import etree

from adaptation.errors import ParameterError
from adaptation.media.cpix_delivery import Recipient, opener
from adaptation.media.cpix_signature import Signers, prove_signed
from adaptation.media.cpix_xml import NAMESPACE, SECRETS, decoded, invalid, listed, read_root
from adaptation.media.index import Track

VERSION = "2.3"
KEY_BYTES = 16
PIXELS = {
    "SD": (0, 768 * 576),
    "HD": (768 * 576 + 1, 1920 * 1080),
    "UHD": (1920 * 1080 + 1, None),
    "UHD1": (1920 * 1080 + 1, 4096 * 2160),
    "UHD2": (4096 * 2160 + 1, None),
}
"""The least and the most pixels of a picture of that kind, as Shaka Packager sorts them."""
ANY_TRACK = "ALL"
"""What a document says of a key for all tracks."""
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

    @property
    def check(self) -> bytes:
        """8 bytes that tell keys of one id apart, and nothing else of them.

        As in the CHECKSUM of PlayReady's header: the id, encrypted by the key.
        """
        # One block: there is nothing for a mode to hide.
        cipher = Cipher(algorithms.AES128(self.key), modes.ECB()).encryptor()  # noqa: S305
        return cipher.update(self.key_id)[:8]


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
    """Of each name one must fit; those of pictures and of sound count as one name."""

    @property
    def is_general(self) -> bool:
        """Whether it is for any track."""
        return not self.kind and not self.filters

    def fits(self, track: Track) -> bool:
        """Whether it is for this track."""
        if not self.filters:
            return _is_of_kind(track, self.kind)
        # SPEKE says by a filter for pictures beside one for sound that a key is for both.
        rates = [one for one in self.filters if one.name == "BitrateFilter"]
        media = [one for one in self.filters if one.name != "BitrateFilter"]
        return all(any(_keeps(track, one) for one in same) for same in (rates, media) if same)


@dataclass(frozen=True)
class Document:
    """Keys, what is told of them, and what they are for."""

    keys: tuple[ContentKey, ...]
    systems: tuple[DrmSystem, ...] = ()
    rules: tuple[Rule, ...] = ()
    is_told: bool = field(default=False, compare=False)
    """Whether somebody else says what players are told, in `systems`."""
    content_id: str = field(default="", compare=False)
    """What it is for; empty: it does not say."""

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


def read_cpix(
    content: bytes, recipient: Recipient | None = None, signers: Signers = ()
) -> Document:
    """Read a document.

    Args:
        content: XML.
        recipient: for whom keys may be encrypted.
        signers: one of these must have signed all that is read; empty: signatures do not matter.

    Raises:
        SourceError: `cpix_invalid`, names the element; `cpix_encrypted`; `cpix_untrusted`.
    """
    root = read_root(content)
    if signers:
        prove_signed(root, signers)
    keys = _keys(root, recipient)
    if not keys:
        raise invalid("ContentKeyList", "it has no key")
    known = {key.key_id for key in keys}
    if len(known) != len(keys):
        raise invalid("ContentKeyList", "it has a key id twice")
    systems = tuple(_system(element, known) for element in listed(root, "DRMSystem"))
    rules = tuple(_rule(element, known) for element in listed(root, "ContentKeyUsageRule"))
    return Document(keys, systems, rules, is_told=True, content_id=root.get("contentId", ""))


def cpix_text(document: Document) -> bytes:
    """Write a document that `read_cpix` reads back."""
    space: dict[str, str] = {None: NAMESPACE, "pskc": SECRETS}  # type: ignore[dict-item]  # as above
    root = etree.Element(f"{{{NAMESPACE}}}CPIX", nsmap=space, version=VERSION)
    _write_keys(root, document.keys)
    _write_systems(root, document.systems)
    write_rules(root, document.rules)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _keys(root: etree._Element, recipient: Recipient | None) -> tuple[ContentKey, ...]:
    elements = listed(root, "ContentKey")
    is_sealed = any(one.find(f".//{{{SECRETS}}}EncryptedValue") is not None for one in elements)
    opened = opener(root, recipient).opened if is_sealed else None
    return tuple(_key(one, opened) for one in elements)


def _key(element: etree._Element, opened: Callable[[etree._Element], bytes] | None) -> ContentKey:
    key_id = _id(element, "kid").bytes
    secret = element.find(f"{{{NAMESPACE}}}Data/{{{SECRETS}}}Secret")
    if opened is not None and secret is not None:
        name, key = "EncryptedValue", opened(secret)
    else:
        plain = f"{{{NAMESPACE}}}Data/{{{SECRETS}}}Secret/{{{SECRETS}}}PlainValue"
        name, key = "PlainValue", decoded(element.findtext(plain), "PlainValue")
    iv = element.get("explicitIV")
    chosen = None if iv is None else decoded(iv, "explicitIV")
    if len(key) != KEY_BYTES:
        raise invalid(name, f"the key has {len(key)} bytes instead of {KEY_BYTES}")
    if chosen is not None and len(chosen) != KEY_BYTES:
        raise invalid("explicitIV", f"it has {len(chosen)} bytes instead of {KEY_BYTES}")
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
        pssh=decoded(element.findtext(f"{{{NAMESPACE}}}PSSH", ""), "PSSH"),
        content_protection=_text_in(element, "ContentProtectionData"),
        hls_lines="".join(lines),
        hls_uri=_text_in(element, "URIExtXKey"),
    )


def _text_in(element: etree._Element, name: str) -> str:
    found = element.find(f"{{{NAMESPACE}}}{name}")
    return "" if found is None else _coded_text(found, name)


def _coded_text(element: etree._Element, name: str) -> str:
    try:
        return decoded(element.text, name).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise invalid(name, "it is not in UTF-8") from error


def _rule(element: etree._Element, known: set[bytes]) -> Rule:
    filters = list[Filter]()
    for child in element.iterchildren(tag=etree.Element):
        name = etree.QName(child).localname
        if name not in _RANGES:
            raise invalid("ContentKeyUsageRule", f"the filter {name:.40} is not understood")
        filters.append(_filter(name, child))
    kind = element.get("intendedTrackType", "").upper()
    kind = "" if kind == ANY_TRACK else kind
    if not filters and kind and kind not in KINDS:
        raise invalid("ContentKeyUsageRule", f"the track type {kind:.40} is not understood")
    return Rule(_known_id(element, known), kind, tuple(filters))


def _filter(name: str, element: etree._Element) -> Filter:
    bounds = list[tuple[str, int]]()
    for attribute, value in element.attrib.items():
        if str(attribute) not in _RANGES[name] or not _WHOLE.fullmatch(str(value)):
            raise invalid(name, f"{attribute!s:.40} is not understood")
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
        raise invalid(etree.QName(element).localname, "it is of a key that is not listed")
    return key_id


def _id(element: etree._Element, name: str) -> UUID:
    try:
        return UUID(element.get(name, ""))
    except ValueError as error:
        raise invalid(etree.QName(element).localname, f"its {name} is no UUID") from error


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


def write_rules(root: etree._Element, rules: Sequence[Rule]) -> None:
    """Add `ContentKeyUsageRuleList` to a document."""
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
