"""Opens the keys of a CPIX document that are encrypted for us (CPIX 2.3 §6.1, XML Encryption 1.1).

RSA-OAEP carries a document key and a key for codes; AES-256 in CBC, under the document key, carries
each content key, and a code of HMAC over what is encrypted says that nobody changed it.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from lxml import etree

from adaptation.errors import SourceError
from adaptation.media.cpix_xml import (
    ENCRYPTION,
    NAMESPACE,
    SECRETS,
    SIGNATURES,
    decoded,
    invalid,
    listed,
)

AES256_CBC = f"{ENCRYPTION}aes256-cbc"
OAEP_SHA1 = f"{ENCRYPTION}rsa-oaep-mgf1p"
OAEP_ANY = "http://www.w3.org/2009/xmlenc11#rsa-oaep"
_MGF = "http://www.w3.org/2009/xmlenc11#"
_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
HASHES: Mapping[str, type[hashes.HashAlgorithm]] = {
    f"{SIGNATURES}sha1": hashes.SHA1,
    f"{ENCRYPTION}sha256": hashes.SHA256,
    f"{_MORE}sha384": hashes.SHA384,
    f"{ENCRYPTION}sha512": hashes.SHA512,
    f"{_MGF}mgf1sha1": hashes.SHA1,
    f"{_MGF}mgf1sha256": hashes.SHA256,
    f"{_MGF}mgf1sha384": hashes.SHA384,
    f"{_MGF}mgf1sha512": hashes.SHA512,
}
CODES = {f"{_MORE}hmac-{name}": name for name in ("sha256", "sha384", "sha512")}
DOCUMENT_KEY_BYTES = 32
_BLOCK_BYTES = 16


@dataclass(frozen=True)
class Recipient:
    """For whom keys are encrypted."""

    certificate: bytes
    """X.509, DER."""
    private_key: RSAPrivateKey = field(repr=False)
    """Of that certificate."""


@dataclass(frozen=True)
class Opener:
    """Opens the content keys of one document."""

    document_key: bytes = field(repr=False)
    """32 bytes."""
    code_key: bytes | None = field(repr=False)
    """None: the document has no codes."""
    code: str = ""
    """Hash of the codes, by Python's name of it."""

    def opened(self, secret: etree._Element) -> bytes:
        """The value of a `Secret` that holds an `EncryptedValue`.

        Raises:
            SourceError: `cpix_invalid`, names the element.
        """
        value = secret.find(f"{{{SECRETS}}}EncryptedValue")
        if value is None:
            raise invalid("Secret", "it has no EncryptedValue")
        if _algorithm(value) != AES256_CBC:
            raise invalid("EncryptedValue", f"{_algorithm(value)!r:.100} is not understood")
        sealed = _cipher_value(value)
        self._prove(sealed, secret.findtext(f"{{{SECRETS}}}ValueMAC"))
        return _from_cbc(sealed, self.document_key)

    def _prove(self, sealed: bytes, code: str | None) -> None:
        if self.code_key is None:
            return
        if code is None:
            raise invalid("ValueMAC", "it is missing")
        made = hmac.new(self.code_key, sealed, self.code).digest()
        if not hmac.compare_digest(made, decoded(code, "ValueMAC")):
            raise invalid("ValueMAC", "the key was changed on its way, or damaged")


def opener(root: etree._Element, recipient: Recipient | None) -> Opener:
    """What opens the keys of a document.

    Raises:
        SourceError: `cpix_encrypted`, they are for somebody else; `cpix_invalid`.
    """
    for delivery in listed(root, "DeliveryData"):
        if recipient is not None and _is_for(delivery, recipient):
            return _delivered(delivery, recipient.private_key)
    if recipient is None:
        raise SourceError(
            "the keys in the CPIX document are encrypted",
            code="cpix_encrypted",
            hint="Set ADAPTATION_CPIX_KEY_FILE to a file with your certificate and its private key,"
            " or ask the key server for keys in the clear, over https.",
        )
    raise SourceError(
        "the keys in the CPIX document are encrypted for somebody else",
        code="cpix_encrypted",
        hint="Give the key server the certificate that stands in ADAPTATION_CPIX_KEY_FILE.",
    )


