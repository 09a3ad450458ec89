"""Keys that clients show, and secrets that sign what they are told: made, recognised, hashed."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import string
import zlib

KEY_BYTES = 32
"""Random bytes of a key: too many to guess, so that a plain hash keeps them."""
PREFIX_LETTERS = 8
CHECKSUM_LETTERS = 6
SECRET_MARK = "whsec_"  # noqa: S105 - how Standard Webhooks begins every secret
_PREFIX_ALPHABET = string.ascii_lowercase + string.digits
_CHECKSUM_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_FORM = re.compile(r"(ad_[a-z0-9]{8})_([A-Za-z0-9_-]{43})([0-9A-Za-z]{6})")


def make_key() -> str:
    """A new key: `ad_`, a prefix that may be shown, `_`, 32 random bytes, a checksum."""
    prefix = "".join(secrets.choice(_PREFIX_ALPHABET) for _ in range(PREFIX_LETTERS))
    body = f"ad_{prefix}_{secrets.token_urlsafe(KEY_BYTES)}"
    return body + _checksum(body)


def is_well_formed(key: str) -> bool:
    """Whether this may be a key: one with a typo, or cut short, is known without the database."""
    found = _FORM.fullmatch(key)
    return found is not None and _checksum(key[:-CHECKSUM_LETTERS]) == found[3]


def prefix_of(key: str) -> str:
    """The part of a well-formed key that may be shown, `ad_` and eight letters."""
    return key[: len("ad_") + PREFIX_LETTERS]


def hash_of(key: str) -> str:
    """What is stored of a key: its SHA-256, 64 hexadecimal digits."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def new_signing_secret() -> str:
    """A secret that signs callbacks, in the form of Standard Webhooks 1.0."""
    return SECRET_MARK + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def _checksum(body: str) -> str:
    """A CRC-32 in six letters of base 62, as in the tokens of other services."""
    number = zlib.crc32(body.encode())
    letters = ""
    for _ in range(CHECKSUM_LETTERS):
        number, rest = divmod(number, len(_CHECKSUM_ALPHABET))
        letters = _CHECKSUM_ALPHABET[rest] + letters
    return letters
