"""Opens encrypted samples (ISO/IEC 23001-7), apart from the tool that encrypted them."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from adaptation.media.encrypted import Sealed
from adaptation.media.protection import Protection

_HAS_SUBSAMPLES = 2
"""Flag of `senc`."""
BLOCK_BYTES = 16
PATTERN_BYTES = 160
"""Of pictures in `cbcs` one block of ten is encrypted."""


def opened_sample(sample: Sealed, protection: Protection, key: bytes, *, is_picture: bool) -> bytes:
    """The media of a sample as it was before.

    Args:
        sample: encrypted.
        protection: `cenc` or `cbcs`, with the IV of the latter.
        key: 16 bytes.
        is_picture: whether `cbcs` goes by its pattern; sound is encrypted block by block.
    """
    is_cenc = protection.scheme == "cenc"
    at = 8 if is_cenc else 0
    ranges = list(_ranges(sample, at))
    if is_cenc:
        return _counted(sample.media, ranges, key, sample.auxiliary[:8])
    step = PATTERN_BYTES if is_picture else BLOCK_BYTES
    made = bytearray(sample.media)
    for first, after in ranges:
        made[first:after] = _chained(sample.media[first:after], key, protection.iv, step)
    return bytes(made)


def _ranges(sample: Sealed, at: int) -> Iterator[tuple[int, int]]:
    """Where encrypted bytes begin and end."""
    if not sample.flags & _HAS_SUBSAMPLES or len(sample.auxiliary) <= at:
        yield 0, len(sample.media)
        return
    place = 0
    for clear, hidden in struct.iter_unpack(">HI", sample.auxiliary[at + 2 :]):
        place += clear
        yield place, place + hidden
        place += hidden


def _counted(
    media: bytes | memoryview, ranges: list[tuple[int, int]], key: bytes, iv: bytes
) -> bytes:
    """§9.4: one counter over all encrypted bytes of the sample."""
    cipher = Cipher(algorithms.AES128(key), modes.CTR(iv + bytes(8))).decryptor()
    parts, place = list[bytes | memoryview](), 0
    for first, after in ranges:
        parts += [media[place:first], cipher.update(media[first:after])]
        place = after
    return b"".join((*parts, media[place:]))


def _chained(hidden: bytes | memoryview, key: bytes, iv: bytes, step: int) -> bytes:
    """§9.5, §9.6: whole blocks, one in each step, are a chain of their own."""
    count = (len(hidden) - BLOCK_BYTES) // step + 1 if len(hidden) >= BLOCK_BYTES else 0
    if not count:
        return bytes(hidden)
    end = (count - 1) * step + BLOCK_BYTES
    cipher = Cipher(algorithms.AES128(key), modes.CBC(iv)).decryptor()
    if step == BLOCK_BYTES:
        return cipher.update(hidden[:end]) + bytes(hidden[end:])
    blocks, made = bytearray(count * BLOCK_BYTES), bytearray(hidden)
    for number in range(BLOCK_BYTES):
        blocks[number::BLOCK_BYTES] = hidden[number:end:step]
    opened = cipher.update(bytes(blocks))
    for number in range(BLOCK_BYTES):
        made[number:end:step] = opened[number::BLOCK_BYTES]
    return bytes(made)
