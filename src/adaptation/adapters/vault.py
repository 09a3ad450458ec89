"""What must not be read from a stolen database: texts sealed with AES-256-GCM, and opened again.

A sealed text is `sealed:v1:<id of the key>:<base64 of nonce and ciphertext>`. The name of the field
it stands in is authenticated with it, so that it opens in no other. The nonce is drawn from the
text itself by a keyed hash: equal texts of one field are equal when sealed, and can be compared.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from adaptation.errors import SettingsError

MARK = "sealed:"
"""How every sealed text begins, whatever its version."""
VERSION_MARK = f"{MARK}v1:"
KEY_BYTES = 32
_FORM = re.compile(r"sealed:v1:([0-9a-f]{8}):([A-Za-z0-9_-]+)")
_NONCE_BYTES = 12
_ID_DIGITS = 8


@dataclass(frozen=True)
class SecretKey:
    """A key that seals; everything is derived from its material, which is used for nothing else."""

    material: bytes
    """At least 32 random bytes."""

    def __repr__(self) -> str:
        return f"SecretKey({self.id})"

    @cached_property
    def id(self) -> str:
        """What it is called, 8 hexadecimal digits; nothing of the key can be found from it."""
        return hashlib.sha256(b"adaptation key id\0" + self.material).hexdigest()[:_ID_DIGITS]

    def sealed(self, text: bytes, field: bytes) -> bytes:
        """Nonce and ciphertext, with its tag."""
        message = len(field).to_bytes(4) + field + text
        nonce = hmac.digest(self._nonce_key, message, "sha256")[:_NONCE_BYTES]
        return nonce + self._cipher.encrypt(nonce, text, field)

    def opened(self, sealed: bytes, field: bytes) -> bytes | None:
        """The text; None: it was changed, or sealed by another key or for another field."""
        # Imported only where something is sealed: most commands have to do with no secret.
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], field)
        except (InvalidTag, ValueError):
            return None

    @cached_property
    def _nonce_key(self) -> bytes:
        return self._derived(b"adaptation nonce v1")

    @cached_property
    def _cipher(self) -> _Cipher:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(self._derived(b"adaptation seal v1"))

    def _derived(self, purpose: bytes) -> bytes:
        """HKDF with SHA-256, RFC 5869."""
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(SHA256(), KEY_BYTES, salt=None, info=purpose).derive(self.material)


class _Cipher(Protocol):
    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...


class Keys(Protocol):
    """Who knows the keys."""

    def all(self) -> tuple[SecretKey, ...]:
        """All there are, the newest first; at least one.

        Raises:
            SettingsError: `secret_key_unset`, `secret_key_missing`, `secret_key_invalid`.
        """


class NoKeys:
    """There are none: nothing can be sealed, and nothing sealed can be read."""

    def all(self) -> tuple[SecretKey, ...]:
        """Refuse.

        Raises:
            SettingsError: `secret_key_unset`.
        """
        raise SettingsError(
            "there is no key that seals secrets",
            code="secret_key_unset",
            hint="Set ADAPTATION_SECRET_KEY_FILE, the same for all machines.",
        )


@dataclass(frozen=True)
class Vault:
    """Seals with the newest key and opens with any."""

    keys: Keys

    def sealed(self, text: str, field: str = "") -> str:
        """The text as it may be stored.

        Args:
            text: any.
            field: the name of what it stands in; it can only be opened under the same.

        Raises:
            SettingsError: `secret_key_unset`, `secret_key_missing`, `secret_key_invalid`.
        """
        return _sealed(self.keys.all()[0], text, field)

    def opened(self, text: str, field: str = "") -> str:
        """What was sealed; a text that is not sealed is given back as it is.

        Raises:
            SettingsError: `secret_key_missing`, it was sealed with a key that is not there;
                `secret_unreadable`, it was changed, or comes from another field.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            return text
        named, body = found[1], _from_base64(found[2])
        known = self.keys.all()
        fitting = [key for key in known if key.id == named]
        for key in fitting:
            if (clear := key.opened(body, field.encode())) is not None:
                return clear.decode()
        if fitting:
            raise SettingsError(
                f"what was sealed as {field or 'a document'} with the key {named} was changed",
                code="secret_unreadable",
                hint="Restore this row from a backup of the database.",
            )
        raise SettingsError(
            f"there is no key {named}, with which stored secrets were sealed",
            code="secret_key_missing",
            hint="Add it to the file of ADAPTATION_SECRET_KEY_FILE, or to ADAPTATION_SECRET_KEY;"
            f" there are only: {', '.join(key.id for key in known)}.",
        )

    def forms(self, text: str, field: str = "") -> tuple[str, ...]:
        """Everything that `text` may be stored as: sealed with any key, and as it is."""
        return (*(_sealed(key, text, field) for key in self.keys.all()), text)


def seals_in(text: str) -> list[tuple[str, str]]:
    """What is sealed in a stored text: the id of the key, and nonce and ciphertext of each."""
    return _FORM.findall(text) if MARK in text else []


def _sealed(key: SecretKey, text: str, field: str) -> str:
    body = key.sealed(text.encode(), field.encode())
    return f"{VERSION_MARK}{key.id}:{base64.urlsafe_b64encode(body).decode().rstrip('=')}"


def _from_base64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
