"""Names of codecs for manifests, and channels of sound, from the boxes of a sample entry."""

from __future__ import annotations

import struct
from collections.abc import Callable

DOLBY = frozenset({b"ac-3", b"ec-3"})
"""Sample entries of AC-3 and E-AC-3, ETSI TS 102 366 Annex F: named as the codecs are."""
ACMOD_CHANNELS = (2, 1, 2, 3, 3, 4, 4, 5)
"""Full channels by `acmod`, ETSI TS 102 366 table 4.3."""

Child = Callable[[bytes], bytes]
"""The body of a box inside the sample entry, by its type."""


def picture_codec(kind: bytes, child: Child) -> str:
    """The name of RFC 6381 §3.3 for AVC, ISO/IEC 14496-15 Annex E for HEVC.

    Args:
        kind: type of the sample entry.
        child: its boxes.

    Raises:
        struct.error, IndexError: a box ends too early.
    """
    if kind in (b"avc1", b"avc3"):
        profile = struct.unpack_from(">x3s", child(b"avcC"))[0]
        return f"{kind.decode()}.{profile.hex()}"
    if kind == b"av01":
        return _av1_codec(child(b"av1C"))
    profile, flags, constraints, level = struct.unpack_from(">xBI6sB", child(b"hvcC"))
    compatible = int(f"{flags:032b}"[::-1], 2)
    space = ("", "A", "B", "C")[profile >> 6]
    tier = "H" if profile & 0x20 else "L"
    parts = [kind.decode(), f"{space}{profile & 0x1F}", f"{compatible:X}", f"{tier}{level}"]
    return ".".join([*parts, *(f"{byte:X}" for byte in constraints.rstrip(b"\0"))])


def _av1_codec(config: bytes) -> str:
    """AV1 Codec ISO Media File Format Binding §5: profile, level, tier and bit depth."""
    profile_and_level, shape = struct.unpack_from(">xBB", config)
    tier = "H" if shape & 0x80 else "M"
    depth = 12 if shape & 0x20 else 10 if shape & 0x40 else 8
    return f"av01.{profile_and_level >> 5}.{profile_and_level & 0x1F:02}{tier}.{depth:02}"


def sound_codec(kind: bytes, child: Child) -> str | None:
    """The name of RFC 6381 §3.3; None: it is not known.

    Args:
        kind: type of the sample entry.
        child: its boxes.

    Raises:
        struct.error, IndexError: a box ends too early.
    """
    if kind in DOLBY:
        return kind.decode()
    if kind != b"mp4a":
        return None
    esds = child(b"esds")
    at = _content(esds, 4)  # ES_Descriptor
    at = _content(esds, at + 3)  # DecoderConfigDescriptor
    object_type = esds[at]
    at = _content(esds, at + 13)  # DecoderSpecificInfo
    return f"mp4a.{object_type:x}.{esds[at] >> 3}"


def sound_channels(kind: bytes, child: Child) -> int | None:
    """Channels of Dolby's sound, told by a box of their own; None: the sample entry tells.

    Of E-AC-3 those of the first substream: what depends on it adds channels for few.
    """
    if kind not in DOLBY:
        return None
    if kind == b"ac-3":
        bits = int.from_bytes(struct.unpack_from(">3s", child(b"dac3"))[0], "big") >> 10
    else:
        bits = struct.unpack_from(">xxH", child(b"dec3"))[0]
    # `acmod` and `lfeon` are the last four.
    return ACMOD_CHANNELS[bits >> 1 & 7] + (bits & 1)


def _content(body: bytes, at: int) -> int:
    """Where a descriptor's content begins, ISO/IEC 14496-1 §8.3.3: a tag, up to four bytes."""
    at += 1
    while body[at] & 0x80:
        at += 1
    return at + 1