def _is_for(delivery: etree._Element, recipient: Recipient) -> bool:
    """Whether a key was encrypted by our certificate, or by another one of the same key."""
    path = f"{{{NAMESPACE}}}DeliveryKey/{{{SIGNATURES}}}X509Data/{{{SIGNATURES}}}X509Certificate"
    text = delivery.findtext(path)
    if text is None:
        raise invalid("DeliveryKey", "it has no X509Certificate")
    given = decoded(text, "X509Certificate")
    if given == recipient.certificate:
        return True
    # Imported only now: it takes a while, and few documents need it.
    from cryptography.x509 import load_der_x509_certificate

    try:
        key = load_der_x509_certificate(given).public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise invalid("X509Certificate", "it is no certificate") from error
    return isinstance(key, RSAPublicKey) and key == recipient.private_key.public_key()


def _delivered(delivery: etree._Element, private_key: RSAPrivateKey) -> Opener:
    place = f"{{{NAMESPACE}}}DocumentKey/{{{NAMESPACE}}}Data/{{{SECRETS}}}Secret"
    value = delivery.find(f"{place}/{{{SECRETS}}}EncryptedValue")
    if value is None:
        raise invalid("DocumentKey", "it has no EncryptedValue")
    document_key = _unwrapped(value, private_key, "DocumentKey")
    if len(document_key) != DOCUMENT_KEY_BYTES:
        raise invalid("DocumentKey", f"it has {len(document_key)} bytes instead of 32")
    method = delivery.find(f"{{{NAMESPACE}}}MACMethod")
    if method is None:
        return Opener(document_key, None)
    code = CODES.get(method.get("Algorithm", ""))
    value = method.find(f"{{{NAMESPACE}}}Key/{{{SECRETS}}}EncryptedValue")
    if code is None or value is None:
        raise invalid("MACMethod", "it is no HMAC with SHA-256, SHA-384 or SHA-512 and its key")
    return Opener(document_key, _unwrapped(value, private_key, "MACMethod"), code)


def _unwrapped(value: etree._Element, private_key: RSAPrivateKey, name: str) -> bytes:
    """What RSA-OAEP carries, XML Encryption 1.1 §5.5.2."""
    method = value.find(f"{{{ENCRYPTION}}}EncryptionMethod")
    algorithm = _algorithm(value)
    if method is None or algorithm not in {OAEP_SHA1, OAEP_ANY}:
        raise invalid(name, f"{algorithm!r:.100} is not understood")
    digest = _hash(method.find(f"{{{SIGNATURES}}}DigestMethod"), name)
    mask = _hash(method.find(f"{{{_MGF}}}MGF") if algorithm == OAEP_ANY else None, name)
    try:
        return private_key.decrypt(_cipher_value(value), OAEP(MGF1(mask), digest, None))
    except ValueError as error:
        raise invalid(name, "it does not open with our private key") from error


def _hash(element: etree._Element | None, name: str) -> hashes.HashAlgorithm:
    if element is None:
        return hashes.SHA1()  # noqa: S303 - what XML Encryption means when nothing is said
    kind = HASHES.get(element.get("Algorithm", ""))
    if kind is None:
        raise invalid(name, f"{element.get('Algorithm')!r:.100} is not understood")
    return kind()


def _algorithm(value: etree._Element) -> str:
    method = value.find(f"{{{ENCRYPTION}}}EncryptionMethod")
    return "" if method is None else method.get("Algorithm", "")


def _cipher_value(value: etree._Element) -> bytes:
    text = value.findtext(f"{{{ENCRYPTION}}}CipherData/{{{ENCRYPTION}}}CipherValue")
    if text is None:
        raise invalid("CipherValue", "it is missing")
    return decoded(text, "CipherValue")


def _from_cbc(sealed: bytes, key: bytes) -> bytes:
    """XML Encryption 1.1 §5.2.1: the IV stands before what is encrypted."""
    if len(sealed) < 2 * _BLOCK_BYTES or len(sealed) % _BLOCK_BYTES:
        raise invalid("CipherValue", f"{len(sealed)} bytes are no IV with whole blocks")
    cipher = Cipher(algorithms.AES256(key), modes.CBC(sealed[:_BLOCK_BYTES])).decryptor()
    padded = cipher.update(sealed[_BLOCK_BYTES:]) + cipher.finalize()
    # XML Encryption's padding: the last byte counts, the others may be anything.
    count = padded[-1]
    if not 1 <= count <= _BLOCK_BYTES:
        raise invalid("CipherValue", "it does not open with the document key")
    return padded[:-count]
