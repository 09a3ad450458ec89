"""Reads an operator's certificates and private key, with which key servers deliver content keys."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from adaptation.errors import SettingsError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

LEAST_BITS = 2048
"""Of an RSA key."""
MOST_BYTES = 256 * 1024
OTHERS = 0o077
"""Permissions of everybody but the owner."""


class Identity(NamedTuple):
    """A certificate with its private key."""

    certificate: bytes
    """X.509, DER."""
    private_key: RSAPrivateKey
    """Secret."""


@dataclass(frozen=True)
class KeyFiles:
    """Where an operator keeps them; read anew by each task, so that changed ones count at once."""

    own: Path | None = None
    """Certificate and private key, PEM."""
    believed: Path | None = None
    """Certificates of signers, PEM."""

    def identity(self) -> Identity | None:
        """Our own certificate and its key; None: none is set.

        Raises:
            SettingsError: `cpix_key_file`.
        """
        if self.own is None:
            return None
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
        from cryptography.x509 import load_pem_x509_certificate

        content = _content(self.own, is_secret=True)
        try:
            key = load_pem_private_key(content, None)
            certificate = load_pem_x509_certificate(content)
        except (TypeError, ValueError) as error:
            raise _unusable(self.own, "it holds no certificate with a key in PEM") from error
        if not isinstance(key, RSAPrivateKey) or key.key_size < LEAST_BITS:
            raise _unusable(self.own, f"its key is no RSA key of {LEAST_BITS} bits or more")
        if certificate.public_key() != key.public_key():
            raise _unusable(self.own, "its key is not that of its certificate")
        return Identity(certificate.public_bytes(Encoding.DER), key)

    def signers(self) -> list[RSAPublicKey]:
        """Keys of those whose signatures are believed; empty: none are set.

        Raises:
            SettingsError: `cpix_key_file`.
        """
        if self.believed is None:
            return []
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
        from cryptography.x509 import load_pem_x509_certificates

        try:
            listed = load_pem_x509_certificates(_content(self.believed, is_secret=False))
        except ValueError as error:
            raise _unusable(self.believed, "it holds no certificates in PEM") from error
        keys = [certificate.public_key() for certificate in listed]
        known = [one for one in keys if isinstance(one, RSAPublicKey)]
        if len(known) != len(keys) or any(one.key_size < LEAST_BITS for one in known):
            raise _unusable(self.believed, f"a key is no RSA key of {LEAST_BITS} bits or more")
        return known


def _content(path: Path, *, is_secret: bool) -> bytes:
    try:
        with path.open("rb") as stream:
            facts = os.fstat(stream.fileno())
            if is_secret and os.name == "posix" and stat.S_IMODE(facts.st_mode) & OTHERS:
                raise _unusable(path, "others than its owner may read or change it")
            return stream.read(MOST_BYTES)
    except OSError as error:
        raise _unusable(path, f"it cannot be read: {error.strerror}") from error


def _unusable(path: Path, why: str) -> SettingsError:
    return SettingsError(
        f"{path.name} cannot be used for content keys: {why}",
        code="cpix_key_file",
        hint="Set ADAPTATION_CPIX_KEY_FILE to a certificate and its RSA key in PEM (chmod 600), and"
        " ADAPTATION_CPIX_SIGNERS_FILE to certificates in PEM.",
    )
