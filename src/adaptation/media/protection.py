"""What players are told of an encrypted track: PSSH boxes, HLS key lines, DASH descriptors."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args
from uuid import UUID

from lxml import etree

from adaptation.errors import ParameterError
from adaptation.media.cpix import DrmSystem
from adaptation.media.cpix_xml import invalid
from adaptation.media.dash import NAMESPACE
from adaptation.media.writing import full_box

Scheme = Literal["cenc", "cbcs", "aes128"]
"""ISO/IEC 23001-7: AES in counter mode, and in chains over one block of ten. RFC 8216: in chains
over whole segments."""
SystemName = Literal["cenc", "widevine", "playready", "fairplay", "aes"]
SYSTEMS: dict[SystemName, UUID] = {
    "cenc": UUID("1077efec-c0b2-4d02-ace3-3c1e52e2fb4b"),
    "widevine": UUID("edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"),
    "playready": UUID("9a04f079-9840-4286-ab92-e65be0885f95"),
    "fairplay": UUID("94ce86fb-07ff-4f43-adb8-93d2fa968ca2"),
    "aes": UUID("81376844-f976-481e-a84e-cc25d39b0b33"),
}
"""Ids of the systems: `cenc` is the common one of the W3C, which ClearKey knows; `aes` the one by
which key servers name AES-128 of HLS."""
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
METHODS: dict[Scheme, str] = {"cenc": "SAMPLE-AES-CTR", "cbcs": "SAMPLE-AES", "aes128": "AES-128"}
"""Of HLS."""
PROTECTED = "urn:mpeg:dash:mp4protection:2011"
COMMON_NAMESPACE = "urn:mpeg:cenc:2013"
PLAYREADY_NAMESPACE = "urn:microsoft:playready"
_PLAYREADY = "http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader"
_KEY_LINES = ("#EXT-X-KEY:", "#EXT-X-SESSION-KEY:")
_WITH_URI = frozenset({"aes", "fairplay"})
"""Systems whose players ask an address of the client's for keys."""


@dataclass(frozen=True)
class Signal:
    """What the players of one system are told of one key."""

    system_id: str
    """UUID."""
    pssh: bytes = b""
    """Whole boxes; FairPlay has none."""
    header: bytes = b""
    """PlayReady's object, which DASH and HLS hold as it is."""
    content: str = ""
    """XML that stands in DASH's descriptor instead of PSSH and header."""
    hls: tuple[str, ...] = ()
    """Lines of a media playlist."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back."""
        coded = {"pssh": self.pssh, "header": self.header}
        texts = {name: base64.b64encode(content).decode() for name, content in coded.items()}
        told = {"system_id": self.system_id, "content": self.content, "hls": list(self.hls)}
        return {**told, **texts}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Signal:
        """Read what `to_json` wrote."""
        coded = {name: base64.b64decode(document[name]) for name in ("pssh", "header")}
        return cls(**{**document, **coded, "hls": tuple(document["hls"])})


