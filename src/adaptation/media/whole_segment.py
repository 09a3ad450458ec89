"""Segments that are encrypted as a whole: AES-128 in CBC with PKCS7 padding, RFC 8216 §4.3.2.4."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from adaptation.errors import ToolError

_BLOCK_BITS = 128


def sequence_iv(number: int) -> bytes:
    """The IV of a segment where its playlist names none: its number (RFC 8216 §5.2)."""
    return number.to_bytes(16, "big")


def sealed_segment(content: bytes, key: bytes, iv: bytes) -> bytes:
    """A segment as it is served.

    Args:
        content: of the clear segment.
        key: 16 bytes.
        iv: 16 bytes.
    """
    padder = PKCS7(_BLOCK_BITS).padder()
    encryptor = Cipher(algorithms.AES128(key), modes.CBC(iv)).encryptor()
    parts = (padder.update(content), padder.finalize())
    return b"".join((*map(encryptor.update, parts), encryptor.finalize()))


def opened_segment(content: bytes, key: bytes, iv: bytes) -> bytes:
    """What `sealed_segment` was given.

    Raises:
        ToolError: `output_mismatch`, it does not open with this key.
    """
    decryptor = Cipher(algorithms.AES128(key), modes.CBC(iv)).decryptor()
    unpadder = PKCS7(_BLOCK_BITS).unpadder()
    try:
        parts = (decryptor.update(content), decryptor.finalize())
        return b"".join((*map(unpadder.update, parts), unpadder.finalize()))
    except ValueError as error:
        raise ToolError(
            "the encrypted copy is not what it should be: a segment does not open with its key",
            code="output_mismatch",
        ) from error