@dataclass(frozen=True)
class Protection:
    """How one track is encrypted; nothing of it is secret."""

    scheme: Scheme
    key_id: bytes
    """16 bytes."""
    iv: bytes = b""
    """16 bytes, the same for all samples of `cbcs`; `cenc` has one a sample. In `aes128` for all
    segments; empty: each has its number."""
    signals: tuple[Signal, ...] = ()
    """What is told, a system each."""
    check: bytes = b""
    """8 bytes by which another key of the same id is noticed; empty: of an older copy."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back."""
        signals = [signal.to_json() for signal in self.signals]
        names = {"key_id": self.key_id.hex(), "iv": self.iv.hex()}
        names |= {"check": self.check.hex()} if self.check else {}
        return {"scheme": self.scheme, **names, "signals": signals}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Protection:
        """Read what `to_json` wrote; anything else in the document is left alone."""
        return cls(
            document["scheme"],
            bytes.fromhex(document["key_id"]),
            bytes.fromhex(document["iv"]),
            tuple(map(Signal.from_json, document["signals"])),
            bytes.fromhex(document.get("check", "")),
        )

    def is_by(self, other: Protection) -> bool:
        """Whether a track that is protected like this is what encrypting it like the other gives.

        What players are told does not count.
        """
        known = (self.scheme, self.key_id, self.iv) == (other.scheme, other.key_id, other.iv)
        return known and (self.check == other.check or not self.check)

    def for_systems(
        self, names: Sequence[SystemName], told: Sequence[DrmSystem] = (), key_uri: str = ""
    ) -> Protection:
        """The same track, told to the players of these systems.

        Args:
            names: of systems, in the order they are told; of `aes128` that is `aes` alone.
            told: what a key server wants them to be told, where it says so.
            key_uri: where players of HLS get the key, of `aes` and `fairplay`; empty: as before.

        Raises:
            SourceError: `cpix_invalid`.
            ParameterError: `key_uri_missing`, of `aes` nobody says it.
        """
        ids = {SYSTEMS[name]: name for name in names}
        given = {one.system_id: one for one in told if one.key_id == self.key_id}
        known = {UUID(signal.system_id): signal for signal in self.signals}
        is_apple = "fairplay" in ids.values()
        signals = []
        for system_id, name in ids.items():
            is_told = name in _WITH_URI and key_uri
            usual = None if is_told else known.get(system_id)
            usual = usual or self._usual(name, key_uri, is_apple=is_apple)
            signals.append(self._laid_over(usual, given.get(system_id)))
        if "aes" in names and not all(map(_uri_of, signals[0].hls)):
            raise _no_uri()
        return replace(self, signals=tuple(signals))

    @property
    def pssh(self) -> bytes:
        """All boxes, for the init segment."""
        return b"".join(signal.pssh for signal in self.signals)

    @property
    def key_lines(self) -> tuple[str, ...]:
        """The lines of a media playlist."""
        return tuple(line for signal in self.signals for line in signal.hls)

    def _usual(self, name: SystemName, key_uri: str, *, is_apple: bool) -> Signal:
        system_id = SYSTEMS[name]
        pssh, header = b"", b""
        if name == "cenc":
            data = struct.pack(">I", 1) + self.key_id
            pssh = full_box(b"pssh", 1, 0, system_id.bytes, data, bytes(4))
        elif name not in _WITH_URI:
            header = playready_object(self.scheme, self.key_id) if name == "playready" else b""
            pssh = pssh_box(system_id, header or widevine_data(self.scheme, self.key_id))
        uri, attributes = self._hls_key(name, pssh, header)
        uri = key_uri if name in _WITH_URI and key_uri else uri
        # Beside FairPlay's, players take a line of the common format for one of their own.
        has_line = not (is_apple and name == "cenc")
        lines = (self.key_line(uri, attributes),) if has_line else ()
        return Signal(str(system_id), pssh, header, "", lines)

    def _hls_key(self, name: SystemName, pssh: bytes, header: bytes) -> tuple[str, list[str]]:
        """The address and the other attributes of a key line."""
        plain = "data:text/plain"
        if name == "cenc":
            return f"{plain};base64,{_base64(self.key_id)}", ['KEYFORMAT="identity"']
        if name == "widevine":
            attributes = [f"KEYID=0x{self.key_id.hex()}", f'KEYFORMAT="urn:uuid:{SYSTEMS[name]}"']
            return f"{plain};base64,{_base64(pssh)}", [*attributes, 'KEYFORMATVERSIONS="1"']
        if name == "playready":
            uri = f"{plain};charset=UTF-16;base64,{_base64(header)}"
            return uri, ['KEYFORMAT="com.microsoft.playready"', 'KEYFORMATVERSIONS="1"']
        if name == "aes":
            return "", []
        attributes = ['KEYFORMAT="com.apple.streamingkeydelivery"', 'KEYFORMATVERSIONS="1"']
        return f"skd://{self.key_id.hex()}", attributes

    def key_line(self, uri: str, attributes: Sequence[str]) -> str:
        """A line of HLS, RFC 8216 §4.3.2.4; of `cbcs` Apple's players want the IV."""
        words = [f"METHOD={METHODS[self.scheme]}", f'URI="{uri}"', *attributes]
        if self.iv:
            words.insert(2, f"IV=0x{self.iv.hex()}")
        return f"#EXT-X-KEY:{','.join(words)}"

    def _laid_over(self, usual: Signal, told: DrmSystem | None) -> Signal:
        if told is None:
            return usual
        lines = tuple(line.strip() for line in told.hls_lines.splitlines() if line.strip())
        if not all(line.startswith(_KEY_LINES) and line.isprintable() for line in lines):
            raise invalid("HLSSignalingData", "it holds a line that is no key")
        lines = tuple(line for line in lines if line.startswith(_KEY_LINES[0]))
        uri = told.hls_uri if not lines else ""
        if lines and self.scheme == "aes128":
            # How segments are encrypted is not the server's to say; where keys are is.
            uri = _uri_of(lines[0])
        if uri:
            lines = (_with_uri(usual.hls, uri),)
        content = told.content_protection
        if content:
            _children(content)
        header = _data_of(told.pssh) if usual.header and told.pssh else usual.header
        pssh = told.pssh or usual.pssh
        return Signal(usual.system_id, pssh, header, content, lines or usual.hls)


def pssh_box(system_id: UUID, data: bytes) -> bytes:
    """A `pssh` box of version 0, ISO/IEC 23001-7 §8.1."""
    return full_box(b"pssh", 0, 0, system_id.bytes, struct.pack(">I", len(data)), data)


def widevine_data(scheme: Scheme, key_id: bytes) -> bytes:
    """`WidevinePsshData`, a message of Protocol Buffers: the key id, and the scheme's letters."""
    return bytes((2 << 3 | 2, len(key_id))) + key_id + _scheme_field(scheme)


def _scheme_field(scheme: Scheme) -> bytes:
    number, digits = int.from_bytes(scheme.encode(), "big"), bytearray((9 << 3,))
    while number > 0x7F:
        digits.append(0x80 | number & 0x7F)
        number >>= 7
    return bytes((*digits, number))


def playready_object(scheme: Scheme, key_id: bytes) -> bytes:
    """PlayReady's header in its object: version 4.0 of `cenc`, 4.3 of `cbcs`."""
    name = _base64(UUID(bytes=key_id).bytes_le)
    if scheme == "cenc":
        version = "4.0.0.0"
        protect = "<PROTECTINFO><KEYLEN>16</KEYLEN><ALGID>AESCTR</ALGID></PROTECTINFO>"
        data = f"{protect}<KID>{name}</KID>"
    else:
        version = "4.3.0.0"
        key = f'<KID ALGID="AESCBC" VALUE="{name}"></KID>'
        data = f"<PROTECTINFO><KIDS>{key}</KIDS></PROTECTINFO>"
    root = f'<WRMHEADER xmlns="{_PLAYREADY}" version="{version}">'
    header = f"{root}<DATA>{data}</DATA></WRMHEADER>".encode("utf-16-le")
    return struct.pack("<IHHH", len(header) + 10, 1, 1, len(header)) + header


def protected_manifest(manifest: str, protections: Mapping[str, Protection]) -> str:
    """A DASH manifest with the descriptors of encrypted tracks.

    They stand at the set where all its tracks have the same key, else at each track.

    Args:
        manifest: of the tracks as they are.
        protections: by the tracks' names.
    """
    parser = etree.XMLParser(remove_blank_text=True, resolve_entities=False, no_network=True)
    root = etree.fromstring(manifest.encode(), parser)
    for adaptation_set in root.iter(f"{{{NAMESPACE}}}AdaptationSet"):
        found = {
            one: protections[str(one.get("id"))]
            for one in adaptation_set.iterchildren(f"{{{NAMESPACE}}}Representation")
            if one.get("id") in protections
        }
        same = list(dict.fromkeys(found.values()))
        places = {adaptation_set: same[0]} if len(same) == 1 else found
        for place, protection in places.items():
            _describe(place, protection)
    etree.cleanup_namespaces(root, top_nsmap={"cenc": COMMON_NAMESPACE})
    text = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return text.decode()


def _describe(place: etree._Element, protection: Protection) -> None:
    """ISO/IEC 23009-1 §5.8.4.1; of the elements in it only the channels come first."""
    at = len(place.findall(f"{{{NAMESPACE}}}AudioChannelConfiguration"))
    common = etree.Element(f"{{{NAMESPACE}}}ContentProtection", schemeIdUri=PROTECTED)
    common.set("value", protection.scheme)
    common.set(f"{{{COMMON_NAMESPACE}}}default_KID", str(UUID(bytes=protection.key_id)))
    described = [
        common,
        *(_descriptor(signal) for signal in protection.signals if _is_told(signal)),
    ]
    for number, element in enumerate(described):
        place.insert(at + number, element)


def _is_told(signal: Signal) -> bool:
    return bool(signal.pssh or signal.content)


def _descriptor(signal: Signal) -> etree._Element:
    scheme = f"urn:uuid:{signal.system_id}"
    element = etree.Element(f"{{{NAMESPACE}}}ContentProtection", schemeIdUri=scheme)
    if signal.content:
        element.extend(_children(signal.content))
        return element
    etree.SubElement(element, f"{{{COMMON_NAMESPACE}}}pssh").text = _base64(signal.pssh)
    if signal.header:
        space = {"mspr": PLAYREADY_NAMESPACE}
        name = f"{{{PLAYREADY_NAMESPACE}}}pro"
        etree.SubElement(element, name, nsmap=space).text = _base64(signal.header)
    return element


def _children(fragment: str) -> list[etree._Element]:
    """The elements of a piece of XML.

    Raises:
        SourceError: `cpix_invalid`.
    """
    spaces = f'xmlns:cenc="{COMMON_NAMESPACE}" xmlns:mspr="{PLAYREADY_NAMESPACE}"'
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)
    try:
        root = etree.fromstring(f"<told {spaces}>{fragment}</told>", parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise invalid("ContentProtectionData", "it is no XML") from error
    return list(root.iterchildren(tag=etree.Element))


def _uri_of(line: str) -> str:
    return line.partition('URI="')[2].partition('"')[0]


def _with_uri(lines: Sequence[str], uri: str) -> str:
    if not lines or '"' in uri or not uri.isprintable():
        raise invalid("URIExtXKey", "no key line can hold it")
    before, _, rest = lines[0].partition('URI="')
    return f'{before}URI="{uri}"{rest.partition(chr(34))[2]}'


def _data_of(pssh: bytes) -> bytes:
    """What the first box of version 0 holds for its system."""
    length = struct.unpack(">I", pssh[28:32])[0] if len(pssh) > 32 and pssh[8] == 0 else 0
    return pssh[32 : 32 + length]


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _no_uri() -> ParameterError:
    return ParameterError(
        "nobody says where players get the keys of aes",
        code="key_uri_missing",
        hint="Give hls_key_uri, such as https://keys.example.org/{key_id}, or a CPIX document that"
        " says it.",
    )
